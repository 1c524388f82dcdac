"""Arms that read what items are, on a made-up world where that tells what comes next, and few events do.

From noise, as published: a spectral start of sixty users knows every item by its takers, and vectors of their own are
then learned by heart.

Items are of six kinds, and a vector tells which, under noise. Everybody takes an item of a kind, then one of the next
kind, and so on; which item of the kind is drawn. Some items have no event at all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.content_vectors import ContentVectors
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig, DenseName
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.content_items import Content
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of, item_names

KINDS, SIZE, COLD = 6, 40, 8  # of each kind's items the last have no event
NAMES = item_names(KINDS * SIZE)
KIND, IS_COLD = np.arange(KINDS * SIZE) // SIZE, np.arange(KINDS * SIZE) % SIZE >= SIZE - COLD
READS = ["hstu_text", "m2trec"]


def walks(num_users: int, seed: int) -> np.ndarray:
    """[user, 6] items that have events, of one kind after the other."""
    rng = np.random.default_rng(seed)
    kinds = (rng.integers(0, KINDS, (num_users, 1)) + np.arange(6)) % KINDS
    return SIZE * kinds + rng.integers(0, SIZE - COLD, kinds.shape)


def content(*, tells: bool = True) -> ContentVectors:
    """Which kind an item is of, or, of no use, of which kind another one is."""
    rng = np.random.default_rng(5)
    middles = rng.standard_normal((KINDS, 20))
    kinds = KIND if tells else rng.permutation(KIND)
    vectors = middles[kinds] + 0.5 * rng.standard_normal((len(NAMES), 20))
    return ContentVectors(vectors=vectors.astype(np.float32), space="text=made/20")


def trained(name: DenseName, told: ContentVectors | None) -> DenseArm:
    torch.set_num_threads(1)
    sequences = TrainingSequences.from_lists(NAMES[walks(60, seed=0)].tolist(), item_ids=NAMES)
    block = {"block": "hstu", "time_gaps": True} if name != "m2trec" else {}
    config = DenseConfig(
        mixer=replace(SMALL_MIXER, relation_dim=0, **block),
        training=replace(SHORT, epochs=10, start_length=0.0),
        content=told and Content(components=12, hidden=16 if name == "m2trec" else 0),
        free_vectors=name != "m2trec",
    )
    vocabulary = vocabulary_of(sequences, content=told)
    return train_dense(name, sequences, vocabulary, config, seed=0, content=told)


def share_of_the_next_kind(arm: DenseArm, among: np.ndarray) -> float:
    """Of ten of these items for who has taken five, how many are of the kind that comes next."""
    asked = walks(100, seed=1)[:, :5]
    ranked = arm.recommend(histories_of(NAMES, asked.tolist()), k=10, candidates=among)
    assert (ranked.items >= 0).all()
    return float(np.mean(KIND[ranked.items] == (KIND[asked[:, -1:]] + 1) % KINDS))


@pytest.mark.parametrize("name", READS)
def test_what_items_are_tells_the_next_where_events_are_few(name):
    """Of items with two events each: far more are right than without content, and than by content of no use."""
    with_it, of_no_use, without = (
        share_of_the_next_kind(trained(one, told), ~IS_COLD)
        for one, told in ((name, content()), (name, content(tells=False)), ("hstu", None))
    )
    assert with_it > 0.9
    assert max(of_no_use, without) < 0.35


@pytest.mark.parametrize("name", READS)
def test_items_without_any_event_are_ranked_by_what_they_are(name, tmp_path):
    """Chance is a sixth, and that is what content of no use gives; told of later, they stand where they stood."""
    arm, of_no_use = (trained(name, content(tells=tells)) for tells in (True, False))
    assert share_of_the_next_kind(arm, IS_COLD) > 0.7  # of 8 items of a kind ten places hold .8
    assert share_of_the_next_kind(of_no_use, IS_COLD) < 0.3
    arm.save(tmp_path)
    loaded = load_arm(tmp_path)
    assert isinstance(loaded, DenseArm)
    late = np.array(["late", "b"], dtype=object)
    grown = loaded.with_content(late, content().of(np.array([7, 50])))
    row = {item: at for at, item in enumerate(grown.vocabulary.item_ids)}
    twins = torch.stack([grown.network.items.projected[row[item]] for item in ("late", "b")])
    torch.testing.assert_close(twins, arm.network.items.projected[[7, 50]], atol=1e-5, rtol=1e-4)
    assert not grown.network.items.free[row["late"]].any() if name == "hstu_text" else True
    told = grown.with_content(np.array([NAMES[0]], dtype=object), content().of(np.array([9])))
    assert torch.equal(told.vectors, grown.vectors), "a known item stays what it is"
