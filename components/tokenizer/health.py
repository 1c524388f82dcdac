"""Is the codebook alive, and do its codes mean something? Figures, and the gate on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


class CodebookCollapsed(Exception):
    """Codes that cannot tell items apart: names the level and what to try."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """Shares lie in [0, 1]; tuples hold one figure per level, coarse first.

    Usage and perplexity are relative to the codes that a level could use: the codebook size, or the number
    of distinct vectors that reach the level, if that is less.
    """

    num_items: int
    usage: tuple[float, ...]  # codes that at least one item has
    perplexity: tuple[float, ...]  # exp(entropy of the codes); 1 is perfectly even
    collisions: float  # items that share all codes with another, before the collision token
    largest_collision: int  # items in the largest such group; 1 if there is none
    moved: float  # items that were given a free last code because theirs was taken
    reconstruction_error: float  # variance of the item vectors that the codes do not explain
    co_interaction: float  # of two items of one user, how often the first code is shared
    co_interaction_permuted: float  # the same with the codes dealt out to items at random
    co_interaction_z: (
        float  # standard deviations between the two, over permutations; 0 if none could be drawn
    )

    def metrics(self) -> dict[str, float]:
        """Flat names for a tracker: `usage_1`, `perplexity_1`, …, `collisions`, …"""
        levels = range(len(self.usage))
        return {
            **{f"usage_{level + 1}": self.usage[level] for level in levels},
            **{f"perplexity_{level + 1}": self.perplexity[level] for level in levels},
            "collisions": self.collisions,
            "largest_collision": float(self.largest_collision),
            "moved": self.moved,
            "reconstruction_error": self.reconstruction_error,
            "co_interaction": self.co_interaction,
            "co_interaction_permuted": self.co_interaction_permuted,
            "co_interaction_z": self.co_interaction_z,
        }


@dataclass(frozen=True, kw_only=True)
class HealthLimits:
    """Below these a tokenizer is not worth training on. A good one stands far above them."""

    min_usage: float = 0.7
    min_perplexity: float = 0.4
    max_collisions: float = 0.2


def check_health(health: Health, limits: HealthLimits) -> None:
    """Raises CodebookCollapsed for the first level, or the collisions, outside the limits."""
    for level, (usage, perplexity) in enumerate(zip(health.usage, health.perplexity, strict=True), start=1):
        if usage < limits.min_usage or perplexity < limits.min_perplexity:
            raise CodebookCollapsed(
                f"level {level} of {len(health.usage)}: {usage:.0%} of its codes are used (limit "
                f"{limits.min_usage:.0%}) at normalised perplexity {perplexity:.2f} (limit "
                f"{limits.min_perplexity:.2f}). Try a smaller codebook_size, balance above 0, kmeans_start and "
                "revive_dead on, a larger latent_dim, or look for a modality whose vectors are all alike"
            )
    if health.collisions > limits.max_collisions:
        raise CodebookCollapsed(
            f"{health.collisions:.0%} of {health.num_items} items share all codes with another (limit "
            f"{limits.max_collisions:.0%}); the largest group has {health.largest_collision}. Try "
            "spread_collisions, a larger codebook_size, one more level, or look for items without any vector"
        )


def usage_and_perplexity(codes: Int[np.ndarray, "item"], reachable: int) -> tuple[float, float]:
    """Share of the reachable codes in use, and exp(entropy) / reachable; both 1 if every code is as frequent."""
    count = np.bincount(codes)
    share = count[count > 0] / count.sum()
    return len(share) / reachable, float(np.exp(-(share * np.log(share)).sum()) / reachable)


def collision_groups(codes: Int[np.ndarray, "item level"]) -> Int[np.ndarray, "item"]:
    """How many items, itself included, have an item's tuple."""
    _, group, count = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return count[group.reshape(-1)]


def co_interaction_agreement(
    first_codes: Int[np.ndarray, "item"],
    edges: Int[np.ndarray, "2 edge"],
    *,
    seed: int,
    num_pairs: int = 20_000,
    num_permutations: int = 30,
) -> tuple[float, float, float]:
    """(share of one user's item pairs with one first code, the same under permutation, z between them).

    Pairs are drawn by a random edge, then another item of its user; `edges` are distinct and sorted by user.
    Codes are permuted over the items that have edges, so the popularity of items stays as it is. Zeros where
    no user has two items or all codes are equal.
    """
    rng = np.random.default_rng(seed)
    users, items = edges
    start = np.searchsorted(users, users, side="left")
    length = np.searchsorted(users, users, side="right") - start
    eligible = np.flatnonzero(length > 1)
    if not len(eligible):
        return 0.0, 0.0, 0.0
    one = rng.choice(eligible, num_pairs)
    step = rng.integers(1, length[one])
    other = start[one] + (one - start[one] + step) % length[one]
    left, right = items[one], items[other]
    found = float((first_codes[left] == first_codes[right]).mean())
    known = np.unique(items)
    chance = []
    for _ in range(num_permutations):
        dealt = first_codes.copy()
        dealt[known] = rng.permutation(first_codes[known])
        chance.append((dealt[left] == dealt[right]).mean())
    spread = float(np.std(chance))
    return found, float(np.mean(chance)), (found - float(np.mean(chance))) / spread if spread > 0 else 0.0
