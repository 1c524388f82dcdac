"""Ray Train itself, on this machine: two workers, one of which is killed in the midst of training."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from components.divergence import TrainingDiverged
from components.parallel.training import train_on_ray
from components.parallel.workers import Workers
from components.recommender.arms.dense_arm import train_dense
from components.recommender.arms.mmgrec import train_mmgrec
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.training.step import Step
from tests.recommender.examples import SMALL, histories_of
from tests.recommender.training.test_ranks import CIRCLE, CODES, DENSE, but_for_key_biases, weights_of

LONG = replace(SMALL, training=replace(SMALL.training, epochs=40, learning_rate=2e-3))


def killed_once(folder: Path, seen: list[int]) -> None:
    """SIGKILL a worker as soon as a checkpoint is there: the training is in its second epoch or later."""
    while not list(folder.glob("*.pt")):
        time.sleep(0.005)
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "RayTrainWorker" in " ".join(process.cmdline())
    ]
    seen.append(len(workers))
    os.kill(workers[-1].pid, signal.SIGKILL)


def test_a_killed_worker_is_replaced_and_the_weights_are_those_of_one_process(
    one_ray: Workers, tmp_path: Path
):
    alone = train_mmgrec(CIRCLE, CODES, LONG, seed=0)
    steps: list[Step] = []
    found: list[int] = []
    killer = threading.Thread(target=killed_once, args=(tmp_path, found), daemon=True)
    killer.start()
    arm = train_on_ray(
        partial(train_mmgrec, CIRCLE, CODES, LONG, seed=0, checkpoint=tmp_path / "arm.pt"),
        workers=one_ray,
        folder=tmp_path / "ray",
        on_step=steps.append,
    )
    killer.join()
    assert found == [2]
    told = [step.step for step in steps]  # without what the killed rank had not sent yet
    assert told == sorted(set(told))
    assert told[-1] == 40 * 3
    for key, weight in weights_of(alone).items():
        torch.testing.assert_close(
            but_for_key_biases(key, weights_of(arm)[key]),
            but_for_key_biases(key, weight),
            atol=2e-4,
            rtol=1e-3,
        )
    asked = histories_of(CIRCLE.item_ids, [[at, (at + 1) % 20] for at in range(20)])
    np.testing.assert_array_equal(arm.recommend(asked, k=5).items, alone.recommend(asked, k=5).items)
    assert [path.name for path in tmp_path.iterdir()] == ["arm.pt"]


def test_what_would_fail_again_is_raised_as_it_is(one_ray: Workers, tmp_path: Path):
    """A learning rate that overflows: told by every rank, and not tried three times more."""
    wild = replace(DENSE, training=replace(DENSE.training, learning_rate=1e30, clip_norm=1e30))
    with pytest.raises(TrainingDiverged, match="at step"):
        train_on_ray(
            partial(train_dense, "sasrec", CIRCLE, vocabulary_of(CIRCLE), wild, seed=0),
            workers=one_ray,
            folder=tmp_path / "ray",
            on_step=None,
        )
    assert list(tmp_path.iterdir()) == []
