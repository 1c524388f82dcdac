"""How much of the old semantic IDs is left in those of a refitted tokenizer.

A refit numbers its codes anew, so equal numbers mean little: what counts is whether items that stood together
still do. That is the adjusted Rand index of the two partitions of the common items by prefix (Hubert & Arabie
1985): 1 for the same partition under any names, 0 for what chance gives. It is chosen over adjusted mutual
information because it is exact in one pass at every depth; the expectation of the latter is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from components.tokenizer.agreement import prefix_labels
from components.tokenizer.health import HealthLimits
from components.tokenizer.ids import SemanticIds


class IdsUnrelated(Exception):
    """A refitted tokenizer groups the items it knew as if it had never known them."""


@dataclass(frozen=True, kw_only=True)
class Stability:
    common: int  # items that both versions know
    identical: float  # of them, items with the same codes under the same numbers, collision token aside
    rand: tuple[float, ...]  # adjusted Rand index of the prefixes of one code and of two

    def summary(self) -> str:
        """One line for a person."""
        return (
            f"of {self.common:,} items with an ID before, {self.identical:.0%} keep it, and {self.rand[0]:.0%} of the "
            "grouping by first code stays"
        )

    def metrics(self) -> dict[str, float]:
        """Flat names for a tracker: `stability_common`, `stability_identical`, `stability_rand_1`, …"""
        return {
            "stability_common": float(self.common),
            "stability_identical": self.identical,
            **{f"stability_rand_{depth}": value for depth, value in enumerate(self.rand, start=1)},
        }


def stability(old: SemanticIds, new: SemanticIds) -> Stability | None:
    """Compare two versions on the items of both; None where they share none.

    Whole tuples are not compared as groups: hardly two items share one, so nothing would be left to agree on.
    Versions of another depth have no identical codes.
    """
    common, place, again = np.intersect1d(
        old.item_ids.astype(str), new.item_ids.astype(str), assume_unique=True, return_indices=True
    )
    if not len(common):
        return None
    before, after = old.codes[place, :-1], new.codes[again, :-1]
    same = (before == after).all(axis=1).mean() if before.shape == after.shape else 0.0
    depths = range(1, min(2, old.num_levels, new.num_levels) + 1)
    return Stability(
        common=len(common),
        identical=float(same),
        rand=tuple(adjusted_rand(prefix_labels(before, d), prefix_labels(after, d)) for d in depths),
    )


def check_stability(found: Stability, limits: HealthLimits) -> None:
    """Raises IdsUnrelated below the limit. A few common items prove nothing and are let pass."""
    if found.common >= limits.enough_items and not found.rand[0] >= limits.min_stability:
        raise IdsUnrelated(
            f"of {found.common:,} items with an ID before, the grouping by first code has an adjusted Rand index of "
            f"{found.rand[0]:.3f} with the new one (limit {limits.min_stability:g}; 0 is chance). Look for "
            "content that stands beside the wrong item id, and for encoders that an update changed; to keep the IDs, "
            "retrain with --keep-tokenizer and without --tokenizer; to have new ones all the same, name another one "
            "by --tokenizer"
        )


def adjusted_rand(one: Int[np.ndarray, "item"], other: Int[np.ndarray, "item"]) -> float:
    """(pairs together in both - chance) / (mean of pairs together in each - chance).

    1 where both partitions are trivial, all apart or all together: then they are equal.
    """
    both = sp.coo_array((np.ones(len(one)), (one, other))).tocsr().data
    together = _pairs(both)
    left, right = _pairs(np.bincount(one)), _pairs(np.bincount(other))
    chance = left * right / max(_pairs(np.array([len(one)])), 1)
    span = (left + right) / 2 - chance
    return float((together - chance) / span) if span > 0 else 1.0


def _pairs(sizes: np.ndarray) -> float:
    sizes = sizes.astype(float)
    return float((sizes * (sizes - 1) / 2).sum())
