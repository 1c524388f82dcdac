"""A ratio of sums, such as clicks a view, between two groups of users.

Source: Deng et al. 2018 (delta method). Shapes: U users.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from components.evaluation.rehearsal import Unpaired, welch


def ratio_difference(
    numerator: Float[np.ndarray, "U"], denominator: Float[np.ndarray, "U"], arm: Int[np.ndarray, "U"]
) -> tuple[tuple[float, float], Unpaired]:
    """Ratio of sums in each arm and their difference, each user linearised: (num - R den) / mean(den)."""
    ratios, parts = [], []
    for group in (0, 1):
        num, den = numerator[arm == group], denominator[arm == group]
        ratio = float(num.sum() / den.sum())
        ratios.append(ratio)
        parts.append(ratio + (num - ratio * den) / den.mean())
    return (ratios[0], ratios[1]), welch(parts[0], parts[1])
