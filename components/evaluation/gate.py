"""The gate: what a challenger must show to replace the champion, and the verdict on what it showed.

Order: identical artefact → validity → must beat → guardrails → primary. The verdict is a pure function of the
evidence and the profile; nothing measured with a clock enters it. "Not significant" is never a pass, and
neither is a figure that is missing, NaN or infinite.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from components.artifact import digest_of
from components.evaluation import intervals, statistics
from components.evaluation.comparison import Comparison
from components.evaluation.ranking import parse_metric

LEAST_USERS = 30  # no profile may promote on fewer

# --- the profile ---------------------------------------------------------------------------------------


class ProfileError(ValueError):
    """A profile contradicts itself or could never be satisfied."""


@dataclass(frozen=True, kw_only=True)
class Validity:
    min_users: int
    min_slice_users: int  # below it a slice is "not evaluable"
    max_one_arm_only: float = 0.01  # share of users to whom one arm gave no list at all


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The one metric that decides; its test is the paired user bootstrap."""

    metric: str = "ndcg@10"
    alpha_one_sided: float = 0.025
    resamples: int = 10_000
    seed: int = 7
    interval: intervals.Kind = "studentised"  # its level is measured; see `intervals`
    effect_of_interest: float = 0.01  # absolute; differences below it are of no consequence
    power: float = 0.8


@dataclass(frozen=True, kw_only=True)
class NonInferiority:
    """The challenger may not lose more than `margin` (absolute) to the champion, on a slice if named."""

    metric: str
    margin: float
    slice: str = "all"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A figure of all the challenger's lists together, such as coverage: a value, not a mean over users."""

    metric: str
    min_value: float


@dataclass(frozen=True, kw_only=True)
class LatencyRatio:
    """The challenger's latency over the champion's, measured interleaved on one machine."""

    quantile: str = "p95"
    max_ratio: float = 1.5


@dataclass(frozen=True, kw_only=True)
class GateProfile:
    """A gate sized to its data. Checked when built; `satisfiability` checks it against a window."""

    name: str
    validity: Validity
    primary: Primary = Primary()
    must_beat: tuple[str, ...] = ("popularity", "recent_popularity")
    required: tuple[NonInferiority | Threshold, ...] = ()
    if_evaluable: tuple[NonInferiority, ...] = ()
    latency: LatencyRatio | None = None
    secondary: tuple[str, ...] = ("hr@10", "mrr@10")  # reported with Holm's correction; they decide nothing

    def __post_init__(self) -> None:
        alpha, resamples = self.primary.alpha_one_sided, self.primary.resamples
        if not 0 < alpha < 0.5:
            raise ProfileError(f"{self.name}: alpha_one_sided is {alpha}; it lies between 0 and 0.5")
        if resamples < 50 / alpha:
            raise ProfileError(
                f"{self.name}: {resamples} resamples leave fewer than 50 beyond a tail of {alpha}; "
                f"ask for {math.ceil(50 / alpha)}"
            )
        if self.primary.effect_of_interest <= 0:
            raise ProfileError(f"{self.name}: the effect of interest must be above 0")
        if not self.must_beat:
            raise ProfileError(f"{self.name}: must_beat is empty; name at least popularity")
        if self.validity.min_users < LEAST_USERS:
            raise ProfileError(
                f"{self.name}: min_users is {self.validity.min_users}; below {LEAST_USERS} no test holds"
            )
        for guard in (*self.required, *self.if_evaluable):
            if isinstance(guard, NonInferiority) and guard.margin <= 0:
                raise ProfileError(f"{self.name}: the margin of {guard.metric} must be above 0")
            if isinstance(guard, Threshold) and not 0 <= guard.min_value <= 1:
                raise ProfileError(f"{self.name}: {guard.metric} can never reach {guard.min_value}")
        for metric in self.user_metrics:
            parse_metric(metric)

    @property
    def user_metrics(self) -> tuple[str, ...]:
        """Every ranking metric that some rule reads, primary first."""
        guarded = [g.metric for g in (*self.required, *self.if_evaluable) if isinstance(g, NonInferiority)]
        return tuple(dict.fromkeys([self.primary.metric, *guarded, *self.secondary]))

    @property
    def list_length(self) -> int:
        """Places a list must have for every metric of the profile to be read."""
        return max(parse_metric(metric)[1] for metric in self.user_metrics)

    @property
    def hash(self) -> str:
        return digest_of(asdict(self))

    def satisfiability(self, *, users: int, sd: float | None = None) -> Satisfiability:
        """Could any challenger pass on a window of `users`, whose paired differences spread by `sd`?"""
        detectable = None
        if sd is not None:
            detectable = statistics.minimum_detectable_effect(
                sd, users, alpha=2 * self.primary.alpha_one_sided, power=self.primary.power
            )
        if users < self.validity.min_users:
            return Satisfiability(
                satisfiable=False,
                detectable_effect=detectable,
                reason=f"profile {self.name} asks for {self.validity.min_users} users, "
                f"and the window holds {users}",
            )
        return Satisfiability(satisfiable=True, detectable_effect=detectable, reason="")


