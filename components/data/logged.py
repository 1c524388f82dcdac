"""Logged feedback on its way from a file to the evaluation: rows as they stand there, under our names."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

REQUIRED_COLUMNS = ("item_id", "reward", "propensity", "target_propensity")
OPTIONAL_COLUMNS = ("position", "user_id", "round_id")
POLICY_COLUMNS = ("item_id", "probability")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedRows:
    """A log of one policy, with what another would have done.

    `rows`: item_id, reward, propensity, target_propensity, and whichever of position, user_id, round_id the
    file has; one row an item at a position. `policy`: item_id, probability, perhaps position: the target
    policy over all items, where it is known and the same in every context.
    """

    source: str
    logging_policy: str
    target_policy: str
    rows: pd.DataFrame
    policy: pd.DataFrame | None
