"""AdamW over a table of which a step touches few rows: what the others would have done meanwhile is caught up later.

A row without a gradient still moves under AdamW: its moments fade and carry it on, and it decays. All of this has
a closed form (a geometric series), so it is put off until the row is wanted again: a step costs what its own rows
cost, however long the table is. Two things differ from AdamW over the whole table, both small: what a row is carried
on by uses the learning rate and bias corrections of the step that touched it last, and the epsilon is left at that
step's size.

Shapes: R rows of the table, T rows that a step touches, dim.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

BETAS, EPSILON = (0.9, 0.98), 1e-8  # those of ClippedAdamW, which steps what is not in the table


class RowwiseAdamW:
    """A table's moments, and how far each of its rows is behind.

    A step is `take` (rows come up to date), a backward pass into what it gave, `follow`. `settle` brings every row
    up to date; call it before the table is read whole.
    """

    def __init__(self, table: nn.Parameter, *, weight_decay: float) -> None:
        self.table, self.weight_decay = table, weight_decay
        self.steps, self.decayed = 0, 0.0  # steps so far; sum of rate x decay over them
        self.first, self.second = torch.zeros_like(table), torch.zeros_like(table)
        length = (len(table),)
        self.step_of = torch.zeros(
            length, dtype=torch.long, device=table.device
        )  # that it is up to date with
        self.decayed_at = torch.zeros(length, dtype=torch.float64, device=table.device)  # `decayed` of then
        # size of an update per unit of first / root of second moment: rate and bias corrections of the last touch
        self.pace = torch.zeros(length, device=table.device)
        self.rows: Int[Tensor, "T"] | None = None
        self.taken: Float[Tensor, "T dim"] | None = None

    @torch.no_grad()
    def take(self, rows: Int[Tensor, "T"]) -> Float[Tensor, "T dim"]:
        """These rows (none twice) as a leaf that gathers a gradient until `follow`."""
        self._catch_up(rows)
        self.rows, self.taken = rows, self.table[rows].requires_grad_()
        return self.taken

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """One step of AdamW at this learning rate on the rows that were taken; their gradient is used up."""
        self.steps += 1
        self.decayed += rate * self.weight_decay
        rows, taken = self.rows, self.taken
        self.rows = self.taken = None
        if rows is None or taken is None or taken.grad is None:
            return
        first = self.first[rows].lerp_(taken.grad, 1 - BETAS[0])
        second = self.second[rows].mul_(BETAS[1]).addcmul_(taken.grad, taken.grad, value=1 - BETAS[1])
        root = math.sqrt(1 - BETAS[1] ** self.steps)
        pace = rate * root / (1 - BETAS[0] ** self.steps)
        # epsilon belongs beside the corrected root; as `pace` holds the correction, it is scaled like the root
        moved = taken.detach() * (1 - rate * self.weight_decay) - pace * first / (
            second.sqrt() + EPSILON * root
        )
        self.table[rows], self.first[rows], self.second[rows] = moved, first, second
        self.step_of[rows], self.decayed_at[rows], self.pace[rows] = self.steps, self.decayed, pace

    @torch.no_grad()
    def settle(self) -> None:
        """Bring every row up to date with the steps so far."""
        self._catch_up(torch.arange(len(self.table), device=self.table.device))

    def _catch_up(self, rows: Int[Tensor, "T"]) -> None:
        missed = self.steps - self.step_of[rows]
        rows = rows[missed > 0]
        missed = missed[missed > 0].to(self.table.dtype)[:, None]
        first, second = self.first[rows], self.second[rows]
        # each missed update is `ratio` times the one before: the moments fade at different speeds
        ratio = BETAS[0] / math.sqrt(BETAS[1])
        sums = ratio * (1 - ratio**missed) / (1 - ratio)
        kept = torch.exp(self.decayed_at[rows] - self.decayed)[:, None].to(self.table.dtype)
        carried = self.pace[rows][:, None] * sums * first / (second.sqrt() + EPSILON)
        self.table[rows] = self.table[rows] * kept - carried
        self.first[rows], self.second[rows] = first * BETAS[0] ** missed, second * BETAS[1] ** missed
        self.step_of[rows], self.decayed_at[rows] = self.steps, self.decayed

    def state(self) -> dict[str, object]:
        """All that the following steps depend on, beside the table itself."""
        tensors = ("first", "second", "step_of", "decayed_at", "pace")
        return {"steps": self.steps, "decayed": self.decayed} | {
            name: getattr(self, name) for name in tensors
        }

    def go_on_from(self, saved: Mapping[str, object]) -> None:
        """Continue where `state` was taken."""
        for name, value in saved.items():
            setattr(self, name, value.to(self.table.device) if isinstance(value, Tensor) else value)
