"""Logged feedback of your own: one CSV or parquet file, a row an item that was shown.

    item_id             what was shown
    reward              what came back (a click, a purchase, seconds)
    propensity          probability with which the running policy drew this item here, noted when it drew
    target_propensity   probability with which the policy to be judged would have drawn it
    position            place in the slate, from 0                                  (optional)
    user_id             rows of one user are resampled together                     (optional)
    round_id            rows of one slate are, where there is no user               (optional)

Rows stand in the order of time. A second file may hold the policy to be judged over all items, if it is the
same in every context: item_id, probability, and position if it differs by place. Other columns are ignored.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.data.batch import DataContractError
from components.data.logged import OPTIONAL_COLUMNS, POLICY_COLUMNS, REQUIRED_COLUMNS, LoggedRows
from components.data.sources import SourceUnavailable

_IDS = ("item_id", "user_id", "round_id")


def read_logged_table(path: Path, policy: Path | None = None) -> LoggedRows:
    """The log and, if named, the target policy's table.

    Raises SourceUnavailable for a missing file and DataContractError for a column that is missing or does not
    hold numbers, naming the first row that does not.
    """
    rows = _columns(path, REQUIRED_COLUMNS, OPTIONAL_COLUMNS)
    return LoggedRows(
        source=path.stem,
        logging_policy="logging policy",
        target_policy=policy.stem if policy else "target policy",
        rows=rows,
        policy=_columns(policy, POLICY_COLUMNS, ("position",)) if policy else None,
    )


def _columns(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    table = _read(path)
    if missing := [name for name in required if name not in table]:
        raise DataContractError(
            f"{path}: no column {missing[0]!r}; found {', '.join(map(repr, table.columns))}. "
            f"A log needs {', '.join(required)}."
        )
    kept = table[[*required, *(name for name in optional if name in table)]]
    return pd.DataFrame(
        {name: values if name in _IDS else _numbers(path, values) for name, values in kept.items()}
    )


def _numbers(path: Path, values: pd.Series) -> pd.Series:
    """Numbers with every digit kept; an empty field is NaN and for the evaluation to refuse."""
    numbers = pd.to_numeric(values, errors="coerce")
    unread = numbers.isna() & values.notna()
    if unread.any():
        row = int(unread.to_numpy().argmax())
        raise DataContractError(
            f"{path}: {int(unread.sum())} of {len(values)} values of {values.name!r} are no numbers; the first "
            f"is row {row}: {values.iloc[row]!r}. Write them with a decimal point."
        )
    return numbers.astype("float64")


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise SourceUnavailable(f"{path} is not there. Give a CSV or parquet file of logged feedback.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        ids = dict.fromkeys(_IDS, str)
        return pd.read_csv(path, dtype=ids, float_precision="round_trip", encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # what parsers, decoders and pyarrow raise are kinds of these
        raise DataContractError(
            f"{path}: cannot be read as {path.suffix[1:] or 'a table'} ({error}). Export it again as UTF-8 CSV "
            "with a header line, or as parquet."
        ) from error
