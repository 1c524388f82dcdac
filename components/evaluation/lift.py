"""Relative lift with its interval: the ratio of two means of the same users, after Fieller.

Source: Fieller 1954, Some problems in interval estimation. U users.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from scipy import special

_ABOUT_ZERO = 1e-9


def relative_lift(differences: Float[np.ndarray, "U"], baseline: Float[np.ndarray, "U"]) -> float | None:
    """mean(differences) / mean(baseline); None where the baseline is about 0, or there are no users."""
    if not len(baseline) or abs(float(baseline.mean())) <= _ABOUT_ZERO:
        return None
    return float(differences.mean() / baseline.mean())


def fieller_interval(
    differences: Float[np.ndarray, "U"], baseline: Float[np.ndarray, "U"], *, confidence: float = 0.95
) -> tuple[float, float] | None:
    """All lifts r for which mean(differences - r baseline) is not significantly off 0.

    These r lie between the roots of (d - r b)^2 = z^2 (s_dd - 2 r s_db + r^2 s_bb) / U, as long as the baseline's
    own mean is significantly off 0. Where it is not, no interval is bounded: None, as for fewer than two users.
    """
    n = len(baseline)
    if n < 2:
        return None
    d, b = float(differences.mean()), float(baseline.mean())
    off_d, off_b = differences - d, baseline - b
    s_dd, s_db, s_bb = (float(v.sum()) / (n - 1) / n for v in (off_d * off_d, off_d * off_b, off_b * off_b))
    z2 = float(special.ndtri((1 + confidence) / 2)) ** 2
    # a baseline that may be 0 allows any ratio: the set of lifts is then unbounded, or everything
    if abs(b) <= _ABOUT_ZERO or b * b <= z2 * s_bb:
        return None
    quadratic, linear, constant = b * b - z2 * s_bb, d * b - z2 * s_db, d * d - z2 * s_dd
    # rounding may leave a double root a little below 0
    root = math.sqrt(max(linear * linear - quadratic * constant, 0.0))
    return (linear - root) / quadratic, (linear + root) / quadratic
