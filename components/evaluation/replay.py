"""Offline replay: score the arms' lists on a plan, compare them user by user, pass the gate.

Observational: it measures agreement with what users did under the recommender that was running, not lift.
Equal treatment is made here and not left to the arms: lists are made canonical, items that were no candidates
or that the user already had are dropped, a missing list scores 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from components.artifact import digest_of
from components.evaluation import beyond, statistics
from components.evaluation.canonical import ListError, canonical_lists
from components.evaluation.comparison import Comparison, Pairing, compare_pairs
from components.evaluation.gate import Evidence, GateProfile, Outcome, Satisfiability, Verdict, decide
from components.evaluation.latency import Latency, LatencyCheck, check_latency
from components.evaluation.plan import ReplayPlan
from components.evaluation.ranking import mean_per_group, rank_metrics
from components.evaluation.slices import Slice, standard_slices

METRICS = ("ndcg@10", "recall@10", "recall@50", "hr@10", "mrr@10", "map_trec@10")
WHOLE = "all"
_LIST_FIGURES_AT = 10


@dataclass(frozen=True, kw_only=True)
class ReplayScores:
    """Values of users, NaN where a user has nothing to be judged by in a slice."""

    users: np.ndarray  # [U] ids
    arms: tuple[str, ...]
    metrics: tuple[str, ...]
    slices: tuple[str, ...]  # "all" first
    values: Mapping[tuple[str, str, str], Float[np.ndarray, "U"]]  # (arm, slice, metric)
    list_figures: Mapping[str, Mapping[str, float]]  # arm -> coverage@10, gini@10, …
    without_list: Mapping[str, Bool[np.ndarray, "U"]]  # users to whom the arm gave no list at all
    dropped_places: Mapping[str, int]  # repeated, seen, or no candidate

    def of(self, arm: str, metric: str, slice_: str = WHOLE) -> Float[np.ndarray, "U"]:
        return self.values[arm, slice_, metric]

    def table(self) -> pd.DataFrame:
        """One row a user and arm: user, arm, and every metric over the whole."""
        return pd.concat(
            [
                pd.DataFrame({"user": self.users, "arm": arm, **{m: self.of(arm, m) for m in self.metrics}})
                for arm in self.arms
            ],
            ignore_index=True,
        )


def score_replay(
    plan: ReplayPlan,
    lists: Mapping[str, Int[np.ndarray, "R k"]],
    *,
    metrics: Sequence[str] = METRICS,
    slices: Iterable[Slice] = (),
) -> ReplayScores:
    """Score every arm's lists: value of a request, mean over a user's requests; users weigh the same.

    `lists` are positions in the plan's catalogue, best first, -1 where empty. Raises ListError for lists that
    do not fit the plan.
    """
    whole = Slice(
        name=WHOLE, users=np.ones(len(plan.users), dtype=bool), items=np.ones(len(plan.catalogue), dtype=bool)
    )
    parts = (whole, *slices)
    truths = {part.name: part.relevant(plan) for part in parts}
    values, figures, without, dropped = {}, {}, {}, {}
    for arm in sorted(lists):
        canonical = _fit(plan, arm, lists[arm])
        for part in parts:
            scored = rank_metrics(canonical, truths[part.name], metrics, num_items=len(plan.catalogue))
            for metric in metrics:
                means = mean_per_group(scored[metric], plan.user, len(plan.users))
                values[arm, part.name, metric] = np.where(part.users, means, np.nan)
        figures[arm] = _list_figures(plan, canonical[:, :_LIST_FIGURES_AT])
        lists_of_user = np.bincount(plan.user[(canonical >= 0).any(axis=1)], minlength=len(plan.users))
        without[arm] = lists_of_user == 0
        dropped[arm] = int((lists[arm] >= 0).sum() - (canonical >= 0).sum())
    return ReplayScores(
        users=plan.users,
        arms=tuple(sorted(lists)),
        metrics=tuple(metrics),
        slices=tuple(part.name for part in parts),
        values=values,
        list_figures=figures,
        without_list=without,
        dropped_places=dropped,
    )


def canonical_for(plan: ReplayPlan, lists: Int[np.ndarray, "R k"]) -> Int[np.ndarray, "R k"]:
    """The lists as they are judged: candidates only, nothing twice, nothing seen if that is filtered."""
    inside = (lists >= 0) & (lists < len(plan.catalogue))
    allowed = ~inside | plan.candidates[np.where(inside, lists, 0)]
    if plan.filter_seen and len(plan):
        allowed &= ~plan.seen(np.where(inside, lists, -1))
    return canonical_lists(lists, num_items=len(plan.catalogue), allowed=allowed)


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


@dataclass(frozen=True, kw_only=True)
class ArmMean:
    """A macro mean over users, with its percentile bootstrap interval, which keeps to the metric's range."""

    arm: str
    metric: str
    n: int
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """All that a replay found. Everything but `latency` and what follows from it repeats to the byte."""

    scores: ReplayScores  # of every user, for tables and plots; not part of `to_dict`
    challenger: str
    champion: str | None
    arms: tuple[ArmMean, ...]
    list_figures: Mapping[str, Mapping[str, float]]
    comparisons: tuple[Comparison, ...]  # over the whole
    slices: tuple[Comparison, ...]
    adjusted_p: Mapping[str, float]  # "metric against baseline": Holm over secondaries, BH over slices
    verdict: Verdict
    satisfiability: Satisfiability
    latency: Mapping[str, Latency] | None
    latency_check: LatencyCheck | None  # None where no champion or no rule asks for one
    profile: GateProfile
    plan_counts: Mapping[str, int]
    dropped_places: Mapping[str, int]
    digests: Mapping[str, str]
    cut: datetime
    window_end: datetime
    mode: str
    data_digest: str
    gate_hash: str

    @property
    def outcome(self) -> Outcome:
        """The verdict, and what latency makes of a PROMOTE: too slow is a REJECT, unmeasured a HOLD."""
        if (
            self.verdict.outcome is Outcome.PROMOTE
            and self.latency_check
            and not self.latency_check.is_passed
        ):
            return Outcome.HOLD if math.isnan(self.latency_check.ratio) else Outcome.REJECT
        return self.verdict.outcome

    @property
    def reasons(self) -> tuple[str, ...]:
        if self.outcome is not self.verdict.outcome and self.latency_check:
            return (self.latency_check.reason,)
        return self.verdict.reasons

    @property
    def digest(self) -> str:
        """SHA-256 of the reproducible part."""
        return digest_of(self._reproducible())

    def to_dict(self) -> dict[str, Any]:
        """JSON values (NaN is null); the same bytes from the same inputs, but for the key `measured`."""
        measured = {
            "outcome": str(self.outcome),
            "reasons": list(self.reasons),
            "latency": {arm: asdict(figures) for arm, figures in sorted((self.latency or {}).items())},
            "latency_check": asdict(self.latency_check) if self.latency_check else None,
        }
        return {**self._reproducible(), "digest": self.digest, "measured": _json(measured)}

    def metrics_table(self) -> pd.DataFrame:
        """One row an arm: each metric's mean with bounds, then the figures of its lists."""
        rows: dict[str, dict[str, Any]] = {}
        for figure in self.arms:
            row = rows.setdefault(figure.arm, {"arm": figure.arm, "users": figure.n})
            row |= {
                figure.metric: figure.mean,
                f"{figure.metric} lower": figure.lower,
                f"{figure.metric} upper": figure.upper,
            }
        for arm, row in rows.items():
            row |= self.list_figures[arm]
        return pd.DataFrame(list(rows.values()))

    def _reproducible(self) -> dict[str, Any]:
        return _json(
            {
                "kind": "offline replay",
                "verdict": asdict(self.verdict),
                "challenger": self.challenger,
                "champion": self.champion,
                "arms": [asdict(arm) for arm in self.arms],
                "list_figures": self.list_figures,
                "comparisons": [asdict(c) for c in self.comparisons],
                "slices": [asdict(c) for c in self.slices],
                "adjusted_p": self.adjusted_p,
                "satisfiability": asdict(self.satisfiability),
                "profile": asdict(self.profile),
                "plan": {
                    "cut": self.cut.isoformat(),
                    "window_end": self.window_end.isoformat(),
                    "mode": self.mode,
                    **self.plan_counts,
                },
                "dropped_places": self.dropped_places,
                "digests": self.digests,
                "data_digest": self.data_digest,
                "gate_hash": self.gate_hash,
            }
        )


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
) -> ReplayResult:
    """Score, compare and decide.

    `lists` holds every arm's lists, at least `profile.list_length` wide, the `must_beat` arms among them.
    `train_ends` says up to when (exclusive) each arm was trained: the challenger or the champion without one,
    or any arm trained past the cut, makes the replay INVALID. `digests` are artefact digests of arms that
    have one. Raises ListError for lists that do not fit the plan, and where an arm that was named has none.
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
    scores = score_replay(plan, lists, metrics=metrics, slices=standard_slices(plan))
    rivals = [arm for arm in (champion, *profile.must_beat) if arm and arm in lists]
    rivals += [arm for arm in scores.arms if arm not in (challenger, *rivals)]
    rivals = [arm for arm in dict.fromkeys(rivals) if arm != challenger]

    comparisons = _compare_all(scores, challenger, rivals, metrics, (WHOLE,), profile)
    in_slices = _compare_all(
        scores, challenger, [champion] if champion else rivals, metrics, scores.slices[1:], profile
    )
    against = champion or (rivals[0] if rivals else None)
    primary = next(
        (c for c in comparisons if (c.baseline, c.metric) == (against, profile.primary.metric)), None
    )
    judged = [champion] if champion else list(profile.must_beat)
    verdict = decide(
        Evidence(
            challenger=challenger,
            champion=champion,
            users=len(plan.users),
            one_arm_only=_share_one_arm_only(scores, challenger, [arm for arm in judged if arm in lists]),
            temporal_cut=_is_cut(plan, train_ends, challenger, champion),
            comparisons=(*comparisons, *in_slices),
            list_figures=scores.list_figures[challenger],
            digests=digests,
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
        adjusted_p=_adjusted(comparisons, in_slices, against, profile),
        verdict=verdict,
        satisfiability=profile.satisfiability(users=len(plan.users), sd=primary.sd if primary else None),
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
        data_digest=plan.digest,
        gate_hash=profile.hash,
    )


def _fit(plan: ReplayPlan, arm: str, lists: np.ndarray) -> np.ndarray:
    if lists.ndim != 2 or len(lists) != len(plan):
        raise ListError(f"lists of {arm} are {lists.shape}; the plan has {len(plan)} requests, one list each")
    try:
        return canonical_for(plan, lists)
    except ListError as error:
        raise ListError(f"{arm}: {error}") from error


def _list_figures(plan: ReplayPlan, top: Int[np.ndarray, "R k"]) -> dict[str, float]:
    """Figures at 10; those that are means weigh users the same."""

    def macro(per_list: np.ndarray) -> float:
        means = mean_per_group(per_list, plan.user, len(plan.users))
        return float(np.nanmean(means)) if (~np.isnan(means)).any() else math.nan

    shown = macro(beyond.popularity(top, plan.item_train_events))
    upto = np.concatenate([[0.0], np.cumsum(plan.item_train_events[plan.items])])
    own = macro((upto[plan.end] - upto[plan.start]) / (plan.end - plan.start))
    return {
        f"coverage@{_LIST_FIGURES_AT}": beyond.coverage(top, plan.candidates),
        f"gini@{_LIST_FIGURES_AT}": beyond.gini(top, plan.candidates),
        f"novelty@{_LIST_FIGURES_AT}": macro(
            beyond.novelty(top, plan.item_train_users, plan.num_train_users)
        ),
        f"popularity@{_LIST_FIGURES_AT}": shown,
        f"popularity_over_history@{_LIST_FIGURES_AT}": shown / own if own > 0 else math.nan,
    }


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
) -> tuple[Comparison, ...]:
    primary = profile.primary
    return compare_pairs(
        [_pairing(scores, challenger, r, m, s) for s in slices for r in rivals for m in metrics],
        alpha_one_sided=primary.alpha_one_sided,
        resamples=primary.resamples,
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
    replicates = statistics.bootstrap_means(columns, resamples=primary.resamples, seed=primary.seed)
    means = []
    for column, (arm, metric) in enumerate(cells):
        lower, upper = statistics.interval(
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


def _is_cut(
    plan: ReplayPlan, train_ends: Mapping[str, datetime], challenger: str, champion: str | None
) -> bool:
    is_known = all(arm in train_ends for arm in (challenger, champion) if arm)
    return is_known and all(train_end <= plan.cut for train_end in train_ends.values())


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


def _json(value: Any) -> Any:
    """JSON values: no tuples, no enums, null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, str) else value
