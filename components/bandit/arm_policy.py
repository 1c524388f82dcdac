"""Which arm for whom: a linear model of each arm's reward, and the chance that it is the best one.

Numbers of context enter as their rank among the rounds learned from (-1 … 1), so that a long tail moves nothing.
An arm's reward is linear in them with a Gaussian posterior (ridge regression); an arm is drawn with the probability
that its mean reward is the largest, which is Thompson sampling with the draw made once, and each arm keeps a floor,
so that the next log supports every arm.
Sources: Li et al. 2010, arXiv:1003.0146, section 3.1 (a linear model an arm), Agrawal & Goyal 2013, arXiv:1209.3352
(Thompson sampling). Shapes: N rounds, A arms, D numbers of context, F = D + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from components.bandit.arm_log import ArmLog

Table = tuple[tuple[float, ...], ...]
KNOTS = 101  # quantiles of a number of context
_ENDS = (
    0.005,
    0.995,
)  # of the first and the last: a policy is kept, and of many users holds no one's extreme
_TINY = 1e-12  # of a variance: arms that are told apart by nothing share
_GRID = np.linspace(-6, 6, 121)  # standard deviations; what is left out weighs 2e-9
_DENSITY = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()


@dataclass(frozen=True, kw_only=True)
class ArmPolicy:
    """Values alone, so that it is written as JSON and read again. Checked when built: raises ValueError."""

    arms: tuple[str, ...]
    context_names: tuple[str, ...]
    knots: Table  # [D KNOTS] ascending
    overall: float  # mean reward of the rounds learned from, which every arm is drawn to
    weights: Table  # [A F] of what an arm brings beyond it; the first is the constant
    covariance: tuple[Table, ...]  # [A F F]
    explore: float  # this share is dealt evenly

    def __post_init__(self) -> None:
        num_arms, num_numbers = len(self.arms), len(self.context_names)
        size = num_numbers + 1
        given = (np.shape(self.knots), np.shape(self.weights), np.shape(self.covariance))
        asked = ((num_numbers, KNOTS), (num_arms, size), (num_arms, size, size))
        if given != asked or not 0 <= self.explore <= 1:
            raise ValueError(
                f"shapes are {given}, and {asked} belong to its arms and context; or explore is off"
            )

    def predicted(self, context: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N A"]:
        """Mean reward of every arm."""
        return self.overall + self._features(context) @ np.asarray(self.weights).T

    def probabilities(self, context: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N A"]:
        """With which each arm is drawn; rows sum to one."""
        features, mean = self._features(context), self.predicted(context)
        variance = np.einsum("nf,afg,ng->na", features, np.asarray(self.covariance), features)
        best = _chance_of_best(mean, np.sqrt(np.maximum(variance, _TINY)))
        return (1 - self.explore) * best + self.explore / len(self.arms)

    def _features(self, context: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N F"]:
        columns = [np.ones(len(context))]
        for knots, values in zip(self.knots, context.T, strict=True):
            # the middle of equal values' ranks, so that what is one value for all is one number
            ranks = np.searchsorted(knots, values, "left") + np.searchsorted(knots, values, "right")
            columns.append(ranks / KNOTS - 1)
        return np.column_stack(columns)


def learn(log: ArmLog, arms: tuple[str, ...], *, explore: float = 0.05) -> ArmPolicy:
    """Fit every arm on the rounds that it answered, each weighed by one over its propensity.

    So an arm is fitted to all users alike, not to those whom the log gave it more often. The prior of an arm is
    worth one round at the mean reward of all; one that never answered keeps it. Raises ValueError for an arm that the
    log does not name.
    """
    knots = np.quantile(log.context, np.linspace(*_ENDS, KNOTS), axis=0).T
    size = log.context.shape[1] + 1
    inverse = 1 / log.propensity
    overall = float((inverse * log.reward).sum() / inverse.sum())
    blank = ArmPolicy(
        arms=arms,
        context_names=log.context_names,
        knots=_table(knots),
        overall=overall,
        weights=_table(np.zeros((len(arms), size))),
        covariance=tuple(_table(np.eye(size)) for _ in arms),
        explore=explore,
    )
    features, beyond = blank._features(log.context), log.reward - overall
    weights, spread = np.zeros((len(arms), size)), np.empty((len(arms), size, size))
    squares = worth_of_all = 0.0
    for place, name in enumerate(arms):
        own = log.arm == log.arms.index(name)
        worth = inverse[own]
        worth = worth * worth.sum() / max((worth**2).sum(), _TINY)  # sums to the effective number of rounds
        spread[place] = np.linalg.inv(np.eye(size) + (features[own] * worth[:, None]).T @ features[own])
        weights[place] = spread[place] @ (features[own].T @ (worth * beyond[own]))
        squares += float(worth @ (beyond[own] - features[own] @ weights[place]) ** 2)
        worth_of_all += float(worth.sum())
    noise = squares / max(worth_of_all, 1.0)
    return ArmPolicy(
        arms=arms,
        context_names=log.context_names,
        knots=blank.knots,
        overall=overall,
        weights=_table(weights),
        covariance=tuple(_table(noise * one) for one in spread),
        explore=explore,
    )


def _chance_of_best(
    mean: Float[np.ndarray, "N A"], deviation: Float[np.ndarray, "N A"]
) -> Float[np.ndarray, "N A"]:
    """P(arm has the largest of independent normal draws): ∫ φ(z) Π_b Φ((m_a + s_a z - m_b) / s_b) dz.

    On a grid of z, made to sum to one over arms. Memory: some N × A.
    """
    chance = np.zeros_like(mean)
    for arm in range(mean.shape[1]):
        others = np.arange(mean.shape[1]) != arm
        for z, density in zip(_GRID, _DENSITY, strict=True):
            drawn = mean[:, [arm]] + deviation[:, [arm]] * z
            below = special.ndtr((drawn - mean[:, others]) / deviation[:, others])
            chance[:, arm] += density * below.prod(axis=1)
    return chance / chance.sum(axis=1, keepdims=True)


def _table(values: np.ndarray) -> Table:
    return tuple(tuple(float(v) for v in row) for row in values)
