import math

import torch
from torch import nn

from components.recommender.training.rowwise_adamw import BETAS, RowwiseAdamW

ROWS, DIM, STEPS, RATE, DECAY = 60, 4, 400, 2e-3, 0.1


def walked(touched: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Start, and where AdamW over the whole table and row by row come to by the same gradients."""
    random = torch.Generator().manual_seed(seed)
    start = torch.randn(ROWS, DIM, generator=random)
    whole, table = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    adamw = torch.optim.AdamW([whole], lr=RATE, betas=BETAS, weight_decay=DECAY)
    rows = RowwiseAdamW(table, weight_decay=DECAY)
    for step in range(STEPS):
        rate = RATE * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        some = torch.randperm(ROWS, generator=random)[:touched]
        gradient = torch.randn(touched, DIM, generator=random) + 0.5
        whole.grad = torch.zeros(ROWS, DIM).index_copy(0, some, gradient)
        adamw.param_groups[0]["lr"] = rate
        adamw.step()
        rows.take(some).grad = gradient
        rows.follow(rate)
    rows.settle()
    return start, whole.detach(), table.detach()


def test_rows_that_every_step_touches_move_as_under_adamw():
    _, whole, table = walked(ROWS, seed=0)
    torch.testing.assert_close(table, whole, atol=1e-6, rtol=1e-5)


def test_rows_that_few_steps_touch_end_close_to_where_adamw_takes_them():
    """One step in ten: what is caught up is off by a few percent of the way, and without it by most of it."""
    start, whole, table = walked(ROWS // 10, seed=1)
    assert (table - whole).norm() < 0.06 * (whole - start).norm()


def test_settling_between_steps_changes_nothing():
    """Catching up in parts is catching up at once, but for the decay of what it was carried by meanwhile."""
    tables = []
    for settles in (False, True):
        table = nn.Parameter(torch.ones(2, 3))
        rows = RowwiseAdamW(table, weight_decay=DECAY)
        for step in range(30):
            rows.take(torch.tensor([0] if step else [0, 1])).grad = torch.ones(1 if step else 2, 3)
            rows.follow(RATE)
            if settles:
                rows.settle()
        rows.settle()
        tables.append(table.detach())
    assert (tables[0] - 1).abs().min() > 0.01
    torch.testing.assert_close(tables[0], tables[1], atol=2e-4, rtol=0)
