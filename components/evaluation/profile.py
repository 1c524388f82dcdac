"""The gate's profile: what a challenger is asked for, sized to its data.

A profile is checked when it is built; `satisfiability` checks it against a window.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Literal

from components.artifact import digest_of
from components.evaluation import alpha_spending, intervals
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
    """A gate sized to its data. Checked when built: raises ProfileError."""

    name: str
    validity: Validity
    primary: Primary = Primary()
    must_beat: tuple[str, ...] = ("popularity", "recent_popularity")
    required: tuple[NonInferiority | Threshold, ...] = ()
    if_evaluable: tuple[NonInferiority, ...] = ()
    latency: LatencyRatio | None = None
    secondary: tuple[str, ...] = ("hr@10", "mrr@10")  # reported with Holm's correction; they decide nothing
    sequential: Sequential = Sequential()
    challengers_a_window: int = (
        5  # among so many challengers, or several at once, of one window alpha is divided
    )

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


def sequential() -> GateProfile:
    """`small` for a gate that runs again as its window grows: bounds that hold at every look, from 500 users on."""
    return replace(small(), name="sequential", sequential=Sequential(enabled=True))


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
