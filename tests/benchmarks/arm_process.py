"""Train one arm on one data set with one seed, rank every user, write what each of its views came to.

A process of its own, so that its peak memory and CPU seconds are the arm's:

    python -m tests.benchmarks.arm_process DATA ARM SEED
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from components.tokenizer.names import DEFAULT
from tests.benchmarks.arms import ARMS, Benchmarked
from tests.benchmarks.datasets import Dataset, open_dataset
from tests.benchmarks.leave_one_out import PLACES, places
from tests.benchmarks.peak_memory import peak_mb
from tests.benchmarks.results import ArmRun, write_run
from tests.benchmarks.semantic_codes import Codes, random_codes, semantic_codes
from tests.benchmarks.surroundings import results_folder


def main(data_name: str, arm_name: str, seed: int) -> None:
    torch.set_num_threads(1)
    results, entry = results_folder(), ARMS[arm_name]
    data = open_dataset(data_name, results / "sources")
    codes, content = _codes(data, entry, seed), []
    if entry.reads_content:
        begin = time.process_time()
        content = [data.content().content]
        codes = replace(codes, cpu_seconds=time.process_time() - begin)
    events = data.events
    begin = time.process_time()
    trained = entry.train(events.training(), codes.table, seed, None, *content)
    training_cpu_seconds = time.process_time() - begin
    training_peak_mb = peak_mb()
    histories, targets = events.histories(), events.test_items
    for name, view in entry.views.items():
        arm = view.of(trained)
        begin = time.process_time()
        fil = arm.recommend(histories, k=PLACES)
        ranking_cpu_seconds = time.process_time() - begin
        unf = arm.recommend(histories, k=PLACES, exclude_seen=False)
        write_run(
            results,
            ArmRun(
                data=events.name,
                arm=name,
                seed=seed,
                users=events.user_ids,
                fil=places(fil, targets),
                unf=places(unf, targets),
                figures={
                    "is_peer": False,
                    "role": view.role,
                    "codes": entry.codes if entry.tokenizer == DEFAULT else entry.tokenizer,
                    "num_items": events.num_items,
                    "codes_cpu_seconds": codes.cpu_seconds,
                    "training_cpu_seconds": training_cpu_seconds,
                    "training_peak_mb": training_peak_mb,
                    "peak_mb": peak_mb(),
                    "parameters": num_parameters(arm),
                    "users_per_cpu_second": events.num_users / max(ranking_cpu_seconds, 1e-9),
                },
            ),
        )


def _codes(data: Dataset, entry: Benchmarked, seed: int) -> Codes:
    if entry.codes == "none":
        return Codes(table=np.zeros((data.events.num_items, 0), dtype=np.int64), cpu_seconds=0.0)
    fitted = semantic_codes(data, seed, results_folder() / "codes", entry.tokenizer)
    return random_codes(fitted, seed) if entry.codes == "random" else fitted


def num_parameters(arm: Any) -> int:
    """Weights of the network, or the numbers that a simple arm scores by."""
    if hasattr(arm, "network"):
        return sum(weight.numel() for weight in arm.network.parameters())
    return sum(
        value.size
        for value in vars(arm).values()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
