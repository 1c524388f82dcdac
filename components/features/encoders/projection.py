"""Sparse token counts to dense vectors: inverse document frequency, then a truncated SVD where it is wide.

Fitted once on given rows and applied to any later ones, each on its own, so that new items land in the
space of the old.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from components.features.vectors import unit_rows


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Weights of the tokens and, where there were more tokens than `dim`, the directions kept."""

    idf: Float[np.ndarray, "token"]
    components: Float[np.ndarray, "token dim"] | None

    @property
    def dim(self) -> int:
        return len(self.idf) if self.components is None else self.components.shape[1]

    def digest(self) -> str:
        """Twelve hex digits of SHA-256 over what was fitted."""
        sha = hashlib.sha256(self.idf.tobytes())
        sha.update(b"" if self.components is None else self.components.tobytes())
        return sha.hexdigest()[:12]

    def apply(self, counts: sp.csr_matrix) -> Float[np.ndarray, "item dim"]:
        """Rows of length 1; a row without any known token is zero."""
        weighted = _weigh(counts, self.idf)
        dense = weighted.toarray() if self.components is None else weighted @ self.components
        return unit_rows(dense)


def fit_projection(counts: sp.csr_matrix, *, dim: int, seed: int) -> Projection:
    """Fit on [item, token] counts; at most `dim` directions, fewer if the counts have no more."""
    num_items, num_tokens = counts.shape
    document_frequency = np.asarray((counts > 0).sum(axis=0)).ravel()
    # smoothed, as if one more item had every token: finite for a token that none has, above 0 for one that all have
    idf = (np.log((1 + num_items) / (1 + document_frequency)) + 1).astype(np.float32)
    # few enough to keep as they are: nothing is lost, and new items need no SVD
    if num_tokens <= dim:
        return Projection(idf=idf, components=None)
    from sklearn.decomposition import TruncatedSVD  # 2 s to import, and most commands fit nothing

    svd = TruncatedSVD(n_components=min(dim, num_items), random_state=seed)
    svd.fit(_weigh(counts, idf))
    components = np.ascontiguousarray(svd.components_.T, dtype=np.float32)
    return Projection(idf=idf, components=components)


def _weigh(counts: sp.csr_matrix, idf: np.ndarray) -> sp.csr_matrix:
    """Counts times idf, each row to length 1: a long list of tokens must not outweigh a short one."""
    weighted = counts.multiply(idf).tocsr().astype(np.float32)
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return sp.diags_array(1 / np.where(lengths > 0, lengths, 1)).astype(np.float32) @ weighted
