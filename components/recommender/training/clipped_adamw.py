"""One optimizer step as every network here takes it: AdamW, warm-up and half a cosine, clipped, finite or stopped."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from components.adamw import AdamW
from components.divergence import TrainingDiverged
from components.recommender.training.ranks import ALONE, Ranks
from components.recommender.training.rowwise_adamw import BETAS, RowwiseAdamW


class OptimizerConfig(Protocol):
    """The fields of a training's configuration that a step reads."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def warmup_share(self) -> float: ...
    @property
    def clip_norm(self) -> float: ...


class ClippedAdamW:
    """AdamW over a network's weights (those of one table row by row), and how many steps it has taken."""

    def __init__(
        self,
        network: nn.Module,
        config: OptimizerConfig,
        rows: RowwiseAdamW | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """The table of `rows` is stepped by them; of several ranks none has rows."""
        self.config, self.steps, self.rows, self.ranks = config, 0, rows, ranks
        table = None if rows is None else rows.table
        self.weights = [weight for weight in network.parameters() if weight is not table]
        self.adamw = AdamW(
            self.weights,
            lr=config.learning_rate,
            betas=BETAS,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def step(self, loss: Tensor, *, num_steps: int, epoch: int) -> float:
        """Follow the gradient of `loss`, averaged over ranks, and return its value. Raises TrainingDiverged naming the
        step, on all ranks at once.
        """
        # the schedule counts from 0, the message from 1
        share = schedule(self.steps, num_steps, self.config.warmup_share)
        self.steps += 1
        if not math.isfinite(value := self.ranks.average(loss)):
            raise TrainingDiverged(
                f"loss is {value} at step {self.steps} of {num_steps} (epoch {epoch + 1}, learning rate "
                f"{self.config.learning_rate:g}, gradients clipped at {self.config.clip_norm:g}). Where "
                "RECLOOP_PRECISION is bf16, set it to fp32; else train another arm with --challenger"
            )
        for group in self.adamw.param_groups:
            group["lr"] = self.config.learning_rate * share
        self.adamw.zero_grad(set_to_none=True)
        if loss.requires_grad:  # a single item's tuple is certain, and its loss a constant
            loss.backward()
        taken = [] if self.rows is None or self.rows.taken is None else [self.rows.taken]
        torch.nn.utils.clip_grad_norm_([*self.weights, *taken], self.config.clip_norm)
        self.adamw.step()
        if self.rows is not None:
            self.rows.follow(self.config.learning_rate * share)
        return value


def schedule(step: int, num_steps: int, warmup_share: float) -> float:
    """Share of the learning rate at a step (from 0): linear up, then half a cosine down to nothing."""
    warmup = max(1, round(warmup_share * num_steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, num_steps - warmup))))
