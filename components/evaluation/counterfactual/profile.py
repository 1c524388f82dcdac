"""What a log must show before a policy may be believed better: a typed profile, hashed into the verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from components.artifact import digest_of
from components.evaluation.gate import LEAST_USERS, ProfileError

EstimatorName = Literal[
    "replay", "ips", "snips", "dm", "dr", "sndr", "clipped_ips", "clipped_dr", "switch_dr", "dros"
]
Deciding = Literal["ips", "snips", "dr", "sndr"]  # consistent with right propensities alone


@dataclass(frozen=True, kw_only=True)
class LoggedProfile:
    """A gate for logged feedback. Checked when built: raises ProfileError."""

    name: str
    estimator: Deciding = "snips"  # the one that decides; it needs pi_e of the logged actions only
    alpha_one_sided: float = 0.025
    resamples: int = 10_000
    seed: int = 7
    power: float = 0.8
    relative_effect_of_interest: float = 0.05  # of the logging policy's mean reward
    min_clusters: int = 200  # users, slates, or rounds where neither is known: the unit that is resampled
    min_rewarded: int = 100  # rounds, and what they are worth; with fewer the interval is too short
    min_ess: float = 1_000
    min_ess_share: float = 0.01  # of the rounds
    mean_weight: tuple[float, float] = (0.9, 1.1)
    mean_weight_errors: float = 3.0  # standard errors that mean(w) may lie from 1
    max_weight_share: float = 0.05
    low_propensity_of_uniform: float = 0.01  # below this share of 1 / actions an action is hardly ever shown
    max_unsupported_share: float = 0.05  # of pi_e's mass on actions hardly ever, or never, shown
    folds: int = 3  # of the reward model
    smoothing: float = 50.0  # rounds

    def __post_init__(self) -> None:
        if self.estimator not in get_args(Deciding):
            raise ProfileError(
                f"{self.name}: {self.estimator} cannot decide, since it leans on a reward model or on lowered "
                f"weights; name one of {', '.join(get_args(Deciding))}"
            )
        if not 0 < self.alpha_one_sided < 0.5:
            raise ProfileError(
                f"{self.name}: alpha_one_sided is {self.alpha_one_sided}; it lies between 0 and 0.5"
            )
        if self.resamples < (least := math.ceil(50 / self.alpha_one_sided)):
            raise ProfileError(
                f"{self.name}: {self.resamples} resamples leave fewer than 50 beyond a tail of "
                f"{self.alpha_one_sided}; ask for {least}"
            )
        if self.min_clusters < LEAST_USERS:
            raise ProfileError(
                f"{self.name}: min_clusters is {self.min_clusters}; below {LEAST_USERS} no interval holds"
            )
        low, high = self.mean_weight
        if not 0 < low <= 1 <= high:
            raise ProfileError(f"{self.name}: mean_weight {self.mean_weight} does not hold 1")
        if self.folds < 2 or self.smoothing <= 0 or self.relative_effect_of_interest <= 0:
            raise ProfileError(
                f"{self.name}: folds are at least 2, smoothing and the effect of interest above 0"
            )

    @property
    def hash(self) -> str:
        return digest_of(asdict(self))


def small() -> LoggedProfile:
    """For logs of some ten thousand rounds: the specification's least effective sample."""
    return LoggedProfile(name="small")


def production() -> LoggedProfile:
    """For logs of a million rounds and more: a larger effective sample, smaller effects, no heavy weight."""
    return LoggedProfile(
        name="production",
        relative_effect_of_interest=0.01,
        min_clusters=5_000,
        min_rewarded=1_000,
        min_ess=10_000,
        max_weight_share=0.01,
    )
