"""What whoever watches a training is told after every optimizer step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """What `on_step` is told after every optimizer step."""

    step: int  # from 1
    num_steps: int  # planned; early stopping may end before
    epoch: int
    loss: float
    validation_ndcg: float | None  # NDCG@10 on the held-out targets, where this step was evaluated


OnStep = Callable[[Step], None]
