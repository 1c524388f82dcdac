"""Fast float32 matrix products on CPU, for as long as a block of code runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def fast_matmul() -> Iterator[None]:
    """Another float32 kernel (oneDNN's), with the same rounding; the caller's choice comes back after."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
