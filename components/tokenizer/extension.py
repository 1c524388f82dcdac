"""IDs for items that came after the fit, by the frozen tokenizer; every ID that exists stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from components.tokenizer.ids import SemanticIds, append
from components.tokenizer.modalities import Present, Vectors
from components.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Extended:
    table: SemanticIds  # the known rows as they were, new items below
    num_new: int


def extend_table(
    known: SemanticIds,
    tokenizer: Tokenizer,
    item_ids: np.ndarray,
    vectors: Vectors,
    present: Present,
    edges: Int[np.ndarray, "2 edge"],
    num_users: int,
) -> Extended:
    """Give an ID to each of `item_ids` ([item] str objects) that has none in `known`, a table of this tokenizer.

    Vectors and edges (row 0 a user index, row 1 a row of `item_ids`) are of the whole catalogue, so that new items
    hear from the known ones that their users share. Raises TokenizerInputError.
    """
    # a table begins with the items of the fit, in its order, and the tokenizer knows these by their row
    fitted = {item: row for row, item in enumerate(known.item_ids[: len(tokenizer.factors)])}
    rows = np.array([fitted.get(item, -1) for item in item_ids], dtype=np.int64)
    codes = tokenizer.assign(vectors, present, edges, num_users=num_users, fitted_rows=rows)
    is_new = ~np.isin(item_ids, known.item_ids)
    return Extended(table=append(known, item_ids[is_new], codes[is_new]), num_new=int(is_new.sum()))
