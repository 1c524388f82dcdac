"""A log of lists: what was known when a version was drawn, which one answered, how likely that was, what came of it.

An arm is a version, an action its whole list. Shapes: N rounds (lists), A arms, D numbers of context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from components.evaluation.counterfactual.logged import LoggedFeedback, LoggedFeedbackError, TargetPolicy

CONTEXT_PREFIX = "context_"


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmLog:
    """Rounds in the order of time. Checked when built, as LoggedFeedback is: raises LoggedFeedbackError.

    `settled` is when the outcome of a round was known, `shown` when its list was asked for, in one unit of time;
    None where a log does not say; an outcome without `settled` counts as known at once.
    """

    context: Float[np.ndarray, "N D"]
    context_names: tuple[str, ...]
    arm: Int[np.ndarray, "N"]  # place in `arms`
    arms: tuple[str, ...]
    reward: Float[np.ndarray, "N"]
    propensity: Float[np.ndarray, "N"]  # of the arm that answered, noted when it was drawn
    cluster: Int[np.ndarray, "N"]  # user, counted from 0; the same number in every part of a log
    shown: Float[np.ndarray, "N"] | None = None
    settled: Float[np.ndarray, "N"] | None = None

    def __post_init__(self) -> None:
        unfit = ~np.isfinite(self.context)
        if unfit.any():
            row, column = (int(i) for i in np.argwhere(unfit)[0])
            raise LoggedFeedbackError(
                f"row {row}: {self.context_names[column]} is {self.context[row, column]} "
                f"({int(unfit.any(axis=1).sum())} of {len(unfit)} rows). Fill it in, or leave the column out."
            )
        _check_moments(self.shown, self.settled)
        self.under(np.full((len(self), len(self.arms)), 1 / len(self.arms)))

    def __len__(self) -> int:
        return len(self.arm)

    def under(self, probabilities: Float[np.ndarray, "N A"]) -> LoggedFeedback:
        """The log as feedback on a policy that takes each arm with these probabilities."""
        rounds = np.arange(len(self))
        return LoggedFeedback(
            action=self.arm,
            position=np.zeros(len(self), dtype=int),
            reward=self.reward,
            propensity=self.propensity,
            target=probabilities[rounds, self.arm],
            cluster=pd.factorize(self.cluster)[0],
            actions=np.array(self.arms, dtype=object),
            policy=TargetPolicy(probabilities=probabilities, row=rounds),
        )

    def where(self, kept: Bool[np.ndarray, "N"]) -> ArmLog:
        """Some of the rounds; there is at least one."""
        return ArmLog(
            context=self.context[kept],
            context_names=self.context_names,
            arm=self.arm[kept],
            arms=self.arms,
            reward=self.reward[kept],
            propensity=self.propensity[kept],
            cluster=self.cluster[kept],
            shown=None if self.shown is None else self.shown[kept],
            settled=None if self.settled is None else self.settled[kept],
        )


def _check_moments(shown: Float[np.ndarray, "N"] | None, settled: Float[np.ndarray, "N"] | None) -> None:
    """Raises LoggedFeedbackError with the first row that is amiss."""
    if settled is not None and shown is None:
        raise LoggedFeedbackError(
            "settled says when rewards were final, and nothing says when the lists were asked for. Write shown "
            "beside it, in the same unit."
        )
    for name, moments in (("shown", shown), ("settled", settled)):
        if moments is not None and (unfit := ~np.isfinite(moments)).any():
            row = int(np.argmax(unfit))
            raise LoggedFeedbackError(
                f"row {row}: {name} is {moments[row]} ({int(unfit.sum())} of {len(unfit)} rows). Fill it in, or leave "
                "shown and settled out."
            )
    if shown is not None and (early := np.diff(shown) < 0).any():
        row = int(np.argmax(early)) + 1
        raise LoggedFeedbackError(
            f"row {row}: shown is earlier than in the row above. Write the lists in the order of time."
        )
    if shown is not None and settled is not None and (early := settled < shown).any():
        row = int(np.argmax(early))
        raise LoggedFeedbackError(
            f"row {row}: settled is {settled[row]:.16g}, before the list was asked for (shown, {shown[row]:.16g}; "
            f"{int(early.sum())} of {len(early)} rows). Write both in one unit of time."
        )


def split_in_time(log: ArmLog, learn_share: float) -> tuple[ArmLog, ArmLog]:
    """The first rounds to learn from, and the others to judge by.

    Of the first, those are left out whose outcome was not known yet when the first of the others was shown. Raises
    LoggedFeedbackError where a part is empty.
    """
    cut = round(learn_share * len(log))
    is_first = np.arange(len(log)) < cut
    is_learned = is_first
    if log.settled is not None and log.shown is not None and cut < len(log):
        is_learned = is_first & (log.settled <= log.shown[cut])
    if not is_learned.any() or is_first.all():
        raise LoggedFeedbackError(
            f"{len(log):,} lists, of which {learn_share:.0%} come first: {int(is_learned.sum()):,} are left to learn "
            f"from and {int((~is_first).sum()):,} to judge by. Wait for more lists, divide them "
            "otherwise by --learn-share, or let outcomes count for a shorter time."
        )
    return log.where(is_learned), log.where(~is_first)


def arm_log_from_rows(rows: pd.DataFrame, versions: Sequence[str] = ()) -> ArmLog:
    """A log out of a table, a row a list: version, reward, propensity, numbers of context by CONTEXT_PREFIX.

    Optional: user_id (rows of one user are resampled together), shown and settled. Arms are `versions`, then whoever
    else answered. Raises LoggedFeedbackError.
    """
    names = tuple(name for name in rows if str(name).startswith(CONTEXT_PREFIX))
    if not len(rows) or not names:
        what = f"no column begins with {CONTEXT_PREFIX!r}" if len(rows) else "it holds no list"
        raise LoggedFeedbackError(f"{what}: there is nothing to tell users apart by")
    answered = rows["version"].astype(str)
    arms = tuple(dict.fromkeys([*versions, *sorted(answered.unique(), key=_by_number)]))
    users = rows["user_id"] if "user_id" in rows else pd.Series(np.arange(len(rows)))
    if (missing := users.isna().to_numpy()).any():
        raise LoggedFeedbackError(
            f"row {int(missing.argmax())}: user_id is missing ({int(missing.sum())} of {len(rows)} rows). Fill it "
            "in, or leave the column out: then every row is resampled by itself."
        )
    return ArmLog(
        context=rows[list(names)].to_numpy(dtype=float),
        context_names=tuple(name.removeprefix(CONTEXT_PREFIX) for name in names),
        arm=pd.Index(arms).get_indexer(answered),
        arms=arms,
        reward=rows["reward"].to_numpy(dtype=float),
        propensity=rows["propensity"].to_numpy(dtype=float),
        cluster=pd.factorize(users)[0],
        shown=rows["shown"].to_numpy(dtype=float) if "shown" in rows else None,
        settled=rows["settled"].to_numpy(dtype=float) if "settled" in rows else None,
    )


def _by_number(version: str) -> tuple[int, str]:
    return (int(version) if version.isdecimal() else 0, version)