@dataclass(frozen=True, kw_only=True)
class Satisfiability:
    satisfiable: bool
    detectable_effect: (
        float | None
    )  # absolute difference of the primary metric found with the profile's power
    reason: str


def small() -> GateProfile:
    """For a few hundred returning users (MovieLens-100K: 291 and 401): finds differences of .01-.02."""
    return GateProfile(
        name="small",
        validity=Validity(min_users=200, min_slice_users=100),
        required=(
            NonInferiority(metric="recall@50", margin=0.02),
            Threshold(metric="coverage@10", min_value=0.05),
        ),
        if_evaluable=(
            NonInferiority(metric="ndcg@10", margin=0.02, slice="cold_users"),
            NonInferiority(metric="recall@10", margin=0.02, slice="cold_items"),
        ),
        latency=LatencyRatio(),
    )


def production() -> GateProfile:
    """For tens of thousands of users and more: smaller margins and effects, guarded tails."""
    return GateProfile(
        name="production",
        validity=Validity(min_users=5_000, min_slice_users=1_000),
        primary=Primary(effect_of_interest=0.002),
        required=(
            NonInferiority(metric="recall@50", margin=0.005),
            NonInferiority(metric="hr@10", margin=0.005),
            Threshold(metric="coverage@10", min_value=0.05),
        ),
        if_evaluable=(
            NonInferiority(metric="ndcg@10", margin=0.005, slice="cold_users"),
            NonInferiority(metric="recall@10", margin=0.005, slice="cold_items"),
            NonInferiority(metric="recall@10", margin=0.005, slice="tail_items"),
        ),
        latency=LatencyRatio(),
        secondary=("mrr@10", "map_trec@10"),
    )


# --- the verdict ---------------------------------------------------------------------------------------


class Outcome(StrEnum):
    PROMOTE = "PROMOTE"
    REJECT = "REJECT"
    HOLD = "HOLD"
    INVALID = "INVALID"


