"""AlphaRec on made-up worlds: what items are tells whose they are where few events do, the graph where that is unknown.

From noise: a spectral start would know the takers' kinds already.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.content_vectors import ContentVectors
from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.new_item_share import NewItemShare, with_share
from tests.recommender.arms.takers_of_a_kind import (
    IS_COLD,
    NAMES,
    content,
    content_neighbours,
    sequences_of,
    share_of_the_kind,
    taken,
)
from tests.recommender.examples import SHORT, SMALL_MIXER, histories_of

ALPHAREC = DenseConfig(
    mixer=replace(SMALL_MIXER, relation_dim=0),
    training=replace(SHORT, epochs=10, start_length=0.0),
    graph=Graph(hops=2),
    content=Content(components=16, hidden=16),
    free_vectors=False,
    temperature=0.15,
)


def trained(told: ContentVectors | None, config: DenseConfig = ALPHAREC, num_users: int = 40) -> DenseArm:
    torch.set_num_threads(1)
    sequences = sequences_of(num_users)
    vocabulary = vocabulary_of(sequences, content=told)
    return train_dense("alpharec", sequences, vocabulary, config, seed=0, content=told)


def test_what_items_are_tells_whose_they_are_where_events_are_few():
    """Half of the items have an event: fewer are right by own vectors, content of no use or the nearest content."""
    by_their_own = replace(ALPHAREC, content=None, temperature=None, free_vectors=True)
    assert share_of_the_kind(trained(content()), ~IS_COLD) > 0.93
    assert content_neighbours(content()) < 0.85
    assert share_of_the_kind(trained(None, by_their_own), ~IS_COLD) < 0.65
    assert share_of_the_kind(trained(content(tells=False)), ~IS_COLD) < 0.35


@pytest.mark.parametrize("hops", [0, 1, 2])
def test_an_item_of_which_nothing_is_known_is_known_by_its_takers(hops):
    """Half of the items have no content: without a hop they are all one, and chance is a sixth."""
    whole, unknown = content(), np.arange(len(NAMES)) % 2 == 0
    told = replace(whole, vectors=whole.vectors * ~unknown[:, None])
    arm = trained(told, replace(ALPHAREC, graph=Graph(hops=hops)), num_users=120)
    right = share_of_the_kind(arm, unknown & ~IS_COLD)
    assert right > 0.9 if hops else right < 0.25


def test_items_without_any_event_are_ranked_by_what_they_are(tmp_path):
    """Chance is a sixth; an item that comes later, or is taken as new, is what one without events would be."""
    arm = trained(content())
    assert share_of_the_kind(arm, IS_COLD) > 0.7
    assert share_of_the_kind(trained(content(tells=False)), IS_COLD) < 0.3
    arm.save(tmp_path)
    loaded = load_arm(tmp_path)
    assert isinstance(loaded, DenseArm)
    torch.testing.assert_close(loaded.vectors, arm.vectors)
    cold, warm = np.flatnonzero(IS_COLD)[3], np.flatnonzero(arm.vocabulary.is_trained)[20]
    grown = loaded.with_content(np.array(["late", "b"], dtype=object), content().of(np.array([cold, warm])))
    row = {item: at for at, item in enumerate(grown.vocabulary.item_ids)}
    torch.testing.assert_close(grown.vectors[row["late"]], arm.vectors[cold])
    for item in NAMES[[cold, warm]]:
        assert torch.equal(grown.vectors[row[item]], loaded.vectors[NAMES.tolist().index(item)])
    as_new = loaded.as_if_new(np.arange(len(NAMES)) == warm).vectors
    torch.testing.assert_close(as_new[warm], grown.vectors[row["b"]])
    assert not torch.allclose(as_new[warm], loaded.vectors[warm], atol=0.01), "it had neighbours"
    others = np.arange(len(NAMES)) != warm
    assert torch.equal(as_new[others], loaded.vectors[others])


def test_new_items_can_be_given_a_share_of_the_places():
    """Of the lists of other users seven in ten are asked for; by themselves those without events have half."""
    arm, sequences = trained(content()), sequences_of(40)
    asked = histories_of(NAMES, taken(200, seed=1)[:, :2].tolist())
    raised = with_share(arm, sequences, NewItemShare(share=0.7))
    is_new = ~arm.vocabulary.is_trained
    assert is_new[arm.recommend(asked, k=10).items].mean() < 0.5
    assert is_new[raised.recommend(asked, k=10).items].mean() == pytest.approx(0.7, abs=0.05)


def test_its_files_tell_nothing_of_who_had_what_and_not_what_items_are(tmp_path):
    arm = trained(content())
    arm.save(tmp_path)
    items = load_arm(tmp_path).network.items
    assert (items.graph, items.content) == (None, None)
    shapes = {name: tuple(tensor.shape) for name, tensor in items.state_dict().items()}
    assert {name: shape for name, shape in shapes.items() if len(NAMES) in shape} == {
        "projected": (240, 16),
        "settled": (240, 16),
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"temperature": None}, "set graph, content and one of temperature"),
        ({"graph": None}, "set graph, content and one of temperature"),
        ({"content": None}, "set graph, content and one of temperature"),
        ({"temperature": 0.0}, r"temperature 0\.0 is above 0"),
        ({"free_vectors": True}, "set free_vectors to False"),
    ],
)
def test_settings_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(ALPHAREC, **wrong)
