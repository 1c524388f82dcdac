"""Small data that the recommender's tests share: planted sequences, random histories, tuples."""

from __future__ import annotations

import numpy as np
import torch

from components.content_vectors import ContentVectors
from components.recommender.arm import Arm, Histories
from components.recommender.arms.mmgrec import MMGRecArm, MMGRecConfig, train_mmgrec
from components.recommender.arms.tiger import TigerConfig
from components.recommender.networks.mixer import MixerConfig
from components.recommender.networks.t5_layers import EncoderDecoderConfig
from components.recommender.sequences import TrainingSequences
from components.recommender.training.tiger_training import TigerTraining
from components.recommender.training.training_config import TrainingConfig

SMALL_MIXER = MixerConfig(dim=16, num_layers=1, num_heads=2, max_length=8, dropout=0.0, relation_dim=8)
SHORT = TrainingConfig(
    epochs=2, batch_size=8, stride=8, learning_rate=1e-2, validation="none", warmup_share=0.01
)
SMALL_TIGER = TigerConfig(
    network=EncoderDecoderConfig(
        dim=16, num_heads=2, head_dim=8, hidden=32, num_encoder_layers=1, num_decoder_layers=1, dropout=0.0
    ),
    training=TigerTraining(epochs=2, learning_rate=5e-3, warmup_share=0.05),
    max_items=8,
)
SMALL = MMGRecConfig(mixer=SMALL_MIXER, training=SHORT, head_hidden=16, beam_size=10)


def item_names(count: int) -> np.ndarray:
    return np.array([f"i{number:03d}" for number in range(count)], dtype=object)


def content_of(item_ids: np.ndarray, *, width: int = 12) -> ContentVectors:
    """A vector drawn for each id: the same for an id wherever it stands."""
    rows = [
        np.random.default_rng([ord(letter) for letter in item]).standard_normal(width) for item in item_ids
    ]
    vectors = np.array(rows, dtype=np.float32).reshape(len(item_ids), width)
    return ContentVectors(vectors=vectors, space=f"text=drawn/{width}")


def tuples(count: int, *, width: int, levels: int = 2, seed: int) -> np.ndarray:
    """[count, levels + 1] random codes and a collision token that makes them unique."""
    drawn = np.random.default_rng(seed).integers(0, width, (count, levels))
    taken: dict[tuple[int, ...], int] = {}
    tokens = []
    for row in map(tuple, drawn.tolist()):
        tokens.append(taken.get(row, 0))
        taken[row] = tokens[-1] + 1
    return np.column_stack([drawn, np.array(tokens, dtype=np.int64)])


def circling(num_users: int, num_items: int, length: int, *, seed: int) -> TrainingSequences:
    """Every user walks the items in a circle from a random start: the next item is certain."""
    rng = np.random.default_rng(seed)
    names = item_names(num_items)
    starts = rng.integers(0, num_items, num_users)
    return TrainingSequences.from_lists(
        [names[(start + np.arange(length)) % num_items].tolist() for start in starts],
        [(1_000 * user + 60 * np.arange(length)).tolist() for user in range(num_users)],
        item_ids=names,
    )


def repeating(num_users: int, num_items: int, length: int, *, period: int, seed: int) -> TrainingSequences:
    """Every user repeats `period` items of their own in one order: the next item is the one `period` events ago.

    Who knows which items they are and which came last, but not in what order, guesses among the others.
    """
    rng = np.random.default_rng(seed)
    names = item_names(num_items)
    own = [rng.permutation(num_items)[:period] for _ in range(num_users)]
    return TrainingSequences.from_lists(
        [names[np.resize(items, length)].tolist() for items in own],
        [(60 * np.arange(length)).tolist()] * num_users,
        item_ids=names,
    )


def share_continued(arm: Arm, num_items: int, length: int, *, period: int) -> float:
    """Of 200 new users of `repeating`, the share whose next item comes first."""
    asked = repeating(200, num_items, length, period=period, seed=99)
    lists = [part.tolist() for part in np.split(asked.items, asked.offsets[1:-1])]
    first = arm.recommend(histories_of(asked.item_ids, lists), k=1, exclude_seen=False).items[:, 0]
    return float(np.mean(first == [one[-period] for one in lists]))


def histories_of(catalogue: np.ndarray, lists: list[list[int]]) -> Histories:
    """One request a list of catalogue positions."""
    lengths = np.array([len(one) for one in lists], dtype=np.int64)
    ends = np.cumsum(lengths)
    return Histories(
        catalogue=catalogue,
        items=np.array([item for one in lists for item in one], dtype=np.int64),
        times=np.array([60 * at for one in lists for at in range(len(one))], dtype=np.int64),
        start=ends - lengths,
        end=ends,
    )


def trained_arm(
    num_items: int = 40, *, width: int = 4, seed: int = 0, config: MMGRecConfig = SMALL
) -> MMGRecArm:
    """A quickly trained generative arm; single-threaded, so that a seed means the same weights everywhere."""
    torch.set_num_threads(1)
    sequences = circling(30, num_items, 12, seed=seed)
    return train_mmgrec(sequences, tuples(num_items, width=width, seed=seed), config, seed=seed)
