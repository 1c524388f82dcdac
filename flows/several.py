"""The challengers of a cycle before the gate: all share one attempt on the window's alpha, and one of them goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from components.evaluation.alpha_spending import Attempt
from components.evaluation.several import OneOfSeveral, best_of, stands, step_down
from components.evaluation.verdict import Outcome
from flows.judging import JudgedReplay, evidence_of
from flows.stages import StageResult
from flows.window_alpha import SharedAlpha

Judging = StageResult[JudgedReplay]


@dataclass(frozen=True, kw_only=True)
class JudgedChallengers:
    """Every challenger as it was judged at last."""

    lead: str  # the one that goes on: it alone may become champion
    judged: Mapping[str, Judging]  # by challenger, in the order in which they were named
    every: tuple[Judging, ...]  # all judgings in their order: some were judged again at a larger alpha
    together: tuple[OneOfSeveral, ...]  # how each stands; () for one challenger
    trying: tuple[str, ...]  # the challengers that are the attempt

    @property
    def beside(self) -> dict[str, Judging]:
        """Those that do not go on, to be registered beside the one that does: not the champion's own artifact."""
        return {name: one for name, one in self.judged.items() if name != self.lead and name in self.trying}


def judge_challengers(
    challengers: Sequence[str], shared: SharedAlpha, judge_at: Callable[[str, Attempt | None], Judging]
) -> JudgedChallengers:
    """Judge each, by Holm's step-down where there are several, and find which goes on.

    `judge_at` judges one at its attempt, None for the champion's own artifact. What is only planned and not judged
    yet passes nothing, and the first of those goes on.
    """
    every: list[Judging] = []

    def judge(challenger: str, attempt: Attempt | None) -> Judging:
        every.append(judge_at(challenger, attempt))
        return every[-1]

    alpha = shared.entry.alpha_one_sided if shared.entry else 0.0
    judged = {name: judge(name, None) for name in challengers if name not in shared.among}
    judged |= step_down(
        shared.among, alpha, lambda name, level: judge(name, shared.attempt(level)), _is_passed
    )
    together: tuple[OneOfSeveral, ...] = ()
    # while one is only planned, what depends on who goes on depends on that one
    lead = next((name for name in challengers if not _is_known(judged[name])), challengers[0])
    if len(challengers) > 1 and all(map(_is_known, judged.values())):
        together = tuple(stands(evidence_of(judged[name].output.replay)) for name in challengers)
        lead = best_of(together).challenger
    in_order = {name: judged[name] for name in challengers}
    return JudgedChallengers(
        lead=lead, judged=in_order, every=tuple(every), together=together, trying=shared.among
    )


def _is_known(judging: Judging) -> bool:
    return isinstance(judging.output, JudgedReplay)


def _is_passed(judging: Judging) -> bool:
    """By the verdict, latency aside: a clock decides nothing of the alpha that the others are judged at."""
    return _is_known(judging) and evidence_of(judging.output.replay).verdict.outcome is Outcome.PROMOTE
