"""The top ten of every user by the arm that ships, seen items left out: users a CPU second, one thread.

The arm is trained whole: what decoding costs does not hang on what was learnt, but whether the beam finds what
exact scoring of every tuple finds does.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np
import torch

from components.recommender import presets
from components.recommender.arms.mmgrec import train_mmgrec
from tests.benchmarks.arms import in_order
from tests.benchmarks.datasets import Dataset
from tests.benchmarks.leave_one_out import PLACES
from tests.benchmarks.peak_memory import peak_mb
from tests.benchmarks.semantic_codes import semantic_codes
from tests.benchmarks.surroundings import results_folder

RUNS = 3
COMPARED = 500  # users whose beam is held against exact scoring of every tuple


def top_ten(data: Dataset, seed: int) -> dict[str, float | str]:
    torch.set_num_threads(1)
    codes = semantic_codes(data, seed, results_folder() / "codes")
    config = in_order(presets.default_mmgrec(presets.density_of(data.events.training())))
    arm = train_mmgrec(data.events.training(), codes.table, config, seed=seed)
    trained_mb = peak_mb()
    histories = data.events.histories()
    taken = []
    for _ in range(RUNS):
        begin = time.process_time()
        arm.recommend(histories, k=PLACES)
        taken.append(time.process_time() - begin)
    some = np.random.default_rng(seed).permutation(len(histories))[:COMPARED]
    sample = replace(histories, start=histories.start[some], end=histories.end[some])
    beam, exact = (arm.decoding(decode).recommend(sample, k=PLACES).items for decode in ("beam", "exact"))
    return {
        "decode": config.decode,
        "beams": config.beam_size,
        "first_beams": config.first_beam_size or config.beam_size,
        "places_equal_to_exact": float((beam == exact).mean()),
        "users": data.events.num_users,
        "users_per_cpu_second": data.events.num_users / statistics.median(taken),
        "users_per_cpu_second_best": data.events.num_users / min(taken),
        "peak_mb_after_training": trained_mb,
        "peak_mb": peak_mb(),
    }
