"""The same numbers on any number of cores, whatever the rest of the process has set.

A matrix product split over two threads, or computed at a reduced precision, rounds differently, and
training carries the difference into other semantic IDs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from components.divergence import TrainingDiverged


@contextmanager
def reproducible(seed: int = 0) -> Iterator[torch.Generator]:
    """One thread, full float32, and a generator of `seed`; what the process had is put back afterwards.

    Inside, torch's global generator is seeded too (layers draw their starting weights from it) and its
    state is restored on leaving, so nothing outside notices.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield torch.Generator().manual_seed(seed)
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def finite_loss(loss: Tensor, stage: str, step: int) -> float:
    """The loss as a float. Raises TrainingDiverged, naming stage and step, if it is not finite."""
    value = loss.item()
    if not math.isfinite(value):
        raise TrainingDiverged(
            f"{stage}: the loss is {value} at step {step}; pass a lower learning rate, or look for vectors of "
            "extreme size among the modalities"
        )
    return value
