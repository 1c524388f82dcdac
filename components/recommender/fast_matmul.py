"""Fast float32 matrix products on CPU, for as long as a block of code runs.

oneDNN keeps a kernel for each of the last 1,024 shapes that it has met, and batches of sequences come in many: on
Beauty the generative arm's training peaks at 2.3 GB with them, and at 1.5 with 16, for a few percent of the time.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator

import torch

_KEPT_KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
os.environ.setdefault(_KEPT_KERNELS, "16")  # read once, at the first product that oneDNN makes
_lock = threading.Lock()
_inside: list[str] = []  # for each block that goes on, in any thread, what the first of them found
_ROUNDING = 1e-4  # of a sum of 64 products of about 1: float32 errs by .00001, bfloat16 by .1


@contextlib.contextmanager
def fast_matmul() -> Iterator[None]:
    """Another float32 kernel (oneDNN's), with the same rounding; the caller's choice comes back after.

    The choice is the process's, and blocks of several threads overlap: the last to end brings back what the first
    found.
    On a CPU that has bfloat16 (AMX), torch's "medium" allows it, and lists would hang on the machine: there the kernel
    stays torch's own.
    """
    with _lock:
        before = _inside[0] if _inside else torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("medium" if _medium_keeps_rounding() else "highest")
        _inside.append(before)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                torch.set_float32_matmul_precision(before)


@functools.cache
def _medium_keeps_rounding() -> bool:
    """Whether this CPU's products are float32's under "medium" too; tried once a process, in a millisecond."""
    precision, draws = torch.get_float32_matmul_precision(), torch.Generator().manual_seed(0)
    left, right = (torch.randn(64, 64, generator=draws, dtype=torch.float64) for _ in range(2))
    torch.set_float32_matmul_precision("medium")
    try:
        found = left.float() @ right.float()
    finally:
        torch.set_float32_matmul_precision(precision)
    return bool((found - left.float().double() @ right.float().double()).abs().max() < _ROUNDING)
