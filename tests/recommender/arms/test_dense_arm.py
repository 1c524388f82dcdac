from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arms.dense_arm import DenseArm, train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names, tuples

CONFIG = DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT)


def trained(codes: np.ndarray | None) -> DenseArm:
    """On 20 items with events and one without, `z-cold`."""
    torch.set_num_threads(1)
    made = circling(30, 20, 10, seed=0)
    wider = TrainingSequences(
        item_ids=np.append(made.item_ids, "z-cold"), items=made.items, times=made.times, offsets=made.offsets
    )
    name = "sasrec" if codes is None else "semantic_sasrec"
    return train_dense(name, wider, vocabulary_of(wider, codes), CONFIG, seed=0)


@pytest.mark.parametrize("has_codes", [False, True])
def test_an_item_without_events_is_ranked_by_its_codes_or_not_at_all(has_codes):
    codes = np.concatenate([tuples(20, width=3, seed=0), [[0, 1, 7]]]) if has_codes else None
    arm = trained(codes)
    catalogue = np.append(item_names(20), "z-cold").astype(object)
    ranked = arm.recommend(histories_of(catalogue, [[3, 4], []]), k=21, exclude_seen=False)
    assert (20 in ranked.items[0]) is has_codes
    assert arm.has_vector.tolist() == [True] * 20 + [has_codes]


def test_a_score_is_state_times_vector():
    arm = trained(None)
    ranked = arm.recommend(histories_of(item_names(20), [[3, 4, 5]]), k=20)
    with torch.inference_mode():
        vectors = arm.network.items()
        states = arm.network.states(vectors, torch.tensor([[3, 4, 5]]), torch.tensor([[0, 60, 120]]))
        wanted = (states[0, -1] @ vectors.T).numpy()
    shown = ranked.items[0][:17]
    np.testing.assert_allclose(ranked.scores[0][:17], wanted[shown], rtol=1e-5, atol=1e-6)


def test_a_new_item_is_its_codes():
    arm = trained(np.concatenate([tuples(20, width=3, seed=0), [[0, 1, 7]]]))
    grown = arm.with_ids(np.array(["new"], dtype=object), arm.vocabulary.codes[4:5] + np.array([[0, 0, 1]]))
    place = grown.vocabulary.item_ids.tolist().index("new")
    assert (grown.network.items.free[place] == 0).all()
    assert grown.has_vector[place]
