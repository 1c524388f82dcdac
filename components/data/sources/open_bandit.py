"""Open Bandit Dataset, small sample: what two policies showed on a fashion shop, with propensities, and clicks.

A folder of `open_bandit_<log>_<campaign>.csv`, each 10,000 items shown one by one by the policy `random` or
`bts`, with the probability that the other policy gives them. One row is one item at one of three positions;
there is no user or slate. Read with every digit kept: the default parser moves weights across thresholds.

Source: Saito, Aihara, Matsutani & Narita 2020, arXiv:2008.07146.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.data.batch import DataContractError
from components.data.logged import LoggedRows
from components.data.sources import SourceUnavailable

_OURS = {"item_id": "item_id", "position": "position", "click": "reward", "propensity": "propensity",
         "pi_e": "target_propensity"}  # fmt: skip
_FACTS = ("log", "campaign", "eval_policy")


def open_bandit_logs(folder: Path) -> tuple[Path, ...]:
    """The logs in a folder, by name; empty if it is not such a folder."""
    return tuple(sorted(folder.glob("open_bandit_*_*.csv")))


def is_open_bandit(path: Path) -> bool:
    return path.name.startswith("open_bandit_") and path.suffix == ".csv"


def read_open_bandit(path: Path) -> LoggedRows:
    """One log, and the whole policy that it is to evaluate, from the files beside it.

    `random` gives every item of the campaign (item_context_<campaign>.csv) the same probability; `bts` is the
    table pi_bts_<campaign>.csv, which is a replayed policy and not the one that ran.
    Raises SourceUnavailable for a missing file and DataContractError for a column that is not there.
    """
    table = _read(path, (*_OURS, *_FACTS))
    facts = {name: table[name].astype(str).unique() for name in _FACTS}
    for name, values in facts.items():
        if len(values) != 1:
            raise DataContractError(
                f"{path}: column {name!r} holds {len(values)} values; a log is of one. Split the file."
            )
    log, campaign, target = (str(facts[name][0]) for name in _FACTS)
    return LoggedRows(
        source=path.stem,
        logging_policy=log,
        target_policy=target,
        rows=table[list(_OURS)].rename(columns=_OURS),
        policy=_policy(path.parent, target, campaign),
    )


def _policy(folder: Path, target: str, campaign: str) -> pd.DataFrame:
    if target == "random":
        items = _read(folder / f"item_context_{campaign}.csv", ("item_id",))["item_id"]
        return pd.DataFrame({"item_id": items, "probability": 1 / len(items)})
    table = _read(folder / f"pi_{target}_{campaign}.csv", ("item_id", "position", "prob"))
    return table.rename(columns={"prob": "probability"})


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise SourceUnavailable(f"{path} is not there. Give the folder of the whole sample.")
    table = pd.read_csv(path, float_precision="round_trip")
    if missing := [name for name in columns if name not in table]:
        raise DataContractError(f"{path}: no column {missing[0]!r}. Take the file as it was published.")
    return table
