"""One tokenizer, fitted on the first 120 items of a planted catalogue; the other 40 come later."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from components.tokenizer.config import quick
from components.tokenizer.fit import Fitted, fit_tokenizer
from components.tokenizer.ids import SemanticIds, with_collision_tokens
from tests.tokenizer.planted import Catalogue, planted_catalogue

NUM_OLD = 120


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A catalogue of 160 items, and what a fit on the first 120 gave."""

    catalogue: Catalogue
    item_ids: np.ndarray  # [item] str objects, of all 160
    old_edges: np.ndarray  # [2, edge], of the first 120
    fitted: Fitted
    known: SemanticIds


@pytest.fixture(scope="session")
def begun() -> Begun:
    catalogue = planted_catalogue()
    item_ids = np.array([f"i{row:03d}" for row in range(160)], dtype=object)
    old_edges = np.unique(catalogue.edges[:, catalogue.edges[1] < NUM_OLD], axis=1)
    vectors, present = catalogue.part(slice(0, NUM_OLD))
    fitted = fit_tokenizer(vectors, present, old_edges, catalogue.num_users, quick())
    known = with_collision_tokens(
        item_ids[:NUM_OLD], fitted.codes, np.bincount(old_edges[1], minlength=NUM_OLD)
    )
    return Begun(catalogue=catalogue, item_ids=item_ids, old_edges=old_edges, fitted=fitted, known=known)
