"""Offline replay: score the arms' lists on a plan, compare them user by user, pass the gate.

Observational: it measures agreement with what users did under the recommender that was running, not lift.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool

from components.artifact import digest_of
from components.evaluation.arm_means import arm_means
from components.evaluation.cold import ColdPass
from components.evaluation.contrasts import Contrasts, adjusted_p, compare, contrast
from components.evaluation.gate import GateInput, Verdict, decide
from components.evaluation.latency import Latency, LatencyCheck, check_latency
from components.evaluation.leakage import LeakageError, check_train_end
from components.evaluation.new_items import new_item_effect
from components.evaluation.plan import ReplayPlan
from components.evaluation.power import promotion_power
from components.evaluation.rehearsal import Rehearsal, rehearse
from components.evaluation.replay_evidence import ReplayedWindow
from components.evaluation.result import ReplayResult
from components.evaluation.satisfiability import Satisfiability, satisfiability_of
from components.evaluation.scores import METRICS, WHOLE, ReplayScores, canonical_for, score_replay
from components.evaluation.sequential_gate import path_of
from components.evaluation.slices import standard_slices
from components.evaluation.trial import ArmLists, Trial

__all__ = [
    "METRICS",
    "WHOLE",
    "ArmLists",
    "ReplayResult",
    "ReplayScores",
    "Trial",
    "canonical_for",
    "compare",
    "evaluate",
    "score_replay",
]


def evaluate(
    plan: ReplayPlan,
    arms: Sequence[ArmLists],
    trial: Trial,
    *,
    categories: Bool[np.ndarray, "I F"] | None = None,
    cold: ColdPass | None = None,
) -> ReplayResult:
    """Score, compare and decide.

    Every arm's lists are at least `profile.list_length` wide, the `must_beat` arms among them. Challenger or
    champion without a `train_end`, or any arm trained past the cut, makes the replay INVALID. `categories` and
    `cold` as for `score_replay`.
    Raises ListError for lists that do not fit the plan, and where an arm that was named has none.
    """
    trial.check(arms)
    scores = _score(plan, arms, trial, categories, cold)
    found = contrast(scores, trial)
    profile, latency = trial.profile, _latency(arms)
    return ReplayResult(
        scores=scores,
        challenger=trial.challenger,
        champion=trial.champion,
        arms=arm_means(scores, [trial.challenger, *found.rivals], profile.primary),
        list_figures=scores.list_figures,
        comparisons=found.whole,
        slices=found.slices,
        slice_users=_slice_users(scores, trial),
        adjusted_p=adjusted_p(found, trial),
        verdict=_verdict(plan, arms, scores, found, trial),
        satisfiability=_satisfiability(plan, scores, found, trial),
        sequential=path_of(
            scores, trial.challenger, found.against, profile.primary.metric, profile, trial.alpha_one_sided
        )
        if found.against
        else None,
        rehearsal=_rehearsal(plan, scores, found.against, trial) if found.against else None,
        attempt=trial.attempt,
        alpha_one_sided=trial.alpha_one_sided,
        compared=trial.compared,
        latency=latency,
        latency_check=_check_latency(latency, trial),
        profile=profile,
        window=_window(plan),
        dropped_places=scores.dropped_places,
        digests=_digests(arms),
        data_digest=plan.digest,
        gate_hash=profile.hash,
        new_items=new_item_effect(plan, arms, scores, trial, cold),
    )


def _score(
    plan: ReplayPlan,
    arms: Sequence[ArmLists],
    trial: Trial,
    categories: Bool[np.ndarray, "I F"] | None,
    cold: ColdPass | None,
) -> ReplayScores:
    return score_replay(
        plan,
        {arm.name: arm.lists for arm in arms},
        metrics=trial.metrics,
        slices=standard_slices(plan),
        categories=categories,
        cold=cold,
        cold_lists={arm.name: arm.cold_lists for arm in arms if arm.cold_lists is not None},
    )


def _verdict(
    plan: ReplayPlan, arms: Sequence[ArmLists], scores: ReplayScores, found: Contrasts, trial: Trial
) -> Verdict:
    leaks = _leaks(plan, arms, trial)
    return decide(
        GateInput(
            challenger=trial.challenger,
            champion=trial.champion,
            users=len(plan.users),
            one_arm_only=_share_one_arm_only(scores, trial),
            in_id_order=scores.in_id_order[trial.challenger],
            temporal_cut=not leaks,
            leaks=leaks,
            comparisons=found.every,
            list_figures=scores.list_figures[trial.challenger],
            digests=_digests(arms),
            attempt=trial.attempt,
        ),
        trial.profile,
    )


def _satisfiability(plan: ReplayPlan, scores: ReplayScores, found: Contrasts, trial: Trial) -> Satisfiability:
    primary = found.of(trial.profile.primary.metric)
    return satisfiability_of(
        trial.profile,
        users=len(plan.users),
        sd=primary.sd if primary else None,
        # an attempt with nothing left says so itself: the alpha of the figures would hide it
        alpha_one_sided=trial.attempt.alpha_one_sided if trial.attempt else None,
        candidates=int(plan.candidates.sum()),
        requests=len(plan),
        promotion=promotion_power(scores, trial.challenger, trial.champion, trial.profile, found.every),
    )


def _rehearsal(plan: ReplayPlan, scores: ReplayScores, baseline: str, trial: Trial) -> Rehearsal | None:
    """Users dealt anew for every window and challenger; what they did before the cut is the covariate."""
    primary = trial.profile.primary
    return rehearse(
        scores.of(baseline, primary.metric),
        scores.of(trial.challenger, primary.metric),
        plan.user_train_events,
        scores.users.tolist(),
        challenger=trial.challenger,
        baseline=baseline,
        metric=primary.metric,
        salt=digest_of([plan.digest, trial.challenger])[:16],
        alpha=2 * trial.alpha_one_sided,
        power=primary.power,
    )


def _slice_users(scores: ReplayScores, trial: Trial) -> dict[str, int]:
    metric = trial.profile.primary.metric
    return {
        name: int((~np.isnan(scores.of(trial.challenger, metric, name))).sum()) for name in scores.slices[1:]
    }


def _share_one_arm_only(scores: ReplayScores, trial: Trial) -> float:
    """Share of users who got no list from the challenger or from an arm that it is judged against."""
    if not len(scores.users):
        return math.nan
    baselines = (trial.champion,) if trial.champion else trial.profile.must_beat
    without = scores.without_list[trial.challenger].copy()
    for arm in baselines:
        if arm in scores.arms:
            without |= scores.without_list[arm]
    return float(without.mean())


def _leaks(plan: ReplayPlan, arms: Sequence[ArmLists], trial: Trial) -> tuple[str, ...]:
    """Of each arm that may have seen the answers, why, and how to fix it."""
    ends = {arm.name: arm.train_end for arm in arms if arm.train_end is not None}
    told = [
        f"up to when {arm} was trained is not known, so it may have seen the answers"
        for arm in trial.judged
        if arm not in ends
    ]
    for arm, train_end in sorted(ends.items()):
        try:
            check_train_end(arm, train_end, plan.cut)
        except LeakageError as leak:
            told.append(str(leak))
    return tuple(told)


def _window(plan: ReplayPlan) -> ReplayedWindow:
    return ReplayedWindow(
        **asdict(plan.counts),
        cut=plan.cut,
        window_end=plan.window_end,
        mode=plan.mode,
        filter_seen=plan.filter_seen,
        event_weights=plan.event_weights,
    )


def _digests(arms: Sequence[ArmLists]) -> dict[str, str]:
    """By name, so that the order in which arms are given leaves no trace."""
    return {arm.name: arm.digest for arm in sorted(arms, key=lambda a: a.name) if arm.digest is not None}


def _latency(arms: Sequence[ArmLists]) -> dict[str, Latency] | None:
    return {arm.name: arm.latency for arm in sorted(arms, key=lambda a: a.name) if arm.latency} or None


def _check_latency(latency: dict[str, Latency] | None, trial: Trial) -> LatencyCheck | None:
    """None where there is no champion to be as fast as, or no rule that asks for it."""
    rule = trial.profile.latency
    if not trial.champion or not rule:
        return None
    return check_latency(latency, trial.challenger, trial.champion, rule)
