"""Fast float32 matrix products on CPU, for as long as a block of code runs.

oneDNN keeps a kernel for each of the last 1,024 shapes that it has met, and batches of sequences come in many: on
Beauty the generative arm's training peaks at 2.3 GB with them, and at 1.5 with 16, for a few percent of the time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

_KEPT_KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
os.environ.setdefault(_KEPT_KERNELS, "16")  # read once, at the first product that oneDNN makes


@contextlib.contextmanager
def fast_matmul() -> Iterator[None]:
    """Another float32 kernel (oneDNN's), with the same rounding; the caller's choice comes back after."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
