"""The gate's profile: what a challenger is asked for, sized to its data, and whether a window can answer it.

A profile is checked when it is built, and against a window before a verdict is reached: one that can never be
satisfied, or that could find nothing of interest, is said to be so.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from components.artifact import digest_of
from components.evaluation import alpha_spending, intervals, statistics
from components.evaluation.ranking import parse_metric

LEAST_USERS = 30  # no profile may promote on fewer


class ProfileError(ValueError):
    """A profile contradicts itself or could never be satisfied."""


@dataclass(frozen=True, kw_only=True)
class Validity:
    min_users: int
    min_slice_users: int  # below it a slice is "not evaluable"
    max_one_arm_only: float = 0.01  # share of users to whom one arm gave no list at all
    max_in_id_order: float = 0.95  # share of neighbouring places in the order of ids: 1 where all scores tie


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The one metric that decides; its test is the paired user bootstrap, or the sequential one if enabled."""

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
class Sequential:
    """For a gate that runs again as data arrives: intervals that hold at every look, users in hash order.

    `normal_mixture` estimates the variance and is asymptotic: on skewed metrics n_min = 100 broke its level
    (.065-.078 for .05) and 500 held. `empirical_bernstein` holds at every size, and is wider.
    """

    enabled: bool = False
    method: Literal["normal_mixture", "empirical_bernstein"] = "normal_mixture"
    n_min: int = 500  # users before the first look
    v_opt: float = 500  # users at which the normal mixture is tightest
    salt: str = "look"  # of the hash order


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
    sequential: Sequential = Sequential()
    challengers_a_window: int = 5  # among so many challengers of one window alpha is divided

    def __post_init__(self) -> None:
        alpha, resamples = self.primary.alpha_one_sided, self.primary.resamples
        if not 0 < alpha < 0.5:
            raise ProfileError(f"{self.name}: alpha_one_sided is {alpha}; it lies between 0 and 0.5")
        if resamples < alpha_spending.resamples_for(alpha):
            raise ProfileError(
                f"{self.name}: {resamples} resamples leave fewer than 50 beyond a tail of {alpha}; "
                f"ask for {alpha_spending.resamples_for(alpha)}"
            )
        if self.primary.effect_of_interest <= 0:
            raise ProfileError(f"{self.name}: the effect of interest must be above 0")
        if not self.must_beat:
            raise ProfileError(f"{self.name}: must_beat is empty; name at least popularity")
        if self.validity.min_users < LEAST_USERS:
            raise ProfileError(
                f"{self.name}: min_users is {self.validity.min_users}; below {LEAST_USERS} no test holds"
            )
        if self.challengers_a_window < 1:
            raise ProfileError(f"{self.name}: challengers_a_window is {self.challengers_a_window}; 1 or more")
        if self.sequential.n_min < LEAST_USERS or self.sequential.v_opt <= 0:
            raise ProfileError(
                f"{self.name}: a sequential test begins at {LEAST_USERS} users or later (n_min is "
                f"{self.sequential.n_min}), and v_opt ({self.sequential.v_opt}) is above 0"
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

    @property
    def alpha_shares(self) -> tuple[float, ...]:
        """One-sided alpha of the first, second, … challenger of one window; together `alpha_one_sided`."""
        return alpha_spending.shares(self.primary.alpha_one_sided, self.challengers_a_window)

    def satisfiability(
        self,
        *,
        users: int,
        sd: float | None = None,
        alpha_one_sided: float | None = None,
        candidates: int | None = None,
        requests: int | None = None,
        promotion: PromotionPower | None = None,
    ) -> Satisfiability:
        """Could any challenger pass on a window of `users`, whose paired differences spread by `sd`?

        `alpha_one_sided` is what is left to this challenger (default: all of it). `candidates` and `requests`
        bound the coverage that lists can reach. `promotion` is the power of all rules together.
        """
        alpha = self.primary.alpha_one_sided if alpha_one_sided is None else alpha_one_sided
        never = self._never(users, alpha, candidates, requests)
        detectable = None
        if sd is not None and alpha > 0 and users > 1:
            # two-sided figures: half of their alpha lies beyond either end
            detectable = statistics.minimum_detectable_effect(
                sd, users, alpha=2 * alpha, power=self.primary.power
            )
        blind = "" if sd is None else self._blind(users, sd, alpha, detectable)
        held = ""
        if promotion and promotion.ceiling < self.primary.power:
            held = (
                f"the guardrails let at most {promotion.ceiling:.0%} of challengers pass that change nothing on "
                f"them, however good ({promotion.hindrance}); take a longer window"
            )
        return Satisfiability(
            satisfiable=not never,
            detectable_effect=detectable,
            detects_interest=None if detectable is None else not blind,
            promotion=promotion,
            reason="; ".join(filter(None, [*never, blind, held])),
        )

    def _never(self, users: int, alpha: float, candidates: int | None, requests: int | None) -> list[str]:
        """Why no challenger whatever could pass."""
        never = []
        if users < self.validity.min_users:
            never.append(
                f"profile {self.name} asks for {self.validity.min_users} users, and the window holds {users}"
            )
        if self.sequential.enabled and users < self.sequential.n_min:
            never.append(
                f"the sequential test looks first at {self.sequential.n_min} users, and the window holds {users}"
            )
        if alpha <= 0:
            never.append("the window's alpha is spent: no challenger can be promoted on it")
        for guard in self.required:
            most = _most(guard, candidates, requests) if isinstance(guard, Threshold) else 1.0
            if isinstance(guard, Threshold) and most < guard.min_value:
                never.append(
                    f"{guard.metric} of {guard.min_value:g} is out of reach: {requests} lists hold at most "
                    f"{most:.3f} of {candidates} candidates"
                )
        return never

    def _blind(self, users: int, sd: float, alpha: float, detectable: float | None) -> str:
        """What the primary's test is likely to miss although it is of interest; empty where it is nothing."""
        interest = self.primary.effect_of_interest
        if detectable is None or detectable <= interest:
            return ""
        needed = statistics.users_needed(sd, interest, alpha=2 * alpha, power=self.primary.power)
        return (
            f"with {users} users and a spread of {sd:.3f} differences below {detectable:.4f} are likely "
            f"missed; the effect of interest, {interest:g}, would need {math.ceil(needed):,} users"
        )


@dataclass(frozen=True, kw_only=True)
class PromotionPower:
    """Of a challenger that is ahead of the champion on the primary metric, and level with it on what is guarded."""

    effect: float  # the effect of interest
    power: float  # chance of PROMOTE at that effect
    primary_power: float  # the same, if the primary's test were the only rule
    ceiling: float  # chance that all guardrails pass: no effect has a higher power
    promotable_effect: float | None  # least with the profile's power; None where the ceiling is below it
    hindrance: str  # the guardrail that is most often unproven, and how often; empty without guardrails


@dataclass(frozen=True, kw_only=True)
class Satisfiability:
    satisfiable: bool
    detectable_effect: float | None  # absolute difference of the primary found with the profile's power
    detects_interest: bool | None  # whether the effect of interest is one; None while the spread is unknown
    promotion: PromotionPower | None  # of all rules together; None before the window is scored
    reason: str  # why it can never be satisfied, or what it is blind to


def _most(guard: Threshold, candidates: int | None, requests: int | None) -> float:
    """The largest value that a coverage can take; other figures have no bound but 1."""
    measure, _, k = guard.metric.partition("@")
    if measure != "coverage" or not candidates or requests is None:
        return 1.0
    # every place another item: more cannot be shown
    return min(1.0, requests * int(k) / candidates)


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
