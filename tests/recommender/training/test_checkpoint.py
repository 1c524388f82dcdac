"""Written whole, read under its own key only."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from components.recommender.arms.dense_config import DenseConfig
from components.recommender.arms.dense_network import dense_network
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.networks.reasoning_mixer import Reasoning
from components.recommender.training.checkpoint import read_checkpoint, training_key, write_checkpoint
from components.recommender.training.fit import seeded
from components.recommender.weights import CheckpointMismatch
from tests.recommender.examples import SMALL, SMALL_MIXER, circling, tuples

CIRCLE = circling(30, 20, 12, seed=0)
CODES = tuples(20, width=4, seed=0)


def test_what_was_written_comes_back_and_the_random_state_with_it(tmp_path):
    path = tmp_path / "deep" / "arm.pt"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        write_checkpoint(path, "key", {"epoch": 2, "weights": torch.arange(3)})
        wanted = torch.rand(2)
        torch.manual_seed(9)
        found = read_checkpoint(path, "key")
        assert torch.equal(torch.rand(2), wanted)
    assert found is not None
    assert (found["epoch"], found["weights"].tolist(), sorted(found)) == (2, [0, 1, 2], ["epoch", "weights"])
    assert [file.name for file in path.parent.iterdir()] == ["arm.pt"]
    assert read_checkpoint(tmp_path / "none.pt", "key") is None


def test_the_key_tells_data_settings_and_the_networks_own_figures_apart():
    def key(network: nn.Module = nn.Dropout(0.1), sequences=CIRCLE, settings: object = (1, "a")) -> str:  # noqa: B008
        return training_key(network, sequences, settings)

    changed = [key(nn.Dropout(0.2)), key(sequences=circling(30, 20, 12, seed=1)), key(settings=(2, "a"))]
    assert len({key(), *changed}) == 4
    assert key(nn.Dropout(0.1).eval()) == key()  # whether it is training now is not its own


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    path = tmp_path / "arm.pt"
    train_mmgrec(CIRCLE, CODES, SMALL, seed=0, checkpoint=path)
    with pytest.raises(CheckpointMismatch, match="belongs to another training"):
        train_mmgrec(CIRCLE, CODES, SMALL, seed=1, checkpoint=path)
    wider = replace(SMALL, head_hidden=24)
    with pytest.raises(CheckpointMismatch, match="data, config, seed or shapes differ"):
        train_mmgrec(CIRCLE, CODES, wider, seed=0, checkpoint=path)
    wetter = replace(SMALL, mixer=replace(SMALL_MIXER, dropout=0.1))
    louder = replace(SMALL, tuple_weight=2.0)
    for config, codes in ((wetter, CODES), (louder, CODES), (SMALL, CODES[::-1].copy())):
        with pytest.raises(CheckpointMismatch, match="belongs to another training"):
            train_mmgrec(CIRCLE, codes, config, seed=0, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointMismatch, match="not a readable checkpoint"):
        train_mmgrec(CIRCLE, CODES, SMALL, seed=0, checkpoint=path)


def test_the_key_tells_how_a_network_reasons():
    vocabulary = vocabulary_of(CIRCLE)

    def key(**asked: int) -> str:
        config = DenseConfig(mixer=replace(SMALL_MIXER, relation_dim=0), reasoning=Reasoning(**asked))
        with seeded(0):
            return training_key(dense_network(vocabulary, config), CIRCLE, ())

    assert key() == key()
    assert len({key(), key(asked=32), key(horizon=10), key(num_steps=1)}) == 4
