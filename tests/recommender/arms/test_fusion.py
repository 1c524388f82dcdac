"""Fusion on a world that neither part can read alone, and the arithmetic of its sum."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from components.recommender.arms.fusion import FusionArm, FusionConfig, checkpoint_of, train_fusion
from components.recommender.loading import load_arm
from components.recommender.networks.cloze_network import Cloze
from components.recommender.networks.content_items import Content
from components.recommender.networks.graph_network import Graph
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names, tuples

CONFIG = FusionConfig(
    mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT, num_members=2, regularization=1.0
)
CODES = tuples(20, width=3, seed=0)
LISTS = [[3, 4, 5], [9], [], list(range(12))]
PLACES = 10


def trained(**changes) -> FusionArm:
    torch.set_num_threads(1)
    return train_fusion(circling(40, 20, 10, seed=0), CODES, replace(CONFIG, **changes), seed=0)


def test_what_order_and_set_tell_apart_is_found_together():
    """A sign of one of two groups, all ten places in a circle from a drawn start, then the prize of place and group.

    A network of a window of eight knows the place and never reads the sign; a set holds the sign and every place.
    So the network can be right half of the time, EASE a tenth, and both together always.
    """
    torch.set_num_threads(1)
    place = [f"place {at}" for at in range(PLACES)]

    def walk(start: int, group: int) -> list[str]:
        return [f"sign {group}", *place[start:], *place[:start]]

    draw = np.random.default_rng(0)
    users = [(int(draw.integers(PLACES)), int(draw.integers(2))) for _ in range(200)]
    lists = [[*walk(start, group), f"prize {start} {group}"] for start, group in users]
    sequences = TrainingSequences.from_lists(lists, [list(range(len(one))) for one in lists])
    config = replace(CONFIG, num_members=1, training=replace(SHORT, epochs=20))
    arm = train_fusion(sequences, tuples(sequences.num_items, width=4, seed=0), config, seed=0)
    at = {item: row for row, item in enumerate(sequences.item_ids)}
    every = [(start, group) for start in range(PLACES) for group in range(2)]
    asked = histories_of(sequences.item_ids, [[at[item] for item in walk(*one)] for one in every])
    prizes = np.array([at[f"prize {start} {group}"] for start, group in every])

    def right(one) -> float:
        return float((one.recommend(asked, k=1).items[:, 0] == prizes).mean())

    assert right(arm) == 1.0
    assert right(arm.members[0]) <= 0.6
    assert right(arm.linear) <= 0.2


def test_its_score_is_the_sum_that_it_says():
    """Mean of the members' scores, and .7 of the logarithm of EASE's, of all items."""
    arm = trained(linear_weight=0.7)
    asked = histories_of(item_names(20), LISTS)

    def all_scores(one) -> np.ndarray:
        ranked = one.recommend(asked, k=20, exclude_seen=False)
        return np.take_along_axis(ranked.scores, ranked.items.argsort(axis=1), axis=1)

    linear = np.maximum(all_scores(arm.linear), 0)
    assert (linear[2] == 0).all()  # of the empty history
    wanted = sum(map(all_scores, arm.members)) / 2 + 0.7 * np.log(linear + 0.003)
    np.testing.assert_allclose(all_scores(arm), wanted, atol=1e-5)
    np.testing.assert_allclose(
        all_scores(arm.weighing(0.0)), sum(map(all_scores, arm.members)) / 2, atol=1e-5
    )


def test_members_differ_by_seed_and_the_first_is_the_control():
    first, second = trained().members
    asked = histories_of(item_names(20), LISTS)
    assert not np.array_equal(first.recommend(asked, k=20).items, second.recommend(asked, k=20).items)
    alone = train_fusion(circling(40, 20, 10, seed=0), CODES, replace(CONFIG, num_members=1), seed=1)
    np.testing.assert_array_equal(
        alone.members[0].recommend(asked, k=20).scores, second.recommend(asked, k=20).scores
    )


def test_a_new_item_is_its_codes_and_shares_nothing():
    arm = trained()
    grown = arm.with_ids(np.array(["new"], dtype=object), np.array([[0, 1, 7]]))
    asked = histories_of(np.append(item_names(20), "new"), LISTS)
    only_new = np.arange(21) == 20
    found = grown.recommend(asked, k=1, candidates=only_new)
    assert (found.items == 20).all()
    of_members = [one.recommend(asked, k=1, candidates=only_new).scores for one in grown.members]
    np.testing.assert_allclose(found.scores, sum(of_members) / 2 + np.log(0.003), atol=1e-5)


class Killed(Exception):
    pass


def test_a_training_that_was_cut_off_trains_no_member_twice(tmp_path):
    """Struck in the second member's second epoch: its first epoch and the first member are not trained again."""
    torch.set_num_threads(1)
    checkpoint, told = tmp_path / "fusion.pt", []

    def strike(step):
        if step.step == step.num_steps:
            raise Killed

    def train(on_step) -> FusionArm:
        return train_fusion(
            circling(40, 20, 10, seed=0), CODES, CONFIG, seed=0, on_step=on_step, checkpoint=checkpoint
        )

    with pytest.raises(Killed):
        train(strike)
    assert checkpoint.exists()
    assert checkpoint_of(checkpoint, 1).exists()
    again = train(told.append)
    steps = told[-1].num_steps // 4  # of an epoch
    assert [step.step for step in told] == list(range(3 * steps + 1, 4 * steps + 1))
    asked = histories_of(item_names(20), LISTS)
    np.testing.assert_array_equal(
        again.recommend(asked, k=20).scores, trained().recommend(asked, k=20).scores
    )


