"""Repeats that activation foretells and a transformer alone does not, and the arithmetic of the sum."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from components.recommender.arm import Histories
from components.recommender.arms.pisa import PisaArm, PisaConfig, train_pisa
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.loading import load_arm
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, circling, histories_of, item_names

ITEMS = 200
CONFIG = PisaConfig(mixer=replace(SMALL_MIXER, relation_dim=0), training=SHORT)


def trained(sequences: TrainingSequences) -> PisaArm:
    torch.set_num_threads(1)
    return train_pisa(sequences, vocabulary_of(sequences), CONFIG, seed=0)


def favourites(num_users: int, seed: int) -> np.ndarray:
    """[user, 22] items: a favourite six times among six others, another four times among five, and that once more.

    Others are taken once; one of them is the last before the end.
    """
    rng = np.random.default_rng(seed)
    own = rng.permuted(np.tile(np.arange(ITEMS), (num_users, 1)), axis=1)
    former, latter, others = own[:, :1], own[:, 1:2], own[:, 2:13]
    before = rng.permuted(np.hstack([np.repeat(former, 6, axis=1), others[:, :6]]), axis=1)
    after = rng.permuted(np.hstack([np.repeat(latter, 4, axis=1), others[:, 6:10]]), axis=1)
    return np.hstack([before, after, others[:, 10:], latter])


def test_what_was_taken_often_and_lately_comes_back():
    """A month lies between the favourites: counts alone name the former, the latest alone what was taken once.

    With neither a memory nor many events of an item, a transformer does not find the latter either.
    """
    names, hours = item_names(ITEMS), 3600 * (np.arange(22) + 720 * (np.arange(22) >= 12))
    taken = favourites(150, seed=0)
    arm = trained(TrainingSequences.from_lists(names[taken].tolist(), [hours.tolist()] * 150, item_ids=names))
    asked = favourites(300, seed=1)
    start = 22 * np.arange(300)
    histories = Histories(
        catalogue=names, items=asked.ravel(), times=np.tile(hours, 300), start=start, end=start + 21
    )

    def share_found(one: PisaArm) -> float:
        first = one.recommend(histories, k=1, exclude_seen=False).items[:, 0]
        return float((first == asked[:, -1]).mean())

    def with_memory(weight: float, decay: float) -> float:
        return share_found(arm.remembering(activation_weight=weight, decay=decay))

    assert with_memory(6.0, 0.5) >= 0.9
    assert with_memory(0.0, 0.5) <= 0.3
    assert with_memory(6.0, 0.0) <= 0.6  # how often
    assert with_memory(6.0, 3.0) <= 0.1  # how lately


def test_worked_example():
    """a an hour and four ago beside one now: 1 + 1/2 + 1/√5 by d = 1/2; b three hours ago: 1/√4."""
    arm = trained(TrainingSequences.from_lists([["a", "b"], ["b", "c"], ["c", "a"]]))
    hours = np.array([0, 1, 3, 4])  # a, b, a, a
    histories = Histories(
        catalogue=arm.vocabulary.item_ids,
        items=np.array([0, 1, 0, 0]),
        times=3600 * hours,
        start=np.array([0, 4]),
        end=np.array([4, 4]),
    )

    def scores(one: PisaArm) -> np.ndarray:
        ranked = one.recommend(histories, k=3, exclude_seen=False)
        return np.take_along_axis(ranked.scores, ranked.items.argsort(axis=1), axis=1)

    gained = scores(arm.remembering(activation_weight=0.7)) - scores(arm.remembering(activation_weight=0.0))
    a, b = 1 + 2**-0.5 + 5**-0.5, 4**-0.5
    wanted = [[0.7 * np.log1p(a / 0.01), 0.7 * np.log1p(b / 0.01), 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(gained, wanted, atol=1e-5)


def test_where_seen_items_are_left_out_it_is_sasrec(tmp_path):
    arm = trained(circling(30, 20, 10, seed=0))
    asked = histories_of(item_names(20), [[3, 4, 3], [], [9]])
    wanted = arm.dense.recommend(asked, k=8)
    np.testing.assert_array_equal(arm.recommend(asked, k=8).scores, wanted.scores)
    repeats = [one.recommend(asked, k=8, exclude_seen=False).scores for one in (arm, arm.dense)]
    assert (repeats[0][0] != repeats[1][0]).any()
    arm.remembering(decay=0.9).save(tmp_path)
    assert load_arm(tmp_path).config == replace(CONFIG, decay=0.9)


def test_settings_are_checked():
    with pytest.raises(ValueError, match=r"activation_weight is -1\.0, decay 0\.5; neither is below 0"):
        PisaConfig(activation_weight=-1.0)
