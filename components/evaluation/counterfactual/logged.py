"""Logged feedback: what a policy showed, with which probability, and what came back.

One round is one action at one position. Shapes: N rounds, A actions, C rows of the target policy's table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

_SUM_TOLERANCE = 1e-4  # tables are printed with a few digits
_SAME_TOLERANCE = 1e-6


class LoggedFeedbackError(ValueError):
    """A round, or the target policy's table, cannot be evaluated; the message names the row."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TargetPolicy:
    """pi_e over all actions: one row of `probabilities` for each kind of round, `row` says which is whose.

    A policy without context has a row a position; one that knows the user may have a row a round. Raises
    LoggedFeedbackError unless every row holds probabilities that sum to one (within 1e-4; a printed table).
    """

    probabilities: Float[np.ndarray, "C A"]
    row: Int[np.ndarray, "N"]

    def __post_init__(self) -> None:
        table = self.probabilities
        bad = ~(np.isfinite(table) & (table >= 0) & (table <= 1 + _SUM_TOLERANCE))
        if bad.any():
            row, action = (int(i) for i in np.argwhere(bad)[0])
            raise LoggedFeedbackError(
                f"target policy, distribution {row}, action {action}: {table[row, action]} is no probability. "
                "Give numbers between 0 and 1."
            )
        off = np.abs(table.sum(axis=1) - 1) > _SUM_TOLERANCE
        if off.any():
            row = int(np.argmax(off))
            raise LoggedFeedbackError(
                f"target policy, distribution {row}: the probabilities of its {table.shape[1]} actions sum to "
                f"{table[row].sum():.6g}, not 1. Give the whole distribution, actions of probability 0 included."
            )
        outside = (self.row < 0) | (self.row >= len(table))
        if outside.any():
            at = int(np.argmax(outside))
            raise LoggedFeedbackError(
                f"row {at}: it asks for row {self.row[at]} of a target policy of {len(table)}"
            )

    @cached_property
    def normalised(self) -> Float[np.ndarray, "C A"]:
        """Rows that sum to one exactly, as an expectation needs."""
        return self.probabilities / self.probabilities.sum(axis=1, keepdims=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoggedFeedback:
    """Columns of N rounds, in the order of time. Checked when built: raises LoggedFeedbackError.

    `target` is pi_e of the action that was logged; `policy` its whole distribution, where it is known.
    Rounds of one cluster (a user, a slate) are resampled together.
    """

    action: Int[np.ndarray, "N"]  # place in `actions`
    position: Int[np.ndarray, "N"]  # 0 is the first place; 0 throughout where there is one
    reward: Float[np.ndarray, "N"]
    propensity: Float[np.ndarray, "N"]  # p_0 of the logged action, noted when it was shown; above 0
    target: Float[np.ndarray, "N"]
    cluster: Int[np.ndarray, "N"]  # 0 … U-1, by first appearance
    actions: np.ndarray  # [A] ids
    policy: TargetPolicy | None = None
    slate: Int[np.ndarray, "N"] | None = None  # 0 … S-1; None where every round stands alone

    def __post_init__(self) -> None:
        if not len(self.action):
            raise LoggedFeedbackError("the log holds no round: there is nothing to evaluate")
        for name in ("position", "reward", "propensity", "target", "cluster"):
            if (length := len(getattr(self, name))) != len(self.action):
                raise LoggedFeedbackError(
                    f"column {name} has {length} rows and action {len(self.action)}: give one value a round"
                )
        outside = (self.action < 0) | (self.action >= len(self.actions))
        self._refuse(
            outside, self.action, "action", "is unknown", f"Actions are 0 to {len(self.actions) - 1}."
        )
        self._refuse(self.position < 0, self.position, "position", "is negative", "Positions count from 0.")
        self._refuse(
            ~np.isfinite(self.reward), self.reward, "reward", "is not finite", "Leave out rounds without a reward."
        )  # fmt: skip
        self._refuse(
            ~(self.propensity > 0) | ~(self.propensity <= 1), self.propensity, "propensity",
            "is not above 0 and at most 1",
            "Log the probability with which the action was drawn, at the moment it was drawn.",
        )  # fmt: skip
        self._refuse(
            ~(self.target >= 0) | ~(self.target <= 1), self.target, "target propensity",
            "is not between 0 and 1", "Give pi_e of the logged action.",
        )  # fmt: skip
        if self.policy is not None:
            self._check_policy(self.policy)
        if self.slate is not None:
            self._check_slates(self.slate)

    def _check_slates(self, slate: Int[np.ndarray, "N"]) -> None:
        again = pd.DataFrame({"slate": slate, "position": self.position}).duplicated().to_numpy()
        self._refuse(
            again, self.position, "position", "stands twice in its slate", "Number the places from 0."
        )
        first = pd.Series(self.cluster).groupby(slate).transform("first").to_numpy()
        self._refuse(
            first != self.cluster, self.cluster, "cluster", "is not that of its slate",
            "A slate is shown to one user.",
        )  # fmt: skip

    def _refuse(self, bad: np.ndarray, values: np.ndarray, what: str, fault: str, fix: str) -> None:
        if bad.any():
            row = int(np.argmax(bad))
            raise LoggedFeedbackError(
                f"row {row}: {what} {values[row]} {fault} ({int(bad.sum())} of {len(bad)} rows). {fix}"
            )

    def _check_policy(self, policy: TargetPolicy) -> None:
        if policy.probabilities.shape[1] != len(self.actions) or len(policy.row) != len(self.action):
            raise LoggedFeedbackError(
                f"the target policy is of {policy.probabilities.shape[1]} actions and {len(policy.row)} rounds, "
                f"the log of {len(self.actions)} and {len(self.action)}"
            )
        told = policy.probabilities[policy.row, self.action]
        off = np.abs(told - self.target) > _SAME_TOLERANCE
        if off.any():
            row = int(np.argmax(off))
            raise LoggedFeedbackError(
                f"row {row}: target propensity {self.target[row]:.6g}, but the target policy's table says "
                f"{told[row]:.6g} ({int(off.sum())} of {len(off)} rows differ). Take both from one policy."
            )

    def __len__(self) -> int:
        return len(self.action)

    @cached_property
    def weight(self) -> Float[np.ndarray, "N"]:
        """w = pi_e(a|x) / p_0(a|x)."""
        return self.target / self.propensity

    @property
    def num_clusters(self) -> int:
        return int(self.cluster.max()) + 1


def feedback_from_rows(rows: pd.DataFrame, policy: pd.DataFrame | None = None) -> LoggedFeedback:
    """Logged feedback out of tables.

    `rows`: item_id, reward, propensity, target_propensity; optional position, user_id, round_id. Rows of one
    user, else of one round (slate), form a cluster; rows of one round at several positions are a slate, whose
    propensities are each given the items above. `policy`: item_id, probability, optional position; a
    policy without context. Raises LoggedFeedbackError.
    """
    if not len(rows):
        raise LoggedFeedbackError("the log holds no round: there is nothing to evaluate")
    named = rows["item_id"] if policy is None else policy["item_id"]
    actions = np.array(sorted(named.astype(str).unique()), dtype=object)
    action = pd.Index(actions).get_indexer(rows["item_id"].astype(str))
    if (action < 0).any():
        row = int(np.argmax(action < 0))
        raise LoggedFeedbackError(
            f"row {row}: item {rows['item_id'].iloc[row]} is unknown to the target policy "
            f"({int((action < 0).sum())} of {len(rows)} rows). Give its probability, 0 if it is never shown."
        )
    position = _positions(rows)
    return LoggedFeedback(
        action=action,
        position=position,
        reward=rows["reward"].to_numpy(dtype=float),
        propensity=rows["propensity"].to_numpy(dtype=float),
        target=rows["target_propensity"].to_numpy(dtype=float),
        cluster=_clusters(rows),
        actions=actions,
        policy=None if policy is None else _policy_table(policy, actions, position),
        slate=_slates(rows),
    )


def _positions(rows: pd.DataFrame) -> Int[np.ndarray, "N"]:
    if "position" not in rows:
        return np.zeros(len(rows), dtype=int)
    position = rows["position"].to_numpy(dtype=float)
    broken = ~np.isfinite(position) | (position != np.floor(position))
    if broken.any():
        row = int(np.argmax(broken))
        raise LoggedFeedbackError(f"row {row}: position {position[row]} is no whole number. Count from 0.")
    return position.astype(int)


def _clusters(rows: pd.DataFrame) -> Int[np.ndarray, "N"]:
    known = [name for name in ("user_id", "round_id") if name in rows]
    for name in known:
        missing = rows[name].isna().to_numpy()
        if missing.any():
            raise LoggedFeedbackError(
                f"row {int(np.argmax(missing))}: {name} is missing ({int(missing.sum())} of {len(rows)} rows). "
                "Fill it in, or leave the column out: then every row is resampled by itself."
            )
    return pd.factorize(rows[known[0]])[0] if known else np.arange(len(rows))


def _slates(rows: pd.DataFrame) -> Int[np.ndarray, "N"] | None:
    if "round_id" not in rows or not rows["round_id"].duplicated().any():
        return None
    return pd.factorize(rows["round_id"])[0]


def _policy_table(policy: pd.DataFrame, actions: np.ndarray, position: Int[np.ndarray, "N"]) -> TargetPolicy:
    """A row a position; a table without positions is one row for all."""
    places = _positions(policy)
    has_positions = "position" in policy
    table = np.zeros((int(max(places.max(), position.max() if has_positions else 0)) + 1, len(actions)))
    column = pd.Index(actions).get_indexer(policy["item_id"].astype(str))
    twice = pd.Series(places * len(actions) + column).duplicated().to_numpy()
    if twice.any():
        row = int(np.argmax(twice))
        raise LoggedFeedbackError(
            f"target policy, row {row}: item {policy['item_id'].iloc[row]} at position {places[row]} stands "
            "twice. Keep one."
        )
    probability = policy["probability"].to_numpy(dtype=float)
    broken = ~((probability >= 0) & (probability <= 1 + _SUM_TOLERANCE))  # NaN too
    if broken.any():
        row = int(np.argmax(broken))
        raise LoggedFeedbackError(
            f"target policy, row {row}: item {policy['item_id'].iloc[row]} has the probability {probability[row]}. "
            "Give a number between 0 and 1."
        )
    table[places, column] = probability
    return TargetPolicy(probabilities=table, row=position if has_positions else np.zeros_like(position))
