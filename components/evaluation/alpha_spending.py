"""Alpha spent over the challengers that are tried on one window, so that trying often does not pay.

Retraining against the same window again and again is peeking. A window therefore has one alpha, divided among
a declared number of challengers: the k-th gets a share proportional to 1/k^2, and the shares add up to alpha,
so by the union bound the chance that any worthless one is promoted stays below it. The first keeps most; what
is tried after the last has nothing left, and needs a later window. The same challenger again is no new
attempt; several at once are one attempt, and share what it gets (see `several`). Source: Tian & Ramdas 2021, Online
control of the familywise error rate (alpha spending).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from components.evaluation.typed_json import LEFT_OUT_AT_DEFAULT

_BEYOND_TAIL = 50  # resamples that must lie beyond a bound for it to be steady


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The challenger's place among those tried on this window, and the alpha it may use."""

    number: int  # 1 for the first
    alpha_one_sided: float  # 0: nothing is left
    together: int = field(default=1, metadata=LEFT_OUT_AT_DEFAULT)  # challengers that are this attempt

    def __post_init__(self) -> None:
        if self.number < 1 or not 0 <= self.alpha_one_sided < 0.5:
            raise ValueError(
                f"attempt {self.number} with alpha {self.alpha_one_sided}: attempts count from 1, and alpha "
                "lies in [0, 0.5)"
            )


def shares(alpha: float, challengers: int) -> tuple[float, ...]:
    """alpha_k = alpha / k^2 / (1 + 1/4 + … + 1/m^2) for k = 1 … m; they add up to `alpha`."""
    whole = sum(1 / k**2 for k in range(1, challengers + 1))
    return tuple(alpha / k**2 / whole for k in range(1, challengers + 1))


def resamples_for(alpha: float) -> int:
    """Bootstrap resamples that leave 50 beyond a one-sided bound at `alpha`."""
    return math.ceil(round(_BEYOND_TAIL / alpha, 6))
