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
import pyarrow as pa

from components.data.batch import DataContractError
from components.data.logged import OPTIONAL_COLUMNS, POLICY_COLUMNS, REQUIRED_COLUMNS, LoggedRows
from components.data.sources import SourceUnavailable
from components.data.sources.columns.ids import read_ids
from components.data.sources.columns.words import without_missing_words
from components.data.sources.files.form import FileForm
from components.data.sources.files.reading import file_names, read_file
from components.data.sources.naming import nearest

_IDS = ("item_id", "user_id", "round_id", "version")


def read_logged_table(path: Path, policy: Path | None = None) -> LoggedRows:
    """The log and, if named, the target policy's table.

    Raises SourceUnavailable for a missing file and DataContractError for one that cannot be read row by row, or a
    column that is missing, lacks an id, or does not hold numbers, naming the first row that does not.
    """
    rows = read_columns(path, REQUIRED_COLUMNS, OPTIONAL_COLUMNS)
    return LoggedRows(
        source=path.stem,
        logging_policy="logging policy",
        target_policy=policy.stem if policy else "target policy",
        rows=rows,
        policy=read_columns(policy, POLICY_COLUMNS, ("position",)) if policy else None,
    )


def read_columns(path: Path, required: tuple[str, ...], optional: tuple[str, ...]) -> pd.DataFrame:
    """Ids as text, everything else as numbers. Raises what `read_logged_table` does."""
    if not path.is_file():
        raise SourceUnavailable(f"{path} is not there. Give a CSV or parquet file of logged feedback.")
    names, _ = file_names(path, FileForm())
    if missing := [name for name in required if name not in names]:
        near = nearest(missing, names)
        raise DataContractError(
            f"{path}: no column {', '.join(map(repr, missing))}; found {', '.join(map(repr, names))}. "
            f"A log needs {', '.join(required)}.{f' Nearest: {near}.' if near else ''}"
        )
    wanted = [*required, *(name for name in optional if name in names)]
    table = read_file(path, FileForm(), wanted=wanted, keys=wanted[:1]).table
    if not table.num_rows:
        raise DataContractError(f"{path}: has no rows. Export the log again.")
    return pd.DataFrame(
        {name: _ids(path, name, table) if name in _IDS else _numbers(path, name, table) for name in wanted}
    )


def _ids(path: Path, name: str, table: pa.Table) -> pd.Series:
    ids = read_ids(table.column(name), name=name, path=path).ids
    if (lacking := ids.isna()).any():
        row = int(lacking.to_numpy().argmax())
        raise DataContractError(
            f"{path}: {int(lacking.sum()):,} of {len(ids):,} rows have no {name}; the first is row {row} "
            "(counted from 0, "
            "below the header). Remove these rows, or fill them in."
        )
    return ids


def _numbers(path: Path, name: str, table: pa.Table) -> pd.Series:
    """Numbers with every digit kept; an empty field is NaN and for the evaluation to refuse."""
    column = table.column(name)
    if pa.types.is_nested(column.type) or pa.types.is_temporal(column.type):
        raise DataContractError(
            f"{path}: column {name!r} is of type {column.type}, and holds no numbers. Write "
            "numbers; of a moment its epoch seconds."
        )
    if pa.types.is_string(column.type):
        column = without_missing_words(column)[0]
    raw = column.to_pylist()
    values = [float("nan") if value is None else _number(value) for value in raw]
    if None in values:
        row = values.index(None)
        raise DataContractError(
            f"{path}: {values.count(None):,} of {len(values):,} values of {name!r} are no numbers; the first "
            f"is row {row}: {raw[row]!r}. Write them with a decimal point, and "
            "moments as epoch seconds."
        )
    return pd.Series(values, dtype="float64", name=name)


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
