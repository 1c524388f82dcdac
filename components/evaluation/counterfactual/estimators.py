"""Estimators of a policy's mean reward a round, from rounds that another policy logged.

Each is mean(plain) + sum(numerator) / sum(denominator) over rounds, so that a resample of rounds recomputes
the whole of it, normalisation included. w = pi_e(a|x) / p_0(a|x); q = predicted reward of the logged action;
v = sum_a pi_e(a|x) q(x, a). Shapes: N rounds.
Sources: Li et al. 2011 (replay), Horvitz & Thompson 1952 (IPS), Swaminathan & Joachims 2015 (SNIPS), Dudík et
al. 2014 (DM, DR), Wang et al. 2017 (switch-DR), Su et al. 2020 (DRos).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

Column = Float[np.ndarray, "N"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """An estimator, taken apart into columns whose means make it.

    `model_error` is what refitting the reward model on other rounds would move, to first order; its mean is 0,
    so it widens the interval and leaves the value.
    """

    plain: Column | None = None
    numerator: Column | None = None
    denominator: Column | None = None
    model_error: Column | None = None

    @property
    def value(self) -> float:
        """NaN where the denominator is 0: such an estimate is undefined, not 0."""
        mean = 0.0 if self.plain is None else float(self.plain.mean())
        if self.numerator is None or self.denominator is None:
            return mean
        total = float(self.denominator.sum())
        return mean + float(self.numerator.sum()) / total if total > 0 else math.nan


def replay(reward: Column, matched: Bool[np.ndarray, "N"]) -> Terms:
    """Mean reward of rounds where pi_e picks the logged action. Valid for uniform random logging only."""
    return Terms(plain=np.zeros(len(reward)), numerator=matched * reward, denominator=matched.astype(float))


def ips(reward: Column, weight: Column) -> Terms:
    """mean(w r): unbiased with full support."""
    return Terms(plain=weight * reward)


def snips(reward: Column, weight: Column) -> Terms:
    """sum(w r) / sum(w): a little bias for much less spread, and never outside the rewards' range."""
    return Terms(numerator=weight * reward, denominator=weight)


def dm(value: Column) -> Terms:
    """mean(v): as good as the reward model, and no better."""
    return Terms(plain=value)


def dr(reward: Column, weight: Column, q: Column, value: Column) -> Terms:
    """mean(v + w (r - q)): right if the propensities or the reward model are."""
    return Terms(plain=value + weight * (reward - q))


def sndr(reward: Column, weight: Column, q: Column, value: Column) -> Terms:
    """mean(v) + sum(w (r - q)) / sum(w)."""
    return Terms(plain=value, numerator=weight * (reward - q), denominator=weight)


def clipped_ips(reward: Column, weight: Column, threshold: float) -> Terms:
    return ips(reward, clipped(weight, threshold))


def clipped_dr(reward: Column, weight: Column, q: Column, value: Column, threshold: float) -> Terms:
    return dr(reward, clipped(weight, threshold), q, value)


def switch_dr(reward: Column, weight: Column, q: Column, value: Column, threshold: float) -> Terms:
    """The correction only where w <= threshold; the model alone beyond it."""
    return dr(reward, switched(weight, threshold), q, value)


def dros(reward: Column, weight: Column, q: Column, value: Column, threshold: float) -> Terms:
    """DR with optimistic shrinkage of the weights."""
    return dr(reward, shrunk(weight, threshold), q, value)


def clipped(weight: Column, threshold: float) -> Column:
    return np.minimum(weight, threshold)


def switched(weight: Column, threshold: float) -> Column:
    return np.where(weight <= threshold, weight, 0.0)


def shrunk(weight: Column, threshold: float) -> Column:
    """threshold w / (w² + threshold): near w for small weights, near 0 for large ones."""
    return threshold * weight / (weight**2 + threshold)


def drawn_matches(target: Column, *, seed: int) -> Bool[np.ndarray, "N"]:
    """Whether an action drawn from pi_e is the logged one; exact for a policy of zeros and ones."""
    return np.random.default_rng(seed).random(len(target)) < target
