"""A training that begins at another's weights: what it carries over, what it refuses, and that it can be cut off."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from components.recommender.arm import Arm
from components.recommender.arm_config import NetworkConfig, config_of
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.carried_weights import CannotBeginThere
from components.recommender.names import CONTENT_ARMS, SEMANTIC_ID_ARMS, ArmName
from components.recommender.networks.mixer import MixerConfig
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.presets import accurate_mmgrec, default_mmgrec, default_onepiece, default_sasrec
from components.recommender.train_arm import train_arm
from components.recommender.training.step import Step
from components.recommender.warm_start import EPOCH_SHARE, LEARNING_RATE_SHARE, unfit, warmed
from components.recommender.weights import CheckpointMismatch, read_arm
from tests.recommender.examples import content_of, histories_of, item_names, tuples

NETWORKS = [arm for arm in get_args(ArmName) if arm != "ease"]
ITEM_IDS = item_names(30)
KNOWN = np.arange(30) % 5 != 2  # the others come later, between them
CODES = tuples(30, width=4, seed=0)
_DRAW = np.random.default_rng(0)
WALKS = [ITEM_IDS[KNOWN][np.cumsum(_DRAW.integers(1, 6, 8)) % KNOWN.sum()].tolist() for _ in range(60)]
TIMES = [list(range(8)) for _ in WALKS]


def trained(name: ArmName, *, grown: bool = False, codes: np.ndarray = CODES, **asked: Any) -> Arm:
    """On the known items, or on all of them with a larger table of collision tokens."""
    torch.set_num_threads(1)
    rows, sizes = (np.ones(30, dtype=bool), [4, 4, 12]) if grown else (KNOWN, [4, 4, 8])
    content = content_of(ITEM_IDS[rows]) if name in CONTENT_ARMS else None
    asked = {"preset": "quick", "seed": 0, "content": content} | asked
    return train_arm(name, WALKS, TIMES, ITEM_IDS[rows], codes[rows], sizes, **asked)


def without_steps(config: NetworkConfig) -> NetworkConfig:
    training: Any = replace(config.training, learning_rate=0.0)  # type: ignore[type-var]
    return replace(config, training=training)


@pytest.fixture(scope="module")
def champions() -> dict[str, Any]:
    return {name: trained(name) for name in NETWORKS}


@pytest.mark.parametrize("name", NETWORKS)
def test_before_the_first_step_it_gives_the_lists_of_where_it_begins(name, champions, monkeypatch):
    """Over a grown catalogue, and a larger table: what `with_ids` gives, where codes tell of new items."""
    champion = champions[name]
    begun = trained(name, grown=True, begin=champion, seed=5, **_nothing_learned(monkeypatch))
    assert len(begun.vocabulary) == 30  # type: ignore[attr-defined]
    reads_codes = name in SEMANTIC_ID_ARMS
    before = champion.with_ids(ITEM_IDS, CODES) if reads_codes else champion
    if name in CONTENT_ARMS:
        before = champion.with_content(ITEM_IDS, content_of(ITEM_IDS))
    asked = histories_of(ITEM_IDS, [[0, 1, 3], [6], [], [2, 7, 4]])
    wanted, found = before.recommend(asked, k=5), begun.recommend(asked, k=5)
    np.testing.assert_array_equal(found.items, wanted.items)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-5)


def _nothing_learned(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The learning rate of a warm start is a share of the preset's; none of it is none."""
    monkeypatch.setattr("components.recommender.warm_start.LEARNING_RATE_SHARE", 0.0)
    return {}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_takes_a_share_of_the_epochs_and_ends_elsewhere(name, champions, tmp_path):
    steps: list[Step] = []
    begun = trained(name, grown=True, begin=champions[name], on_step=steps.append)
    cold, shorter = config_of(name, "quick"), warmed(config_of(name, "quick"))
    assert steps[-1].epoch + 1 == shorter.training.epochs
    assert shorter.training.epochs == max(1, int(EPOCH_SHARE * cold.training.epochs))
    begun.save(tmp_path)
    told = read_arm(tmp_path)[1]["training"]
    assert told["learning_rate"] == pytest.approx(LEARNING_RATE_SHARE * cold.training.learning_rate)
    assert told.get("start_length", 0.0) == 0.0
    asked = histories_of(ITEM_IDS, [[0, 1, 3], [6]])
    scores = [arm.recommend(asked, k=5).scores for arm in (begun, champions[name], trained(name, grown=True))]
    assert not np.allclose(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


@pytest.mark.parametrize(
    "name", ["sasrec", "mmgrec", "tiger", "lightgcn", "onepiece", "hstu_text", "alpharec", "rlmrec"]
)
def test_cut_off_it_goes_on_to_the_same_weights_and_never_from_another_start(
    name, champions, tmp_path, monkeypatch
):
    monkeypatch.setattr("components.recommender.warm_start.EPOCH_SHARE", 1.0)  # of three epochs
    path, asked = tmp_path / "warm.pt", {"grown": True, "begin": champions[name]}

    def killed(step: Step) -> None:
        if step.epoch == 1:
            raise KeyboardInterrupt

    whole = trained(name, **asked)
    with pytest.raises(KeyboardInterrupt):
        trained(name, on_step=killed, checkpoint=path, **asked)
    elsewhere = trained(name, seed=3)
    for begin in (None, elsewhere):
        with pytest.raises(CheckpointMismatch, match="belongs to another training"):
            trained(name, grown=True, begin=begin, checkpoint=path)
    steps: list[Step] = []
    gone_on = trained(name, checkpoint=path, on_step=steps.append, **asked)
    assert steps[0].epoch == 1
    for mine, wanted in zip(weights_of(gone_on), weights_of(whole), strict=True):
        assert torch.equal(mine, wanted)


def weights_of(arm: Any) -> list[torch.Tensor]:
    return list(arm.network.state_dict().values())


def test_collision_tokens_that_come_later_begin_at_the_last_that_was_learned(champions):
    """Tables of 12 in place of 8: four rows more at the end of the code vectors and of the last level's heads."""
    begun, before = (champions["mmgrec"], trained("mmgrec", grown=True, begin=champions["mmgrec"]))
    first = begun.network.state_dict()
    second = before.network.state_dict()  # type: ignore[attr-defined]
    grown = {name for name in first if first[name].shape != second[name].shape}
    assert grown == {
        "dense.items.tables", "dense.items.free", "head.to_codes.2.weight", "head.to_codes.2.bias",
        "head.to_codes_directly.2.weight",
    }  # fmt: skip
    assert second["dense.items.tables"].shape[0] == 20


def test_what_does_not_fit_is_named(champions):
    other = CODES.copy()
    other[0, 0] = (other[0, 0] + 1) % 4
    with pytest.raises(CannotBeginThere, match="item 'i000' had other codes"):
        trained("mmgrec", codes=other + np.array([0, 0, 3]), begin=champions["mmgrec"])
    content = content_of(ITEM_IDS[KNOWN])
    for elsewhere in (
        replace(content, space="other"),
        replace(content, space="other", vectors=content.vectors[:, 1:]),
    ):
        with pytest.raises(
            CannotBeginThere, match="content was of the encoders 'text=drawn/12', and is of 'other'"
        ):
            trained("hstu_text", content=elsewhere, begin=champions["hstu_text"])
    with pytest.raises(CannotBeginThere, match="codes had 0 levels, and have 3"):
        trained("semantic_sasrec", begin=champions["sasrec"])
    with pytest.raises(CannotBeginThere, match=r"its mixer\.dim is 32, this preset's 64"):
        trained("sasrec", preset="default", begin=champions["sasrec"])
    with pytest.raises(CannotBeginThere, match=r"its mixer\.block is attention, this preset's hstu"):
        trained("hstu", begin=champions["sasrec"])


def test_dropout_losses_and_decoding_may_differ_and_shapes_may_not():
    saved = asdict(default_mmgrec("dense"))
    assert unfit(saved, default_mmgrec("sparse")) == ""
    assert unfit(saved, replace(default_mmgrec(), beam_size=5, tuple_weight=1.0)) == ""
    assert unfit(saved, replace(default_mmgrec(), head_hidden=32)) == (
        "its head_hidden is 64, this preset's 32"
    )
    stepwise = default_onepiece()
    assert unfit(asdict(stepwise), replace(stepwise, reasoning=Reasoning(asked=3, horizon=7))) == ""
    assert unfit(asdict(stepwise), replace(stepwise, reasoning=Reasoning(num_steps=3))) == (
        "its reasoning.num_steps is 2, this preset's 3"
    )


def test_what_an_older_file_leaves_out_is_what_it_is_loaded_with_and_not_what_is_wanted():
    """Node vectors have come since: an arm saved before has none, whatever the preset that would begin at it."""
    saved = asdict(default_mmgrec())
    del saved["node_vectors"], saved["mixer"]["bidirectional"]
    assert unfit(saved, default_mmgrec()) == ""
    assert unfit(saved, accurate_mmgrec()) == "its node_vectors is False, this preset's True"
    sideways = replace(MixerConfig(relation_dim=0), bidirectional=True)
    assert unfit(saved, replace(default_mmgrec(), mixer=sideways)) == (
        "its mixer.bidirectional is False, this preset's True"
    )


def test_three_tenths_of_twelve_epochs_are_three():
    config: DenseConfig = default_sasrec()
    assert (config.training.epochs, warmed(config).training.epochs) == (12, 3)
    assert EPOCH_SHARE <= 0.3
