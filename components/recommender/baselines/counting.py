"""The arms of every replay that learn nothing: popularity of all time and of late, and random order."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from components.recommender.arm import Arm
from components.recommender.baselines.popularity import fit_popularity, fit_recent_popularity
from components.recommender.baselines.random_order import RandomArm

BASELINES = ("popularity", "recent_popularity", "random")
_RANDOM_SEED = 7  # one for all cycles: what is random must not differ between two replays of a window


def count_baselines(
    items: np.ndarray,
    times: Int[np.ndarray, "event"],
    weights: Float[np.ndarray, "event"] | None = None,
    *,
    cutoff: int,
) -> tuple[Arm, ...]:
    """One arm for each name of BASELINES, in that order, counted on the events of a training snapshot.

    `items` [event] are item ids, `times` epoch seconds, `cutoff` the snapshot's end in epoch seconds. Popularity of
    all time counts every event given. Recent popularity counts those of the last 30 days before `cutoff`; events of
    the cut-off's own second are left out, since whole seconds cannot tell which of them came before it. `weights` say
    what each event counts; None: 1.
    """
    is_before = times < cutoff
    return (
        fit_popularity(items, weights),
        fit_recent_popularity(
            items[is_before],
            times[is_before],
            None if weights is None else weights[is_before],
            cutoff=cutoff,
        ),
        RandomArm(seed=_RANDOM_SEED),
    )