class Result(StrEnum):
    """Of one check. FAILED is shown by the evidence, UNPROVEN is not shown either way."""

    PASSED = "passed"
    FAILED = "failed"
    UNPROVEN = "unproven"
    NOT_EVALUABLE = "not evaluable"


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str
    result: Result
    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a replay showed. A comparison that is not here was not made."""

    challenger: str
    champion: str | None
    users: int  # with a score in every arm
    one_arm_only: float  # share of users whom the challenger or a baseline gave no list at all
    temporal_cut: bool  # every arm was trained before the window
    comparisons: tuple[Comparison, ...]
    list_figures: Mapping[str, float]  # of the challenger: coverage@10, gini@10, …
    digests: Mapping[str, str]  # artefact digest of an arm, where it has one


@dataclass(frozen=True, kw_only=True)
class Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    gate_hash: str


def decide(evidence: Evidence, profile: GateProfile) -> Verdict:
    """PROMOTE, REJECT, HOLD or INVALID, with reasons in words.

    Without a champion the `must_beat` arms stand in its place and guardrails relative to a champion do not
    apply.
    """
    digest = evidence.digests.get(evidence.challenger)
    if digest is not None and evidence.champion and digest == evidence.digests.get(evidence.champion):
        same = (
            f"{evidence.challenger} is the champion's artefact ({digest[:12]}): there is nothing to replace"
        )
        check = Check(name="identical artefact", result=Result.UNPROVEN, reason=same)
        return Verdict(outcome=Outcome.HOLD, reasons=(same,), checks=(check,), gate_hash=profile.hash)

    validity = tuple(_validity(evidence, profile))
    if broken := [c.reason for c in validity if c.result is not Result.PASSED]:
        return Verdict(
            outcome=Outcome.INVALID, reasons=tuple(broken), checks=validity, gate_hash=profile.hash
        )

    rivals = [*profile.must_beat, *([evidence.champion] if evidence.champion else [])]
    beaten = [_beats(evidence, rival, profile) for rival in rivals]
    guardrails = list(_guardrails(evidence, profile))
    ordered = (*beaten[: len(profile.must_beat)], *guardrails, *beaten[len(profile.must_beat) :])
    failed = [c.reason for c in ordered if c.result is Result.FAILED]
    unproven = [c.reason for c in ordered if c.result is Result.UNPROVEN]
    if failed:
        outcome, reasons = Outcome.REJECT, failed
    elif unproven:
        outcome, reasons = Outcome.HOLD, unproven
    else:
        outcome, reasons = Outcome.PROMOTE, [c.reason for c in ordered]
    return Verdict(
        outcome=outcome, reasons=tuple(reasons), checks=(*validity, *ordered), gate_hash=profile.hash
    )


def _validity(evidence: Evidence, profile: GateProfile) -> Iterable[Check]:
    asked = max(profile.validity.min_users, LEAST_USERS)
    yield _passes(
        "users", evidence.users >= asked,
        f"{evidence.users} users are scored and profile {profile.name} asks for {asked}",
    )  # fmt: skip
    share, most = evidence.one_arm_only, profile.validity.max_one_arm_only
    yield _passes(
        "one arm only", math.isfinite(share) and share <= most,
        f"{share:.1%} of users got no list from some arm; at most {most:.1%} may",
    )  # fmt: skip
    yield _passes(
        "temporal cut", evidence.temporal_cut,
        "every arm was trained before the window" if evidence.temporal_cut
        else "an arm was trained past the cut: it has seen the answers",
    )  # fmt: skip
    broken = [f"{c.metric} against {c.baseline}" for c in evidence.comparisons if c.n and not c.is_finite]
    yield _passes(
        "finite figures", not broken,
        f"figures are not finite: {', '.join(broken)}" if broken else "every figure is finite",
    )  # fmt: skip


def _passes(name: str, is_passed: bool, reason: str) -> Check:
    return Check(name=name, result=Result.PASSED if is_passed else Result.FAILED, reason=reason)


def _beats(evidence: Evidence, rival: str, profile: GateProfile) -> Check:
    """Whether the challenger is better than the rival on the primary metric.

    Against a baseline that must be beaten, no difference although one was detectable is a failure; against
    the champion it is a draw.
    """
    primary = profile.primary
    name = f"{primary.metric} against {rival}"
    found = _find(evidence.comparisons, rival, primary.metric, "all")
    if found is None or not found.is_finite:
        return Check(name=name, result=Result.UNPROVEN, reason=f"{name} was not measured")
    figures = f"{found.delta:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}], {found.n} users"
    if found.lower > 0:
        return Check(
            name=name, result=Result.PASSED, reason=f"better than {rival} on {primary.metric}: {figures}"
        )
    if found.upper < 0:
        return Check(
            name=name, result=Result.FAILED, reason=f"worse than {rival} on {primary.metric}: {figures}"
        )
    if found.mde <= primary.effect_of_interest:
        return Check(
            name=name,
            result=Result.FAILED if rival in profile.must_beat else Result.UNPROVEN,
            reason=f"no difference from {rival} on {primary.metric}: {figures}; one of "
            f"{primary.effect_of_interest:g} was detectable (minimum {found.mde:.4f})",
        )
    needed = statistics.users_needed(
        found.sd, primary.effect_of_interest, alpha=2 * primary.alpha_one_sided, power=primary.power
    )
    return Check(
        name=name,
        result=Result.UNPROVEN,
        reason=f"no difference from {rival} on {primary.metric} was shown: {figures}; the least detectable "
        f"one is {found.mde:.4f}, and {primary.effect_of_interest:g} would need {math.ceil(needed):,} users",
    )


def _guardrails(evidence: Evidence, profile: GateProfile) -> Iterable[Check]:
    for guard in profile.required:
        if isinstance(guard, Threshold):
            yield _above(evidence.list_figures.get(guard.metric, math.nan), guard)
        elif evidence.champion:
            yield _not_inferior(evidence, evidence.champion, guard, least_users=profile.validity.min_users)
    for guard in profile.if_evaluable:
        if evidence.champion:
            least = profile.validity.min_slice_users
            yield _not_inferior(evidence, evidence.champion, guard, least_users=least)


def _above(value: float, guard: Threshold) -> Check:
    name = f"{guard.metric} at least {guard.min_value:g}"
    if not math.isfinite(value):
        return Check(name=name, result=Result.UNPROVEN, reason=f"{guard.metric} was not measured")
    word, result = ("keeps", Result.PASSED) if value >= guard.min_value else ("falls below", Result.FAILED)
    return Check(name=name, result=result, reason=f"{guard.metric} {value:.3f} {word} {guard.min_value:g}")


def _not_inferior(evidence: Evidence, champion: str, guard: NonInferiority, *, least_users: int) -> Check:
    where = "" if guard.slice == "all" else f" of {guard.slice}"
    name = f"{guard.metric}{where} within {guard.margin:g} of {champion}"
    found = _find(evidence.comparisons, champion, guard.metric, guard.slice)
    if guard.slice != "all" and (found is None or found.n < least_users):
        have = 0 if found is None else found.n
        return Check(
            name=name,
            result=Result.NOT_EVALUABLE,
            reason=f"{guard.metric}{where} is not evaluable: {have} users, {least_users} are asked for",
        )
    if found is None or not found.is_finite:
        return Check(name=name, result=Result.UNPROVEN, reason=f"{guard.metric}{where} was not measured")
    figures = f"{found.delta:+.4f} [{found.lower:+.4f}, {found.upper:+.4f}], {found.n} users"
    if found.lower > -guard.margin:
        return Check(
            name=name, result=Result.PASSED,
            reason=f"{guard.metric}{where} does not fall by {guard.margin:g}: {figures}",
        )  # fmt: skip
    if found.upper < -guard.margin:
        return Check(
            name=name, result=Result.FAILED,
            reason=f"{guard.metric}{where} falls by more than {guard.margin:g}: {figures}",
        )  # fmt: skip
    return Check(
        name=name, result=Result.UNPROVEN,
        reason=f"{guard.metric}{where} may fall by more than {guard.margin:g}: {figures}",
    )  # fmt: skip


def _find(comparisons: Iterable[Comparison], baseline: str, metric: str, slice_: str) -> Comparison | None:
    for comparison in comparisons:
        if (comparison.baseline, comparison.metric, comparison.slice) == (baseline, metric, slice_):
            return comparison
    return None
