"""Hypervolume: how much of the space of two metrics a set of points dominates, both the larger the better.

Source: Zitzler and Thiele 1998 (PPSN V), the size of the space covered; here from the origin, where both metrics are 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def hypervolume(points: Float[np.ndarray, "N 2"]) -> float:
    """Area of the union of the rectangles from the origin to each point; 0 where there is no point.

    A point that is nowhere better than another adds nothing.
    """
    order = np.argsort(-points[:, 0], kind="stable")
    x, highest = points[order, 0], np.maximum.accumulate(points[order, 1])
    widths = x - np.append(x[1:], 0.0)
    return float((widths * highest).sum())
