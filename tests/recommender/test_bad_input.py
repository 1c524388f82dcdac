"""Histories at the edge of what can come: one item, one user, one event, a hundred thousand; every challenger."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from components.recommender.arms.ease import EASEConfig, fit_ease
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.loading import load_arm
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.recommender.sequences import TrainingSequences
from components.recommender.train_arm import train_arm
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import (
    SHORT,
    SMALL,
    SMALL_MIXER,
    SMALL_TIGER,
    circling,
    content_of,
    histories_of,
    item_names,
    tuples,
)

SIZES = [16, 16, 8]  # tables of a tokenizer whose codebook is larger than the catalogues here


@pytest.mark.parametrize("name", get_args(ArmName))
@pytest.mark.parametrize(
    "lists",
    [[["a"]], [["a", "b"]], [["a"], ["b"], ["c"]]],
    ids=["one item, one user, one event", "one user", "users of one event"],
)
def test_tiny_worlds(name, lists):
    """Trains; everybody who has not seen it all gets a list, and an item that is alone is certain."""
    torch.set_num_threads(1)
    sequences = TrainingSequences.from_lists(lists)
    codes = np.stack([np.arange(sequences.num_items), *np.zeros((2, sequences.num_items), dtype=int)], axis=1)
    times = [list(range(len(one))) for one in lists]
    arm = train_arm(
        name, lists, times, sequences.item_ids, codes, SIZES, preset="quick", seed=0,
        content=content_of(sequences.item_ids),
    )  # fmt: skip
    ranked = arm.recommend(histories_of(sequences.item_ids, [[], [0]]), k=3)
    assert set(ranked.items[0]) - {-1} == set(range(sequences.num_items))
    assert set(ranked.items[1]) - {-1} == set(range(1, sequences.num_items))
    assert np.isfinite(ranked.scores[ranked.items >= 0]).all()


def test_a_user_of_a_hundred_thousand_events():
    """Beside one of three events and one of one: trained in pieces, read by the latest, nothing seen comes back."""
    torch.set_num_threads(1)
    names = item_names(60)
    drawn = np.random.default_rng(0).integers(0, 50, 100_000)
    sequences = TrainingSequences.from_lists(
        [names[drawn].tolist(), names[50:53].tolist(), names[53:54].tolist()]
    )
    codes = tuples(sequences.num_items, width=4, seed=0)
    mixer = replace(SMALL_MIXER, max_length=50)
    training = replace(
        SHORT, epochs=1, batch_size=64, stride=50, validation="time", max_validation_targets=200
    )
    arms = (
        train_mmgrec(sequences, codes, replace(SMALL, mixer=mixer, training=training), seed=0),
        train_tiger(sequences, codes, SMALL_TIGER, seed=0),
        fit_ease(sequences, EASEConfig()),
    )
    for arm in arms:
        ranked = arm.recommend(histories_of(sequences.item_ids, [drawn.tolist(), [0]]), k=10)
        assert sorted(ranked.items[0]) == [-1] * 6 + [50, 51, 52, 53]
        assert (ranked.items[1] > 0).all()


@pytest.mark.parametrize(
    "name",
    sorted(
        SEMANTIC_ID_ARMS
        | {"sasrec", "hstu", "fmlp", "gru4rec", "bert4rec", "lightgcn", "onepiece"}
        | CONTENT_ARMS
    ),
)
def test_weights_of_another_shape_are_refused_by_name(name, tmp_path):
    """The same arm on more items, or with wider tables: the file and the first tensor that differs are named."""
    torch.set_num_threads(1)
    for folder, items, first in (("one", 12, 16), ("other", 15, 20)):
        sequences = circling(9, items, 6, seed=0)
        codes = tuples(items, width=4, seed=0)
        items_of = np.split(sequences.item_ids[sequences.items], sequences.offsets[1:-1])
        times_of = np.split(sequences.times, sequences.offsets[1:-1])
        arm = train_arm(
            name, items_of, times_of, sequences.item_ids, codes, [first, 16, 8], preset="quick", seed=0,
            content=content_of(sequences.item_ids),
        )  # fmt: skip
        arm.save(tmp_path / folder)
    (tmp_path / "one" / "weights.safetensors").replace(tmp_path / "other" / "weights.safetensors")
    with pytest.raises(
        CheckpointMismatch, match=r"weights\.safetensors: .* is \(\d+.* ask for .* ship as one set"
    ):
        load_arm(tmp_path / "other")
