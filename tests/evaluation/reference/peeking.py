"""Rejections at every look, many streams at once: the normal mixture, and the t test that one must not repeat.

Source: Howard et al. 2021 (normal mixture). Shapes: n users of a stream, in the order in which they come.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from components.evaluation.sequential import normal_mixture_bound


def mixture_rejects(
    differences: Float[np.ndarray, "*batch n"], *, alpha: float = 0.05, v_opt: float = 500, n_min: int = 500
) -> Bool[np.ndarray, "*batch n"]:
    """Whether mean 0 is rejected at each look, the first at `n_min` users; the variance is estimated.

    Asymptotic: below some hundred users a skewed stream breaks its level, hence the default `n_min`.
    """
    n = np.arange(1, differences.shape[-1] + 1)
    total = differences.cumsum(axis=-1)
    variance = (np.square(differences).cumsum(axis=-1) - total**2 / n) / np.maximum(n - 1, 1)
    bound = np.sqrt(np.maximum(variance, 0)) * normal_mixture_bound(n, alpha=alpha, v_opt=v_opt)
    return (np.abs(total) > bound) & (n >= n_min) & (variance > 0)


def naive_rejects(
    differences: Float[np.ndarray, "*batch n"], *, alpha: float = 0.05
) -> Bool[np.ndarray, "*batch n"]:
    """A t test at every look, as one must not do: it shows a simulation how wrong peeking goes."""
    n = np.arange(1, differences.shape[-1] + 1)
    total = differences.cumsum(axis=-1)
    variance = (np.square(differences).cumsum(axis=-1) - total**2 / n) / np.maximum(n - 1, 1)
    critical = stats.t.ppf(1 - alpha / 2, np.maximum(n - 1, 1))
    return (np.abs(total) > critical * np.sqrt(np.maximum(variance, 0) * n)) & (variance > 0) & (n > 1)
