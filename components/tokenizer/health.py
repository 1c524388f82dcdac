"""Is the codebook alive, and do its codes mean something? Figures, and the gate on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from components.tokenizer.agreement import (
    Agreement,
    Categories,
    category_agreement,
    co_interaction_agreement,
    prefix_labels,
)

_OTHERWISE = (  # what is left where the data is as it should be
    "If the vectors are sound, retrain with --preset default where this was quick, or name another --tokenizer; where "
    "semantic IDs stand already, retrain with --keep-tokenizer and without --tokenizer keeps them"
)


class CodebookCollapsed(Exception):
    """Codes that cannot tell items apart: names the level and what to do.

    In a TokenizerConfig, what helps is a smaller `codebook_size`, `balance` above 0, `kmeans_start`, `revive_dead`
    and `spread_collisions` on, a larger `latent_dim`, or one more level.
    """


class CodesMeaningless(Exception):
    """Codes that tell items apart but say nothing of them: names the figure and what to do."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """Shares lie in [0, 1]; `usage` and `perplexity` hold one figure per level, coarse first.

    They are relative to the codes that a level could use: the codebook size, or the number of distinct vectors
    that reach the level, if that is less. The agreements hold one for the first code, one for the first two.
    """

    num_items: int
    usage: tuple[float, ...]  # codes that at least one item has
    perplexity: tuple[float, ...]  # exp(entropy of the codes); 1 is perfectly even
    collisions: float  # items that share all codes with another, before the collision token
    largest_collision: int  # items in the largest such group; 1 if there is none
    collisions_unspread: float  # the same if every item had kept its nearest codes
    moved: float  # items that were given a free last code because theirs was taken
    reconstruction_error: float  # variance of the item vectors that the codes do not explain
    co_interaction: tuple[Agreement, ...]  # with who used the items
    category: tuple[Agreement, ...] = ()  # with their categories, where those were given

    def summary(self) -> str:
        """One line for a person: the worst level, collisions without and with moving, and what a first code tells."""
        told = [
            f"{min(self.usage):.0%} of codes used, perplexity {min(self.perplexity):.2f}",
            f"{self.collisions:.1%} in collision ({self.collisions_unspread:.1%} before {self.moved:.1%} were moved)",
        ]
        for what, by_depth in (("users", self.co_interaction), ("categories", self.category)):
            if by_depth and by_depth[0].num_items:
                told.append(f"shared {what} x{by_depth[0].lift:.1f} within a first code")
        return ", ".join(told)

    def metrics(self) -> dict[str, float]:
        """Flat names for a tracker: `usage_1`, `perplexity_1`, …, `collisions`, …, `category_2_z`."""
        levels = range(len(self.usage))
        flat = {
            **{f"usage_{level + 1}": self.usage[level] for level in levels},
            **{f"perplexity_{level + 1}": self.perplexity[level] for level in levels},
            "collisions": self.collisions,
            "largest_collision": float(self.largest_collision),
            "collisions_unspread": self.collisions_unspread,
            "moved": self.moved,
            "reconstruction_error": self.reconstruction_error,
        }
        for name, by_depth in (("co_interaction", self.co_interaction), ("category", self.category)):
            for depth, agreement in enumerate(by_depth, start=1):
                flat[f"{name}_{depth}"] = agreement.found
                flat[f"{name}_{depth}_permuted"] = agreement.permuted
                flat[f"{name}_{depth}_z"] = agreement.z
        return flat


@dataclass(frozen=True, kw_only=True)
class HealthLimits:
    """Below these a tokenizer is not worth training on. A good one stands far above them."""

    min_usage: float = 0.7
    min_perplexity: float = 0.4
    max_collisions: float = 0.2
    max_reconstruction_error: float = (
        1.5  # 1 is what the mean of all items tells of each; `quick` stands there
    )
    min_stability: float = 0.05  # adjusted Rand index of first codes with the version before
    min_agreement_z: float = 2.0  # of the better of co-interaction and category, at the first code
    enough_items: int = 200  # fewer prove nothing either way about reconstruction, agreement or stability


def measure_health(
    codes: Int[np.ndarray, "item level"],
    nearest: Int[np.ndarray, "item level"],
    *,
    reachable: Sequence[int],
    num_moved: int,
    unexplained: float,
    edges: Int[np.ndarray, "2 edge"],
    categories: Categories | None,
    seed: int,
) -> Health:
    """Figures of the codes that were given, beside those that every item's `nearest` codes would have.

    `reachable` says how many codes each level could use, `edges` are distinct and sorted by user.
    """
    balance = [
        # codes that moved items took may be more than vectors reach; usage is a share all the same
        usage_and_perplexity(level, max(most, len(np.unique(level))))
        for level, most in zip(codes.T, reachable, strict=True)
    ]
    groups = collision_groups(codes)
    labels = [prefix_labels(codes, depth) for depth in range(1, min(2, codes.shape[1]) + 1)]
    return Health(
        num_items=len(codes),
        usage=tuple(used for used, _ in balance),
        perplexity=tuple(even for _, even in balance),
        collisions=float((groups > 1).mean()),
        largest_collision=int(groups.max()),
        collisions_unspread=float((collision_groups(nearest) > 1).mean()),
        moved=num_moved / len(codes),
        reconstruction_error=unexplained,
        co_interaction=tuple(co_interaction_agreement(label, edges, seed=seed) for label in labels),
        category=tuple(
            category_agreement(label, categories, seed=seed) for label in labels if categories is not None
        ),
    )


def check_health(health: Health, limits: HealthLimits) -> None:
    """Raises CodebookCollapsed for the first level, the collisions, or the reconstruction outside the limits,
    CodesMeaningless where the first code agrees neither with users nor with categories.

    A figure that is not a number is outside every limit. Reconstruction is not asked of a small catalogue, nor
    agreement of one with too few items that have events or categories to show it.
    """
    for level, (usage, perplexity) in enumerate(zip(health.usage, health.perplexity, strict=True), start=1):
        if not (usage >= limits.min_usage and perplexity >= limits.min_perplexity):
            raise CodebookCollapsed(
                f"level {level} of {len(health.usage)}: {usage:.0%} of its codes are used (limit "
                f"{limits.min_usage:.0%}) at normalised perplexity {perplexity:.2f} (limit "
                f"{limits.min_perplexity:.2f}). Look for a modality that is nearly the same for every item (one text, "
                f"one placeholder image), and leave it out of the source. {_OTHERWISE}"
            )
    if not health.collisions <= limits.max_collisions:
        raise CodebookCollapsed(
            f"{health.collisions:.0%} of {health.num_items} items share all codes with another (limit "
            f"{limits.max_collisions:.0%}); the largest group has {health.largest_collision}. "
            "Look for items that stand in the source more than once under different ids, or that have neither content "
            f"nor events; give them content or leave them out. {_OTHERWISE}"
        )
    error = health.reconstruction_error
    if math.isnan(error) or (
        health.num_items >= limits.enough_items and error > limits.max_reconstruction_error
    ):
        raise CodebookCollapsed(
            f"the codes leave {error:.0%} of the variance of the item vectors unexplained "
            f"(limit {limits.max_reconstruction_error:.0%}). Look for a few items whose content is far from all "
            f"others', such as an image or a description of another kind, and correct it. {_OTHERWISE}"
        )
    measured = {
        name: by_depth[0]
        for name, by_depth in (("co-interaction", health.co_interaction), ("category", health.category))
        if by_depth and by_depth[0].num_items >= limits.enough_items
    }
    if measured and not any(one.z >= limits.min_agreement_z for one in measured.values()):
        told = ", ".join(
            f"{name} {one.found:.3f} against {one.permuted:.3f} permuted (z {one.z:.1f})"
            for name, one in measured.items()
        )
        raise CodesMeaningless(
            f"a shared first code does not mean similar items: {told}; the limit is z {limits.min_agreement_z:g} in "
            "one of them. Look in the source for titles, images or categories that stand beside the wrong item id, "
            f"and for content that is noise. {_OTHERWISE}"
        )


def usage_and_perplexity(codes: Int[np.ndarray, "item"], reachable: int) -> tuple[float, float]:
    """Share of the reachable codes in use, and exp(entropy) / reachable; both 1 if every code is as frequent."""
    count = np.bincount(codes)
    # unused codes add 0 to the entropy, but 0 · log 0 is no number
    share = count[count > 0] / count.sum()
    return len(share) / reachable, float(np.exp(-(share * np.log(share)).sum()) / reachable)


def collision_groups(codes: Int[np.ndarray, "item level"]) -> Int[np.ndarray, "item"]:
    """How many items, itself included, have an item's tuple."""
    _, group, count = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return count[group.reshape(-1)]
