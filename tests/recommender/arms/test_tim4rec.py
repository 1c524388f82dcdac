from dataclasses import replace

import numpy as np
import torch

from components.recommender.arm import Histories
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.dense_config import DenseConfig
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from tests.recommender.examples import SHORT, SMALL_MIXER, item_names

ITEMS = 10


def paced(num_users: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[user, event] items on a circle, and their seconds: after a pause of a minute one further, of a day two."""
    rng = np.random.default_rng(seed)
    is_long = rng.random((num_users, length)) < 0.5
    times = np.where(is_long, 86_400, 60).cumsum(axis=1)
    steps = np.concatenate([np.zeros((num_users, 1), int), 1 + is_long[:, :-1]], axis=1)
    steps[:, 1] = 1  # nothing lies before the first event
    return (rng.integers(0, ITEMS, (num_users, 1)) + steps.cumsum(axis=1)) % ITEMS, times


def share_found(*, time_gaps: bool) -> float:
    torch.set_num_threads(1)
    names = item_names(ITEMS)
    items, times = paced(400, 9, seed=0)
    sequences = TrainingSequences.from_lists(
        [names[row].tolist() for row in items], times.tolist(), item_ids=names
    )
    mixer = replace(SMALL_MIXER, block="ssm", relation_dim=0, position=False, time_gaps=time_gaps)
    config = DenseConfig(mixer=mixer, training=replace(SHORT, epochs=10, batch_size=16))
    arm = train_dense("tim4rec", sequences, vocabulary_of(sequences), config, seed=0)
    asked, asked_times = paced(200, 7, seed=1)
    start = np.arange(200) * 7
    histories = Histories(
        catalogue=names, items=asked.ravel(), times=asked_times.ravel(), start=start, end=start + 6
    )
    first = arm.recommend(histories, k=1, exclude_seen=False).items[:, 0]
    return float(np.mean(first == asked[:, -1]))


def test_time_between_events_tells_what_comes_next_and_without_it_nobody_knows():
    aware, unaware = share_found(time_gaps=True), share_found(time_gaps=False)
    assert aware >= 0.9
    assert unaware <= 0.65
