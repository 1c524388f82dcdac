"""RLMRec on a made-up world of few events: an item is near what it is, so that its few takers need not tell.

From noise: a spectral start would know the takers' kinds already.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from components.content_vectors import ContentVectors
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.aligned_network import Alignment
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from tests.recommender.arms.takers_of_a_kind import IS_COLD, NAMES, content, sequences_of, share_of_the_kind
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of

RLMREC = DenseConfig(
    mixer=replace(SMALL_MIXER, relation_dim=0),
    training=replace(SHORT, epochs=10, start_length=0.0),
    graph=Graph(hops=1),
    content=Content(components=16, hidden=16),
    alignment=Alignment(weight=1.0),
)


def trained(told: ContentVectors, weight: float = 1.0) -> DenseArm:
    torch.set_num_threads(1)
    sequences = sequences_of(60)
    config, vocabulary = (
        replace(RLMREC, alignment=Alignment(weight=weight)),
        vocabulary_of(sequences, content=told),
    )
    return train_dense("rlmrec", sequences, vocabulary, config, seed=0, content=told)


def test_items_with_few_events_are_placed_by_what_they_are():
    """Three of four have any event: without alignment, or with content of no use, fewer are right."""
    shares = [share_of_the_kind(trained(content(), weight), ~IS_COLD) for weight in (0.0, 0.01, 1.0)]
    assert shares[0] < 0.7
    assert shares[1] > shares[0] + 0.1, "the published weight does it too"
    assert shares[2] > 0.93
    assert share_of_the_kind(trained(content(tells=False)), ~IS_COLD) < 0.35


def test_items_without_any_event_are_where_the_map_puts_them(tmp_path):
    """Chance is a sixth, which is what a map that was not drawn to the items gives; a later item stands there too."""
    arm = trained(content())
    assert share_of_the_kind(arm, IS_COLD) > 0.7
    assert share_of_the_kind(trained(content(), 0.0), IS_COLD) < 0.3
    arm.save(tmp_path)
    loaded = load_arm(tmp_path)
    assert isinstance(loaded, DenseArm)
    torch.testing.assert_close(loaded.vectors, arm.vectors)
    cold, warm = np.flatnonzero(IS_COLD)[3], np.flatnonzero(arm.vocabulary.is_trained)[20]
    grown = loaded.with_content(np.array(["late", "b"], dtype=object), content().of(np.array([cold, warm])))
    row = {item: at for at, item in enumerate(grown.vocabulary.item_ids)}
    torch.testing.assert_close(grown.vectors[row["late"]], arm.vectors[cold])
    as_new = loaded.as_if_new(np.arange(len(NAMES)) == warm)
    similarity = F.cosine_similarity(as_new.vectors[warm], grown.vectors[row["b"]], dim=0)
    torch.testing.assert_close(similarity, torch.ones(()))
    assert F.cosine_similarity(as_new.vectors[warm], loaded.vectors[warm], dim=0) < 0.99


def test_a_history_of_later_items_is_read():
    """Somebody who took one alone is asked for what is like it."""
    arm = trained(content())
    cold = np.flatnonzero(IS_COLD)[3]
    grown = arm.with_content(np.array(["late"], dtype=object), content().of(np.array([cold])))
    catalogue = np.append(NAMES, "late").astype(object)
    asked = histories_of(catalogue, [[int(cold)], [len(NAMES)], []])
    scores = grown.recommend(asked, k=5, candidates=np.arange(241) < 32).scores
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4)
    assert not np.allclose(scores[0], scores[2], rtol=0.05)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"graph": None}, "set graph, content and one of temperature and alignment"),
        ({"content": None}, "set graph, content and one of temperature and alignment"),
        ({"temperature": 0.2}, "set graph, content and one of temperature and alignment"),
        ({"graph": None, "content": None, "temperature": 0.2}, "set graph, content and one of temperature"),
        ({"free_vectors": False}, "set free_vectors to True"),
    ],
)
def test_settings_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(RLMREC, **wrong)


def test_an_alignment_that_makes_no_sense_is_refused():
    for wrong in ({"weight": -0.1}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="is 0 or more, its temperature"):
            Alignment(**wrong)
