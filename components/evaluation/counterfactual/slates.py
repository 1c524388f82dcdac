"""Estimators of a slate's summed reward, from slates that another policy logged.

Weights are pi_e / p_0 of: the item at its place alone (`slot`), the items down to that place (`cascade`), the
whole slate (last column of `cascade`). Shapes: S slates, K places.
Sources: Li et al. 2018 (IIPS), McInerney et al. 2020 (RIPS), Swaminathan et al. 2017 and Vlassis et al. 2021
(pseudo-inverse).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from components.evaluation.counterfactual.estimators import Terms

Slots = Float[np.ndarray, "S K"]


def sips(reward: Slots, slate_weight: Float[np.ndarray, "S"]) -> Terms:
    """Full-slate ratio: no assumption on users, and a spread that grows with every place."""
    return Terms(plain=slate_weight * reward.sum(axis=1))


def iips(reward: Slots, slot_weight: Slots) -> Terms:
    """Each place by its own marginal: right if no place changes what another gets."""
    return Terms(plain=(slot_weight * reward).sum(axis=1))


def rips(reward: Slots, cascade_weight: Slots) -> Terms:
    """Each place by what stood down to it: right if users read from the top."""
    return Terms(plain=(cascade_weight * reward).sum(axis=1))


def snsips(reward: Slots, slate_weight: Float[np.ndarray, "S"]) -> Terms:
    """SIPS over its mean weight."""
    return Terms(numerator=slate_weight * reward.sum(axis=1), denominator=slate_weight)


def pseudo_inverse(reward: Slots, slot_weight: Slots) -> Terms:
    """(sum of slot weights - K + 1) times the slate's reward.

    Right if a slate's reward adds up over places and both policies draw the places independently; a reward
    need not be known by place.
    """
    return Terms(plain=(slot_weight.sum(axis=1) - slot_weight.shape[1] + 1) * reward.sum(axis=1))
