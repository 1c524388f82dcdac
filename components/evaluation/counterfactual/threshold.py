"""Where to clip, switch or shrink weights: the threshold of least bound on squared bias plus variance.

Bias is at most the weight taken away times the largest mean reward that an action could have had there;
variance at most the mean squared weight left times the mean squared reward. What the heavy rounds happened to
bring enters neither, so no threshold is preferred for its answer.
After Wang, Agarwal & Dudík 2017, section 3.2 (they take the variance from the rounds themselves, which sees
none in a heavy round without reward). Shapes: N rounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from components.evaluation.counterfactual.estimators import shrunk

Column = Float[np.ndarray, "N"]
_GRID = 40


def choose_threshold(
    lowered: Callable[[Column, float], Column], weight: Column, residual: Column, *, largest: float
) -> float:
    """The threshold of least (largest · mean(w - w'))² + mean(w'²) mean(residual²) / N, w' = lowered(w, it).

    `residual` is r, or r - q beside a reward model; `largest` bounds the size of its mean given the action.
    Of equals the largest threshold, which takes least away. Weights of 0 leave nothing to choose: 1.
    """
    top = float(weight.max())
    if top == 0:
        return 1.0
    # a shrinkage is compared with squares, and none is large enough to leave w as it is
    end = 100 * max(top, 1.0) ** 2 if lowered is shrunk else top
    grid = np.geomspace(min(1.0, top), end, _GRID)[::-1]
    grid[0] = end  # geomspace may end a rounding below it
    spread = float((residual**2).mean()) / len(weight)
    bounds = []
    for threshold in grid:
        kept = lowered(weight, float(threshold))
        # bound on the squared bias, plus the variance
        bias = largest * float((weight - kept).mean())
        bounds.append(bias**2 + spread * float((kept**2).mean()))
    return float(grid[int(np.argmin(bounds))])
