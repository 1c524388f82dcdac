"""What a search found, in the order of one user: the search's and the recommender's, joined by their ranks.

By reciprocal ranks (Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion"): scores of a search and of an arm, or
of two arms, are on no common scale, and ranks are. Their constant is 60; 10 lets the first places of either count for
more, and was better in `make bench ONLY=search`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from components.recommender.arm import Arm, Histories

MOST, FEWEST, SHARE = 200, 20, 0.02  # items that a search hands on, in number and of all
_CONSTANT = 10


def num_candidates(num_items: int) -> int:
    """How many of a search's first items are put in order; what stands further down has little of the query left."""
    return min(MOST, max(FEWEST, round(SHARE * num_items)))


def for_user(
    arm: Arm, history: Histories, item_ids: np.ndarray
) -> tuple[Int[np.ndarray, "item"], Float[np.ndarray, "item"]]:
    """The order of `item_ids` ([item] str objects, best first as the search found them) for one history, and scores.

    An item that the arm does not know, or does not reach, has the search's rank alone. What the user had before may
    be found again. The order holds positions in `item_ids`. Raises ValueError for more histories than one.
    """
    if len(history) != 1:
        raise ValueError(f"{len(history)} histories; a search is put in order for one")
    candidates = np.isin(history.catalogue, item_ids)
    score = 1.0 / (_CONSTANT + np.arange(len(item_ids)))
    if candidates.any():
        ranked = arm.recommend(
            history, k=int(candidates.sum()), candidates=candidates, exclude_seen=False
        ).items[0]
        place = {item_id: at for at, item_id in enumerate(history.catalogue[ranked[ranked >= 0]])}
        score += [1.0 / (_CONSTANT + place[item]) if item in place else 0.0 for item in item_ids]
    order = np.argsort(-score, kind="stable")
    return order, score[order]
