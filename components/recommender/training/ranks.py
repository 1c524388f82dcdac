"""Which part of each batch this process trains on, where several processes train one network between them.

Every process (rank) holds the whole training set and network, cuts the same batches from the same seed, and reads its
rows of each. PyTorch's DistributedDataParallel averages the gradients, so that every rank takes the same step: that of
the whole batch, to rounding. Who starts the processes and joins them in torch's process group is not known here: a
process outside of any group is alone, and does what it did before there were ranks.

Of what is random, all ranks draw alike what a step draws once (order, cuts, negatives), and apart what belongs to their
rows (dropout): the same seed and number of ranks give the same weights, and another number gives others unless dropout
is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from components.recommender.weights import CheckpointMismatch


class Splittable(Protocol):
    """A batch whose mean loss is over targets, each with a weight."""

    @property
    def total_weight(self) -> float: ...

    def rows(self, rank: int, world: int) -> Self:
        """The rows rank, rank + world, and so on, with their targets; it keeps nothing of the others in memory."""
        ...


B = TypeVar("B", bound=Splittable)


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train together."""

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> Ranks:
        """As torch's default process group has it; alone where there is none."""
        if not (dist.is_available() and dist.is_initialized()):
            return ALONE
        return cls(rank=dist.get_rank(), world=dist.get_world_size())

    def settings(self, *given: object) -> tuple[object, ...]:
        """What a training is steered by, for its checkpoint's key: the number of ranks too, where there are several."""
        return given if self.world == 1 else (*given, self.world)

    @property
    def is_first(self) -> bool:
        """The one that writes and tells."""
        return self.rank == 0

    def part_of(self, batch: B) -> tuple[B, float]:
        """This rank's rows, and what their mean loss counts: the average over ranks of share x mean is the batch's.

        A rank without a target takes the whole batch at nothing: its backward pass then meets the same weights as the
        others', who wait for it.
        """
        if self.world == 1:
            return batch, 1.0
        part = batch.rows(self.rank, self.world)
        if not part.total_weight:
            return batch, 0.0
        return part, self.world * part.total_weight / batch.total_weight

    def together(self, loss: Callable[[Any], Tensor], network: nn.Module) -> Callable[[Any], Tensor]:
        """`loss` of a batch by `network`, its gradients averaged over ranks as they are made.

        All ranks begin at the first one's weights.
        """
        if self.world == 1:
            return loss
        # losses leave out what cannot matter (a level of one child): found at each step, on all ranks alike
        return DistributedDataParallel(
            _Objective(network, loss), broadcast_buffers=False, find_unused_parameters=True
        )

    def average(self, value: Tensor) -> float:
        """Of a number over all ranks; every rank gets the same."""
        if self.world == 1:
            return value.item()
        total = value.detach().float().clone()
        dist.all_reduce(total)
        return total.item() / self.world

    def sums(self, own: Tensor) -> Tensor:
        """The sum over ranks of each entry; exact where one rank alone fills it."""
        if self.world > 1:
            dist.all_reduce(own)
        return own

    def stand_alike(self, epoch: int, checkpoint: Path | None, device: torch.device) -> None:
        """All ranks begin after the same epoch. Raises CheckpointMismatch where some found none, or another."""
        if self.world == 1:
            return
        first_and_last = torch.tensor([epoch, -epoch], device=device)  # NCCL takes no other
        dist.all_reduce(first_and_last, op=dist.ReduceOp.MAX)
        if first_and_last.sum():
            raise CheckpointMismatch(
                f"{checkpoint}: not every worker finds the same checkpoint there. Put RECLOOP_HOME on a file system "
                "that all machines share"
            )

    def draw_apart(self, seed: int, epoch: int) -> None:
        """Begin this epoch's dropout anew, on each rank its own: an epoch that is begun again draws the same."""
        if self.world > 1:
            torch.manual_seed((seed * 1_000_003 + epoch) * 1_009 + self.rank + 1)

    def drawn_alike(self, device: torch.device) -> torch.Generator | None:
        """Of what every rank draws alike, begun where torch's own stands; None, torch's own, for one alone."""
        if self.world == 1:
            return None
        state = torch.get_rng_state() if device.type == "cpu" else torch.cuda.get_rng_state(device)
        return torch.Generator(device).set_state(state)


ALONE = Ranks()


class _Objective(nn.Module):
    """The loss as a module's forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, network: nn.Module, loss: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: object) -> Tensor:
        return self.loss(batch)
