"""Lists made canonical before any metric sees them, so that no arm gains by its form.

Best first by score, ties by item id; NaN scores dropped; of an item that stands twice the first place
counts; what is not allowed (seen, not a candidate) is dropped and the rest moves up; empty places are -1.
Shapes: R lists, k places.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

EMPTY = -1


class ListError(Exception):
    """An arm returned places that are no items; the message names the row."""


def check_lists(items: Int[np.ndarray, "R k"], num_items: int) -> None:
    """Raises ListError for a position beyond the catalogue or an array that is not of whole numbers."""
    if items.ndim != 2 or not np.issubdtype(items.dtype, np.integer):
        raise ListError(f"lists are a whole-number array [request, place], not {items.dtype} {items.shape}")
    if items.size and items.max() >= num_items:
        row, place = np.argwhere(items >= num_items)[0]
        raise ListError(
            f"list {row}, place {place}: item {items[row, place]} is outside the catalogue of {num_items}. "
            "An arm returns positions in the catalogue it was given."
        )


def canonical_lists(
    items: Int[np.ndarray, "R k"], *, num_items: int, allowed: Bool[np.ndarray, "R k"] | None = None
) -> Int[np.ndarray, "R k"]:
    """Drop repeats and what is not allowed, move the rest up, fill with -1; the width stays.

    `items` are positions in a catalogue of `num_items`, best first; negative ones are empty places.
    Raises ListError for a position beyond the catalogue or an array that is not of whole numbers.
    """
    check_lists(items, num_items)
    keep = (items >= 0) & ~_repeats(items)
    if allowed is not None:
        keep &= allowed
    if keep.all():
        return items
    # a stable sort on "dropped or not" keeps the order of what stays
    moved_up = np.argsort(~keep, axis=1, kind="stable")
    return np.take_along_axis(np.where(keep, items, EMPTY), moved_up, axis=1)


def order_by_score(items: Int[np.ndarray, "R k"], scores: Float[np.ndarray, "R k"]) -> Int[np.ndarray, "R k"]:
    """Best score first, ties by position in the catalogue (sorted by id); NaN scores become empty."""
    items = np.where(np.isnan(scores), EMPTY, items)
    # lexsort's last key rules: empty places go behind everything, whatever their score
    order = np.lexsort((items, -np.nan_to_num(scores, nan=-np.inf), items < 0), axis=1)
    return np.take_along_axis(items, order, axis=1)


def _repeats(items: Int[np.ndarray, "R k"]) -> Bool[np.ndarray, "R k"]:
    """True where the same item stands at an earlier place of the row."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, dtype=bool)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeats = np.empty_like(again)
    np.put_along_axis(repeats, order, again, axis=1)
    return repeats
