"""Offline replay: score the arms' lists on a plan, compare them user by user, pass the gate.

Observational: it measures agreement with what users did under the recommender that was running, not lift.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import numpy as np
from jaxtyping import Bool, Int

from components.artifact import digest_of
from components.evaluation import alpha_spending, statistics
from components.evaluation.alpha_spending import Attempt
from components.evaluation.bootstrap import bootstrap_means, interval
from components.evaluation.canonical import ListError
from components.evaluation.cold import ColdPass
from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.gate import GateInput, GateProfile, decide
from components.evaluation.latency import Latency, check_latency
from components.evaluation.plan import LeakageError, ReplayPlan, check_train_end
from components.evaluation.power import promotion_power
from components.evaluation.rehearsal import Rehearsal, rehearse
from components.evaluation.result import ArmMean, Compared, ReplayResult
from components.evaluation.scores import METRICS, WHOLE, ReplayScores, canonical_for, score_replay
from components.evaluation.sequential_gate import at_every_look, path_of
from components.evaluation.slices import standard_slices

__all__ = [
    "METRICS",
    "WHOLE",
    "ArmMean",
    "ReplayResult",
    "ReplayScores",
    "canonical_for",
    "compare",
    "evaluate",
    "score_replay",
]


def compare(
    scores: ReplayScores,
    challenger: str,
    baseline: str,
    *,
    metric: str = "ndcg@10",
    slice_: str = WHOLE,
    alpha_one_sided: float = 0.025,
    resamples: int = 10_000,
    seed: int = 7,
) -> Comparison:
    """One paired comparison; `evaluate` makes all that a gate reads at once."""
    pairing = _pairing(scores, challenger, baseline, metric, slice_)
    return compare_pairs([pairing], alpha_one_sided=alpha_one_sided, resamples=resamples, seed=seed)[0]


def evaluate(
    plan: ReplayPlan,
    lists: Mapping[str, Int[np.ndarray, "R k"]],
    *,
    challenger: str,
    champion: str | None,
    profile: GateProfile,
    train_ends: Mapping[str, datetime],
    digests: Mapping[str, str],
    latency: Mapping[str, Latency] | None = None,
    attempt: Attempt | None = None,
    compared: Compared = "registry artifact",
    categories: Bool[np.ndarray, "I F"] | None = None,
    cold: ColdPass | None = None,
    cold_lists: Mapping[str, Int[np.ndarray, "N k"]] | None = None,
) -> ReplayResult:
    """Score, compare and decide.

    `lists` holds every arm's lists, at least `profile.list_length` wide, the `must_beat` arms among them.
    `train_ends` says up to when (exclusive) each arm was trained: the challenger or the champion without one,
    or any arm trained past the cut, makes the replay INVALID. `digests` are artifact digests of arms that
    have one. `attempt` is the challenger's place among those tried on this window: its alpha is what the
    comparisons are made at. `compared` says whether the champion's lists are those of its artifact, or of the
    same recipe refitted at the cut. `categories`, `cold`, `cold_lists` as for `score_replay`.
    Raises ListError for lists that do not fit the plan, and where an arm that was named has none.
    """
    for arm in filter(None, (challenger, champion)):
        if arm not in lists:
            raise ListError(f"{arm} has no lists; there are lists of {', '.join(sorted(lists)) or 'no arm'}")
    for arm, places in lists.items():
        if places.ndim == 2 and places.shape[1] < profile.list_length:
            raise ListError(
                f"lists of {arm} have {places.shape[1]} places and profile {profile.name} reads "
                f"{profile.list_length}; ask the arm for k={profile.list_length}"
            )
    metrics = tuple(dict.fromkeys([*profile.user_metrics, *METRICS]))
    scores = score_replay(
        plan, lists, metrics=metrics, slices=standard_slices(plan), categories=categories,
        cold=cold, cold_lists=cold_lists,
    )  # fmt: skip
    rivals = [arm for arm in (champion, *profile.must_beat) if arm and arm in lists]
    rivals += [arm for arm in scores.arms if arm not in (challenger, *rivals)]
    rivals = [arm for arm in dict.fromkeys(rivals) if arm != challenger]
    against = champion or (rivals[0] if rivals else None)

    # what is left of alpha; with nothing left the figures stand at the profile's own, and the gate is shut
    alpha = (attempt and attempt.alpha_one_sided) or profile.primary.alpha_one_sided
    comparisons = _compare_all(scores, challenger, rivals, metrics, (WHOLE,), profile, alpha)
    comparisons = tuple(at_every_look(c, scores, champion, profile, alpha) for c in comparisons)
    in_slices = _compare_all(
        scores, challenger, [champion] if champion else rivals, metrics, scores.slices[1:], profile, alpha
    )
    primary = next(
        (c for c in comparisons if (c.baseline, c.metric) == (against, profile.primary.metric)), None
    )
    judged = [champion] if champion else list(profile.must_beat)
    leaks = _leaks(plan, train_ends, challenger, champion)
    verdict = decide(
        GateInput(
            challenger=challenger,
            champion=champion,
            users=len(plan.users),
            one_arm_only=_share_one_arm_only(scores, challenger, [arm for arm in judged if arm in lists]),
            in_id_order=scores.in_id_order[challenger],
            temporal_cut=not leaks,
            leaks=leaks,
            comparisons=(*comparisons, *in_slices),
            list_figures=scores.list_figures[challenger],
            digests=digests,
            attempt=attempt,
        ),
        profile,
    )
    return ReplayResult(
        scores=scores,
        challenger=challenger,
        champion=champion,
        arms=_arm_means(scores, [challenger, *rivals], profile),
        list_figures=scores.list_figures,
        comparisons=comparisons,
        slices=in_slices,
        slice_users={
            name: int((~np.isnan(scores.of(challenger, profile.primary.metric, name))).sum())
            for name in scores.slices[1:]
        },
        adjusted_p=_adjusted(comparisons, in_slices, against, profile),
        verdict=verdict,
        satisfiability=profile.satisfiability(
            users=len(plan.users),
            sd=primary.sd if primary else None,
            alpha_one_sided=attempt.alpha_one_sided if attempt else None,
            candidates=int(plan.candidates.sum()),
            requests=len(plan),
            promotion=promotion_power(scores, challenger, champion, profile, (*comparisons, *in_slices)),
        ),
        sequential=path_of(scores, challenger, against, profile.primary.metric, profile, alpha)
        if against
        else None,
        rehearsal=_rehearsal(plan, scores, challenger, against, profile, alpha) if against else None,
        attempt=attempt,
        alpha_one_sided=alpha,
        compared=compared,
        latency=latency,
        latency_check=check_latency(latency, challenger, champion, profile.latency)
        if champion and profile.latency
        else None,
        profile=profile,
        plan_counts=asdict(plan.counts),
        dropped_places=scores.dropped_places,
        digests=dict(digests),
        cut=plan.cut,
        window_end=plan.window_end,
        mode=plan.mode,
        filter_seen=plan.filter_seen,
        data_digest=plan.digest,
        gate_hash=profile.hash,
    )


def _rehearsal(
    plan: ReplayPlan,
    scores: ReplayScores,
    challenger: str,
    baseline: str,
    profile: GateProfile,
    alpha: float,
) -> Rehearsal | None:
    """Users dealt anew for every window and challenger; what they did before the cut is the covariate."""
    metric = profile.primary.metric
    return rehearse(
        scores.of(baseline, metric),
        scores.of(challenger, metric),
        plan.user_train_events,
        scores.users.tolist(),
        challenger=challenger,
        baseline=baseline,
        metric=metric,
        salt=digest_of([plan.digest, challenger])[:16],
        alpha=2 * alpha,
        power=profile.primary.power,
    )


def _pairing(scores: ReplayScores, challenger: str, baseline: str, metric: str, slice_: str) -> Pairing:
    return Pairing(
        challenger=challenger,
        baseline=baseline,
        metric=metric,
        slice=slice_,
        challenger_values=scores.of(challenger, metric, slice_),
        baseline_values=scores.of(baseline, metric, slice_),
    )


def _compare_all(
    scores: ReplayScores,
    challenger: str,
    rivals: Iterable[str],
    metrics: Iterable[str],
    slices: Iterable[str],
    profile: GateProfile,
    alpha: float,
) -> tuple[Comparison, ...]:
    primary = profile.primary
    return compare_pairs(
        [_pairing(scores, challenger, r, m, s) for s in slices for r in rivals for m in metrics],
        alpha_one_sided=alpha,
        resamples=max(primary.resamples, alpha_spending.resamples_for(alpha)),
        seed=primary.seed,
        kind=primary.interval,
        power=primary.power,
    )


def _arm_means(scores: ReplayScores, arms: Sequence[str], profile: GateProfile) -> tuple[ArmMean, ...]:
    primary = profile.primary
    cells = [(arm, metric) for arm in arms for metric in scores.metrics]
    if not len(scores.users):
        return tuple(
            ArmMean(arm=arm, metric=metric, n=0, mean=math.nan, lower=math.nan, upper=math.nan)
            for arm, metric in cells
        )
    columns = np.column_stack([scores.of(arm, metric) for arm, metric in cells])
    replicates = bootstrap_means(columns, resamples=primary.resamples, seed=primary.seed)
    means = []
    for column, (arm, metric) in enumerate(cells):
        lower, upper = interval(
            replicates[:, column],
            columns[:, column],
            confidence=1 - 2 * primary.alpha_one_sided,
        )
        mean = float(columns[:, column].mean())
        means.append(ArmMean(arm=arm, metric=metric, n=len(columns), mean=mean, lower=lower, upper=upper))
    return tuple(means)


def _share_one_arm_only(scores: ReplayScores, challenger: str, baselines: Iterable[str]) -> float:
    """Share of users who got no list from the challenger or from an arm that it is judged against."""
    if not len(scores.users):
        return math.nan
    without = scores.without_list[challenger].copy()
    for arm in baselines:
        without |= scores.without_list[arm]
    return float(without.mean())


def _leaks(
    plan: ReplayPlan, train_ends: Mapping[str, datetime], challenger: str, champion: str | None
) -> tuple[str, ...]:
    """Of each arm that may have seen the answers, why, and how to fix it."""
    told = [
        f"up to when {arm} was trained is not known, so it may have seen the answers"
        for arm in (challenger, champion)
        if arm and arm not in train_ends
    ]
    for arm, train_end in sorted(train_ends.items()):
        try:
            check_train_end(arm, train_end, plan.cut)
        except LeakageError as leak:
            told.append(str(leak))
    return tuple(told)


def _adjusted(
    comparisons: Sequence[Comparison],
    in_slices: Sequence[Comparison],
    against: str | None,
    profile: GateProfile,
) -> dict[str, float]:
    """Holm over secondary metrics against the one arm that matters, Benjamini-Hochberg over its slices."""
    secondary = [c for c in comparisons if c.baseline == against and c.metric in profile.secondary and c.n]
    explored = [c for c in in_slices if c.baseline == against and c.metric == profile.primary.metric and c.n]
    holm = statistics.adjusted([c.p for c in secondary], "holm")
    bh = statistics.adjusted([c.p for c in explored], "bh")
    return {
        f"{c.metric} of {c.slice} against {c.baseline}": float(p)
        for c, p in zip([*secondary, *explored], [*holm, *bh], strict=True)
    }
