from dataclasses import replace

import numpy as np
import pytest

from components.recommender.arms.ease import EASEConfig, fit_ease
from components.recommender.loading import load_arm
from components.recommender.sequences import TrainingSequences
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import circling, histories_of


def test_weights_solve_the_constrained_least_squares():
    """Against Steck's equation 8, by an ordinary inverse."""
    sequences = circling(25, 12, 6, seed=1)
    arm = fit_ease(sequences, EASEConfig(regularization=2.0))
    has = np.zeros((sequences.num_users, 12))
    has[sequences.user_of_event(), sequences.items] = 1
    inverse = np.linalg.inv(has.T @ has + 2.0 * np.eye(12))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(arm.weights, expected, atol=1e-4)


def test_worked_example():
    """Two users have (a, b), one has c alone; lambda 1.

    G of a, b is [[3, 2], [2, 3]], its inverse [[3, -2], [-2, 3]] / 5.
    So the weight between a and b is -(-2/5) / (3/5) = 2/3, and c has none.
    """
    arm = fit_ease(
        TrainingSequences.from_lists([["a", "b"], ["b", "a"], ["c"]]), EASEConfig(regularization=1.0)
    )
    np.testing.assert_allclose(arm.weights, [[0, 2 / 3, 0], [2 / 3, 0, 0], [0, 0, 0]], atol=1e-6)
    ranked = arm.recommend(histories_of(arm.item_ids, [[0], [0, 0]]), k=1)
    assert ranked.items.tolist() == [[1], [1]]
    np.testing.assert_allclose(ranked.scores, 2 / 3, atol=1e-6)  # an item twice in a history counts once


def test_files_that_do_not_belong_together(tmp_path):
    fit_ease(circling(9, 6, 4, seed=0), EASEConfig()).save(tmp_path / "six")
    fit_ease(circling(9, 5, 4, seed=0), EASEConfig()).save(tmp_path / "five")
    (tmp_path / "six" / "item_ids.parquet").replace(tmp_path / "five" / "item_ids.parquet")
    with pytest.raises(CheckpointMismatch, match=r"weights are \(5, 5\) for 6 items"):
        load_arm(tmp_path / "five")


def test_regularization_is_checked():
    with pytest.raises(ValueError, match="regularization is 0; it is above 0"):
        EASEConfig(regularization=0)


def test_weighted_it_solves_the_constrained_least_squares_towards_the_weights():
    """Column by column, by brute force: least squares over all other items' columns, ridge as rows below them.

    Twelve steps around nine items: some are taken twice, at different weights.
    """
    plain = circling(25, 9, 12, seed=1)
    drawn = np.random.default_rng(0).choice([0.0, 0.2, 1.0, 3.0], len(plain.items)).astype(np.float32)
    sequences = replace(plain, weights=drawn)
    arm = fit_ease(sequences, EASEConfig(regularization=2.0))
    has, wanted = np.zeros((25, 9)), np.zeros((25, 9))
    for user, item, weight in zip(sequences.user_of_event(), sequences.items, drawn, strict=True):
        has[user, item], wanted[user, item] = 1, max(wanted[user, item], weight)
    for item in range(9):
        others = [one for one in range(9) if one != item]
        rows = np.vstack([has[:, others], np.sqrt(2.0) * np.eye(8)])
        solved = np.linalg.lstsq(rows, np.concatenate([wanted[:, item], np.zeros(8)]), rcond=None)[0]
        np.testing.assert_allclose(arm.weights[others, item], solved, atol=1e-4)
    assert not np.diag(arm.weights).any()


def test_weights_of_1_solve_what_none_solve():
    plain = circling(25, 9, 6, seed=1)
    ones = replace(plain, weights=np.ones(len(plain.items), dtype=np.float32))
    found, wanted = (fit_ease(one, EASEConfig()).weights for one in (ones, plain))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_older_events_fade_and_an_item_counts_once_by_its_latest():
    sequences = TrainingSequences.from_lists([["a", "b"], ["b", "c"], ["a", "c"], ["a", "b", "c"]])
    whole = fit_ease(sequences, EASEConfig(regularization=2.0))
    faded = fit_ease(sequences, EASEConfig(regularization=2.0, fading=0.5))
    np.testing.assert_array_equal(faded.weights, whole.weights)
    catalogue = np.array(["a", "b", "c", "unknown"], dtype=object)
    asked = histories_of(catalogue, [[0, 1, 0], [1, 3], [3, 1, 1], []])
    of = {item: faded.weights[list(faded.item_ids).index(item)] for item in "abc"}
    expected = [of["a"] + 0.5 * of["b"], 0.5 * of["b"], of["b"], 0 * of["b"]]
    np.testing.assert_allclose(faded.scores(asked, np.arange(4)), expected, rtol=1e-6)
    np.testing.assert_allclose(whole.scores(asked, np.arange(2)), [of["a"] + of["b"], of["b"]], rtol=1e-6)


def test_an_item_it_does_not_know_takes_none_from_the_request_before():
    """Once an unknown item stood, by its number, for the last item of the request before it."""
    sequences = TrainingSequences.from_lists([["a", "b"], ["b", "c"], ["a", "c"], ["a", "b", "c"]])
    arm = fit_ease(sequences, EASEConfig(regularization=2.0))
    last = arm.weights[2]
    catalogue = np.array([*arm.item_ids, "unknown"], dtype=object)
    scores = arm.scores(histories_of(catalogue, [[2], [3], [2], [3, 3]]), np.arange(4))
    np.testing.assert_array_equal(scores, [last, 0 * last, last, 0 * last])


def test_who_has_moved_on_is_followed_where_older_events_fade():
    """Two worlds of items; histories begin with six of the one and end with two of the other, where they go on."""
    rng = np.random.default_rng(0)
    worlds = [[f"{world}{n}" for n in range(12)] for world in "xy"]
    stayed = [list(rng.choice(worlds[at % 2], 5, replace=False)) for at in range(200)]
    sequences = TrainingSequences.from_lists(stayed)
    catalogue = np.array(worlds[0] + worlds[1], dtype=object)
    moved = [[*rng.choice(12, 6, replace=False), *(12 + rng.choice(12, 2, replace=False))] for _ in range(50)]
    asked = histories_of(catalogue, moved)

    def share_in_the_new_world(fading: float) -> float:
        arm = fit_ease(sequences, EASEConfig(regularization=10.0, fading=fading))
        return float((arm.recommend(asked, k=5).items >= 12).mean())

    assert share_in_the_new_world(1.0) < 0.2
    assert share_in_the_new_world(0.5) > 0.9
