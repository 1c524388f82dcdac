"""Embeddings that the source brings with its items, computed elsewhere: taken as they are, at length 1.

The items that are encoded carry them in the column `vector`. What model made them is not known here, so the id of the
space is their width alone, and `refuse_another_model` looks whether it is still that model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from components.features.encoders.content import Content, Encoded, OnStep
from components.features.vectors import ItemVectors, unit_rows

MODALITY, COLUMN = "embedding", "vector"
_BATCH = 8192  # lengths are counted in float64: one batch of it, not the whole
_SAME = 0.9  # cosine of an item's vectors before and now, from which on nobody would call them of two models


_FIX = "Bring vectors of the same model, or fit a new tokenizer to these: --refit-tokenizer"


class VectorsChanged(Exception):
    """The source's vectors are of another space than those that the tokenizer was fitted on."""


@dataclass(frozen=True, kw_only=True)
class PrecomputedEmbedding:
    """`dim` numbers that come with the item → the same, at length 1 as all encoders give them."""

    dim: int

    @property
    def id(self) -> str:
        return f"precomputed/{self.dim}"

    @property
    def kept_as(self) -> str | None:
        return None

    def read(self, items: pd.DataFrame, root: Path | None) -> Content:
        """Raises VectorsChanged for a vector of another width."""
        values = _given(items)
        for item_id, value in zip(items["item_id"], values, strict=True):
            if value is not None and len(value) != self.dim:
                raise VectorsChanged(
                    f"item {item_id!r} has a vector of {len(value):,} numbers, and the tokenizer was fitted on vectors "
                    f"of {self.dim:,}. {_FIX}"
                )
        keys = [None if value is None else hashlib.sha256(value.tobytes()).hexdigest() for value in values]
        return Content(values=values, keys=keys)

    def encode(self, values: Sequence[np.ndarray], on_step: OnStep | None = None) -> Encoded:
        out = np.zeros((len(values), self.dim), dtype=np.float32)
        for start in range(0, len(values), _BATCH):
            batch = values[start : start + _BATCH]
            out[start : start + len(batch)] = unit_rows(np.stack(batch))
            if on_step:
                on_step(start + len(batch), len(values), {})
        return Encoded(vectors=out)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "precomputed", "dim": self.dim}, {}


def fit_precomputed(items: pd.DataFrame) -> PrecomputedEmbedding | None:
    """The width of the first vector; None where no item has one."""
    first = next((value for value in _given(items) if value is not None), None)
    return None if first is None else PrecomputedEmbedding(dim=len(first))


def refuse_another_model(before: ItemVectors, now: ItemVectors) -> None:
    """Raise VectorsChanged where half of the items that had a vector at the fit have quite another one now."""
    if MODALITY not in before.vectors or MODALITY not in now.vectors:
        return
    _, then, here = np.intersect1d(before.item_ids, now.item_ids, assume_unique=True, return_indices=True)
    both = before.present[MODALITY][then] & now.present[MODALITY][here]
    if not both.any():
        return
    _refuse(before.vectors[MODALITY][then[both]], now.vectors[MODALITY][here[both]])


def refuse_given(before: ItemVectors, given: Sequence[Any]) -> None:
    """`refuse_another_model` by what the source gives for the items of the fit, in their order; None for no vector."""
    if MODALITY not in before.vectors:
        return
    both = before.present[MODALITY] & np.array([value is not None for value in given], dtype=bool)
    if both.any():
        new = unit_rows(np.stack([given[int(row)] for row in np.flatnonzero(both)]))
        _refuse(before.vectors[MODALITY][both], new)


def _refuse(old: Float[np.ndarray, "item dim"], new: Float[np.ndarray, "item dim"]) -> None:
    cosines = np.einsum("nd,nd->n", old, new)
    if np.median(cosines) < _SAME:
        raise VectorsChanged(
            f"the source's vectors are of another model than those that the tokenizer was fitted on: of {len(old):,} "
            f"items that had one then, half have a cosine of {np.median(cosines):.2f} or less with it, and {_SAME} "
            f"or more is expected. {_FIX}"
        )


def _given(items: pd.DataFrame) -> list[Any]:
    return items[COLUMN].tolist() if COLUMN in items else [None] * len(items)
