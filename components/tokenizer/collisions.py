"""Give items of one tuple different last codes, while the last level has free ones.

Source: the uniform mapping of LC-Rec, Zheng et al. 2024, arXiv:2311.09049, section 3.1.2, done greedily.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def spread_collisions(
    codes: Int[np.ndarray, "item level"], distance: Float[np.ndarray, "item code"]
) -> tuple[Int[np.ndarray, "item level"], Int[np.ndarray, "moved"]]:
    """(codes with collisions spread, rows that moved, ascending).

    `distance` is that of an item to each code of the last level. Of the items of a tuple the nearest to its
    code keeps it (ties: the first row); the others, nearest first, take the nearest code that no item has
    under their prefix. Where a prefix has more items than codes, the rest stay where they were.
    """
    spread = codes.copy()
    _, prefix = np.unique(codes[:, :-1], axis=0, return_inverse=True)
    prefix = prefix.reshape(-1)
    rows = np.arange(len(codes))
    own = distance[rows, codes[:, -1]]
    order = np.lexsort((rows, own, codes[:, -1], prefix))  # runs of one tuple, nearest first
    same_tuple = np.zeros(len(codes), dtype=bool)
    same_tuple[1:] = (np.diff(prefix[order]) == 0) & (np.diff(codes[order, -1]) == 0)
    taken = np.zeros((prefix.max(initial=-1) + 1, distance.shape[1]), dtype=bool)
    taken[prefix, codes[:, -1]] = True
    moved = []
    for row in order[same_tuple]:
        free = ~taken[prefix[row]]
        if free.any():
            choice = np.where(free, distance[row], np.inf).argmin()
            spread[row, -1] = choice
            taken[prefix[row], choice] = True
            moved.append(row)
    return spread, np.sort(np.array(moved, dtype=np.int64))
