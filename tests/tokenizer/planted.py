"""A small catalogue whose structure is known: items of a cluster look alike and are used by the same users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    vectors: dict[str, np.ndarray]
    present: dict[str, np.ndarray]
    edges: np.ndarray  # [2, edge]
    num_users: int
    clusters: np.ndarray  # [item]

    @property
    def inputs(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray, int]:
        return self.vectors, self.present, self.edges, self.num_users

    def part(self, rows: slice | np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Vectors and masks of some items; the masks are copies."""
        vectors = {name: block[rows] for name, block in self.vectors.items()}
        return vectors, {name: mask[rows].copy() for name, mask in self.present.items()}


def planted_catalogue(
    *, num_items: int = 160, num_clusters: int = 8, num_users: int = 120, noise: float = 0.5, seed: int = 0
) -> Catalogue:
    """Two modalities, a fifth of the second missing; a user takes nine of ten items from one cluster."""
    rng = np.random.default_rng(seed)
    clusters = np.arange(num_items) % num_clusters
    vectors, present = {}, {}
    for name, dim in (("text", 12), ("image", 6)):
        centres = rng.normal(size=(num_clusters, dim))
        vectors[name] = (centres[clusters] + noise * rng.normal(size=(num_items, dim))).astype(np.float32)
        present[name] = np.ones(num_items, dtype=bool)
    present["image"][rng.permutation(num_items)[: num_items // 5]] = False
    edges = []
    for user in range(num_users):
        inside = np.flatnonzero(clusters == user % num_clusters)
        taken = np.where(rng.random(12) < 0.9, rng.choice(inside, 12), rng.integers(num_items, size=12))
        edges += [(user, item) for item in taken]
    return Catalogue(
        vectors=vectors,
        present=present,
        edges=np.array(edges, dtype=np.int64).T,
        num_users=num_users,
        clusters=clusters,
    )
