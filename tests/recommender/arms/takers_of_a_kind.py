"""A made-up world of few events: what items are tells who takes them, under a look that tells nothing.

Items are of six kinds, and a user takes items of one. A vector tells the kind, beside a look three times as long. Some
items have no event at all.
"""

from __future__ import annotations

import numpy as np

from components.content_vectors import ContentVectors
from components.recommender.arm import Arm
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import histories_of, item_names

KINDS, SIZE, COLD = 6, 40, 8  # of each kind's items the last have no event
NAMES = item_names(KINDS * SIZE)
KIND, IS_COLD = np.arange(KINDS * SIZE) // SIZE, np.arange(KINDS * SIZE) % SIZE >= SIZE - COLD


def taken(num_users: int, seed: int) -> np.ndarray:
    """[user, 3] items of one kind each, among those that have events."""
    rng = np.random.default_rng(seed)
    within = rng.permuted(np.tile(np.arange(SIZE - COLD), (num_users, 1)), axis=1)[:, :3]
    return SIZE * rng.integers(0, KINDS, (num_users, 1)) + within


def content(*, tells: bool = True) -> ContentVectors:
    """Which kind an item is of, or, of no use, of which kind another one is."""
    rng = np.random.default_rng(5)
    kinds = KIND if tells else rng.permutation(KIND)
    looks = 3 * rng.standard_normal((KINDS, 20))[rng.integers(0, KINDS, len(NAMES))]
    vectors = rng.standard_normal((KINDS, 20))[kinds] + looks + 0.3 * rng.standard_normal((len(NAMES), 20))
    return ContentVectors(vectors=vectors.astype(np.float32), space="text=made/20")


def sequences_of(num_users: int) -> TrainingSequences:
    return TrainingSequences.from_lists(NAMES[taken(num_users, seed=0)].tolist(), item_ids=NAMES)


def share_of_the_kind(arm: Arm, among: np.ndarray) -> float:
    """Of five of these items for who has two of a kind, how many are of the kind."""
    asked = taken(100, seed=1)[:, :2]
    ranked = arm.recommend(histories_of(NAMES, asked.tolist()), k=5, candidates=among)
    assert (ranked.items >= 0).all()
    return float(np.mean(KIND[ranked.items] == KIND[asked[:, :1]]))


def content_neighbours(told: ContentVectors) -> float:
    """The same, of the items whose content is nearest to that of the two."""
    asked = taken(100, seed=1)[:, :2]
    unit = told.vectors / np.linalg.norm(told.vectors, axis=1, keepdims=True)
    scores = unit[asked].mean(axis=1) @ unit.T
    np.put_along_axis(scores, asked, -np.inf, axis=1)
    scores[:, IS_COLD] = -np.inf
    return float(np.mean(KIND[np.argsort(-scores, axis=1)[:, :5]] == KIND[asked[:, :1]]))