def test_steps_are_told_as_of_one_training():
    told = []
    torch.set_num_threads(1)
    train_fusion(circling(40, 20, 10, seed=0), CODES, CONFIG, seed=0, on_step=told.append)
    assert [step.step for step in told] == list(range(1, told[0].num_steps + 1))
    assert {step.num_steps for step in told} == {len(told)}


def test_its_weights_come_back_as_one_set(tmp_path: Path):
    """One file of weights, one of items: the linear model's ids are those of trained items."""
    arm = trained()
    grown = arm.with_ids(np.array(["a new one"], dtype=object), np.array([[0, 1, 7]]))
    grown.save(tmp_path)
    loaded = load_arm(tmp_path)
    assert isinstance(loaded, FusionArm)
    assert loaded.config == arm.config
    np.testing.assert_array_equal(loaded.linear.item_ids, arm.linear.item_ids)
    asked = histories_of(np.append(item_names(20), "a new one"), LISTS)
    np.testing.assert_array_equal(loaded.recommend(asked, k=9).scores, grown.recommend(asked, k=9).scores)


@pytest.mark.parametrize("change", [{"num_members": 0}, {"linear_weight": -0.1}])
def test_a_config_that_cannot_be_is_refused(change):
    with pytest.raises(ValueError, match="at least one network is needed, and a weight that is not negative"):
        replace(CONFIG, **change)


def test_what_a_dense_config_refuses_is_refused_and_so_is_a_member_trained_by_gaps():
    with pytest.raises(ValueError, match="set num_negatives"):
        replace(CONFIG, loss="gbce")
    both_sides = replace(CONFIG.mixer, bidirectional=True)
    with pytest.raises(ValueError, match="cloze, graph, content and reasoning are None"):
        replace(CONFIG, mixer=both_sides, cloze=Cloze())
    with pytest.raises(ValueError, match="cloze, graph, content and reasoning are None"):
        replace(CONFIG, content=Content())
    with pytest.raises(ValueError, match="cloze, graph, content and reasoning are None"):
        replace(CONFIG, graph=Graph())
    with pytest.raises(ValueError, match="cloze, graph, content and reasoning are None"):
        replace(CONFIG, reasoning=Reasoning())
