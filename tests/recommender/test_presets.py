from dataclasses import asdict, fields, replace
from typing import get_args

import pytest
import torch

from components.recommender import presets
from components.recommender.arm_config import config_of
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.arms.tiger import train_tiger
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.names import ArmName
from components.recommender.presets import density_of
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import circling, histories_of, tuples


def test_quick_presets_train_in_seconds():
    torch.set_num_threads(1)
    sequences = circling(20, 30, 10, seed=0)
    arms = (
        train_mmgrec(sequences, tuples(30, width=3, seed=0), presets.quick_mmgrec(), seed=0),
        train_dense("sasrec", sequences, vocabulary_of(sequences), presets.quick_sasrec(), seed=0),
        train_tiger(sequences, tuples(30, width=3, seed=0), presets.quick_tiger(), seed=0),
    )
    for arm in arms:
        assert (arm.recommend(histories_of(sequences.item_ids, [[1, 2]]), k=10).items >= 0).all()


def test_a_set_has_no_order_and_a_sequence_has():
    assert presets.set_mmgrec().mixer.relation_dim > 0
    assert (presets.set_mmgrec().mixer.position, presets.default_mmgrec().mixer.position) == (False, True)


@pytest.mark.parametrize("preset", [presets.default_mmgrec, presets.default_sasrec])
def test_default_presets_use_every_event(preset):
    assert preset().training.validation == "none"


@pytest.mark.parametrize("density", ["dense", "sparse"])
def test_the_accurate_preset_is_the_default_and_more(density):
    """Vectors of nodes; an arm that has none is trained by its default."""
    default = config_of("mmgrec", "default", density)
    assert config_of("mmgrec", "accurate", density) == replace(default, node_vectors=True)
    for name in set(get_args(ArmName)) - {"mmgrec"}:
        assert config_of(name, "accurate", density) == config_of(name, "default", density)


def test_a_fused_member_is_the_dense_control():
    fused, control = presets.default_fusion("sparse"), presets.default_semantic_sasrec("sparse")
    assert {one.name: getattr(fused, one.name) for one in fields(control)} == asdict(control) | {
        "mixer": control.mixer, "training": control.training,
    }  # fmt: skip


def test_density_is_that_of_the_median_user():
    assert density_of(TrainingSequences.from_lists([["a", "b"], ["a"] * 50])) == "dense"
    assert density_of(TrainingSequences.from_lists([["a", "b"], ["a"], ["a"] * 50])) == "sparse"
