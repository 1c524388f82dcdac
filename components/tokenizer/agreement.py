"""Does a shared prefix of codes mean similar items? Against the same codes dealt out at random.

Balance is no merit by itself (random codes have it), so every figure stands beside its permutation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from components.tokenizer.modalities import TokenizerInputError

Categories = Sequence[Collection[str]]  # of each item, in the order of its vectors; empty where none is known


@dataclass(frozen=True, kw_only=True)
class Agreement:
    found: float
    permuted: float  # mean over permutations
    z: float  # standard deviations between the two, over permutations; 0 if none could be drawn
    num_items: int  # items that could take part; 0 if no pair could be drawn

    @property
    def lift(self) -> float:
        """Found over permuted; 1 where neither has anything."""
        return self.found / self.permuted if self.permuted > 0 else 1.0


NOTHING = Agreement(found=0.0, permuted=0.0, z=0.0, num_items=0)


def prefix_labels(codes: Int[np.ndarray, "item level"], depth: int) -> Int[np.ndarray, "item"]:
    """One number for each distinct prefix of `depth` codes."""
    _, labels = np.unique(codes[:, :depth], axis=0, return_inverse=True)
    return labels.reshape(-1)


def co_interaction_agreement(
    labels: Int[np.ndarray, "item"],
    edges: Int[np.ndarray, "2 edge"],
    *,
    seed: int,
    num_pairs: int = 20_000,
    num_permutations: int = 30,
) -> Agreement:
    """Of two items of one user, how often the label is shared.

    Pairs are drawn by a random edge, then another item of its user; `edges` are distinct and sorted by user.
    Labels are permuted over the items that have edges, so the popularity of items stays as it is.
    """
    rng = np.random.default_rng(seed)
    users, items = edges
    pairs = _pairs_within(users, num_pairs, rng)
    if pairs is None:
        return NOTHING
    left, right = items[pairs[0]], items[pairs[1]]
    known = np.unique(items)

    def chance() -> float:
        dealt = labels.copy()
        dealt[known] = rng.permutation(labels[known])
        return float((dealt[left] == dealt[right]).mean())

    found = float((labels[left] == labels[right]).mean())
    return _against(found, [chance() for _ in range(num_permutations)], len(known))


def category_agreement(
    labels: Int[np.ndarray, "item"],
    categories: Categories,
    *,
    seed: int,
    num_pairs: int = 20_000,
    num_permutations: int = 30,
) -> Agreement:
    """Mean Jaccard overlap of the categories of two items that share a label.

    Pairs are drawn by a random item that has categories, then another such item of its label. Permuted, the
    labels keep their sizes and the items change places. Raises TokenizerInputError as `check_categories` does.
    """
    check_categories(categories, len(labels))
    rng = np.random.default_rng(seed)
    known = np.array([row for row, own in enumerate(categories) if own], dtype=np.int64)
    by_label = known[np.argsort(labels[known], kind="stable")]
    pairs = _pairs_within(labels[by_label], num_pairs, rng)
    if pairs is None:
        return NOTHING
    left, right = pairs
    holds = _incidence([categories[row] for row in by_label])

    def chance() -> float:
        dealt = rng.permutation(len(by_label))
        return float(_jaccard(holds, dealt[left], dealt[right]).mean())

    found = float(_jaccard(holds, left, right).mean())
    return _against(found, [chance() for _ in range(num_permutations)], len(known))


def check_categories(categories: Categories, num_items: int) -> None:
    """Raises TokenizerInputError where there is not one collection an item, or one is a bare string."""
    if len(categories) != num_items:
        raise TokenizerInputError(
            f"categories are given for {len(categories)} items, there are {num_items}; give one collection an "
            "item, empty where nothing is known"
        )
    bare = next((row for row, own in enumerate(categories) if isinstance(own, str)), None)
    if bare is not None:
        raise TokenizerInputError(
            f"categories of row {bare} are the text {categories[bare]!r}; give a collection of names, split at the bars"
        )


def _pairs_within(
    group: Int[np.ndarray, "row"], num_pairs: int, rng: np.random.Generator
) -> Int[np.ndarray, "2 pair"] | None:
    """Two different rows of one group, the first drawn evenly; `group` ascends. None if all stand alone."""
    start = np.searchsorted(group, group, side="left")
    length = np.searchsorted(group, group, side="right") - start
    eligible = np.flatnonzero(length > 1)
    if not len(eligible):
        return None
    one = rng.choice(eligible, num_pairs)
    # a step of 1 to length - 1 around the group reaches every other row alike, and never the row itself
    step = rng.integers(1, length[one])
    return np.stack([one, start[one] + (one - start[one] + step) % length[one]])


def _incidence(categories: Categories) -> sp.csr_array:
    """[item, category], 1 where the item has it."""
    names = {name: column for column, name in enumerate(sorted({n for own in categories for n in own}))}
    entries = [(row, names[name]) for row, own in enumerate(categories) for name in set(own)]
    row, column = np.array(entries, dtype=np.int64).T
    return sp.csr_array((np.ones(len(entries)), (row, column)), shape=(len(categories), len(names)))


def _jaccard(
    holds: sp.csr_array, left: Int[np.ndarray, "pair"], right: Int[np.ndarray, "pair"]
) -> Float[np.ndarray, "pair"]:
    both = np.asarray(holds[left].multiply(holds[right]).sum(axis=1)).ravel()
    size = np.asarray(holds.sum(axis=1)).ravel()
    # |A or B| is |A| + |B| less what is counted twice
    overlap: Float[np.ndarray, "pair"] = both / (size[left] + size[right] - both)
    return overlap


def _against(found: float, chance: Sequence[float], num_items: int) -> Agreement:
    mean, spread = float(np.mean(chance)), float(np.std(chance))
    z = (found - mean) / spread if spread > 0 else 0.0
    return Agreement(found=found, permuted=mean, z=z, num_items=num_items)
