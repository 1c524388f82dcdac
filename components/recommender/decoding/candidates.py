"""Which of the caller's items an arm may return, looked up once for a catalogue that does not change.

Shapes: I items of the caller's catalogue, C candidate items (known to the arm too), in the catalogue's order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateItems:
    """The items that an arm may return for these histories, in catalogue order."""

    rows: Int[Tensor, "C"]  # in the arm's vocabulary
    positions: Int[np.ndarray, "C"]  # in the caller's catalogue
    column: Int[np.ndarray, "I"]  # column of a catalogue item, -1 if it may not be returned
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def once(self, name: str, make: Callable[[], Made]) -> Made:
        """What an arm derives from these candidates: made when it is first asked for, kept as long as they are."""
        if name not in self._made:
            self._made[name] = make()
        return cast(Made, self._made[name])


def vocabulary_rows(catalogue: np.ndarray, item_ids: np.ndarray) -> Int[np.ndarray, "I"]:
    """Row of each catalogue item in the vocabulary `item_ids`, -1 for a stranger."""
    place = {item: at for at, item in enumerate(item_ids)}
    return np.array([place.get(item, -1) for item in catalogue], dtype=np.int64)


def candidate_items(rows: Int[np.ndarray, "I"], candidates: Bool[np.ndarray, "I"] | None) -> CandidateItems:
    """Catalogue items with a row in the vocabulary, and among the candidates."""
    may = rows >= 0
    if candidates is not None:
        may = may & candidates
    positions = np.flatnonzero(may)
    column = np.full(len(rows), -1, dtype=np.int64)
    column[positions] = np.arange(len(positions))
    return CandidateItems(rows=torch.from_numpy(rows[positions]), positions=positions, column=column)


class CatalogueRows:
    """`vocabulary_rows` of one vocabulary, looked up once for a catalogue that cannot be written to.

    A server asks with one catalogue for as long as a version serves; one that could change is looked up each time.
    `may_return` leaves out items of the vocabulary, as if they were strangers.
    """

    def __init__(self, item_ids: np.ndarray, may_return: Bool[np.ndarray, "item"] | None = None) -> None:
        self._item_ids, self._may_return = item_ids, may_return
        # one attribute: threads swap it whole
        self._last: tuple[np.ndarray, Int[np.ndarray, "I"], CandidateItems] | None = None

    def of(self, catalogue: np.ndarray) -> Int[np.ndarray, "I"]:
        """Not to be written to."""
        last = self._last
        if last is not None and last[0] is catalogue:
            return last[1]
        rows = vocabulary_rows(catalogue, self._item_ids)
        if self._may_return is not None:
            # (a stranger's -1 looks up the last row, and stays -1 whatever stands there)
            rows = np.where(self._may_return[rows], rows, -1)
        rows.flags.writeable = False
        if not catalogue.flags.writeable:
            self._last = catalogue, rows, candidate_items(rows, None)
        return rows

    def allowed(self, rows: Int[np.ndarray, "I"], candidates: Bool[np.ndarray, "I"] | None) -> CandidateItems:
        """`candidate_items`, kept with the rows that are kept where every item is a candidate."""
        last = self._last
        if candidates is None and last is not None and last[1] is rows:
            return last[2]
        return candidate_items(rows, candidates)
