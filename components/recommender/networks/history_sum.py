"""A history as the sum of its items' vectors: what a user is in LightGCN, asked after each event.

Source: He et al. 2020, arXiv:2002.02126, equation 3: e_u = e_u(0) + sum of e_i / sqrt(|N_u| |N_i|), where the vectors
come divided by sqrt(|N_i|) already. A user whom training never met has no e_u(0), so one is learned for all. With
`fading` below 1 later events count more (Choi et al. 2021, SLIST, arXiv:2103.16104, section 4.4), and |N_u| is the
sum of what they count; at 1 it is their number.

A state is brought to one length, which changes no ranking: it is the temperature of the softmax that the vectors are
trained by.

Shapes: B histories, P places (before the first event, then after each).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class HistorySum(nn.Module):
    """In place of a mixer: nothing is learned but where a user begins."""

    def __init__(self, dim: int, fading: float, length: float | None = None) -> None:
        """`length` of a state; None: sqrt(dim)."""
        super().__init__()
        self.fading, self.length = fading, length
        self.start = nn.Parameter(torch.randn(dim) * 0.02)

    def forward(
        self, vectors: Float[Tensor, "B P_minus_1 dim"], times: Int[Tensor, "B P_minus_1"]
    ) -> Float[Tensor, "B P dim"]:
        """`times` are for mixers that know of them."""
        at = torch.arange(vectors.shape[1] + 1, device=vectors.device)
        back = at[:, None] - 1 - at[:-1]  # events between a place and each event before it
        counts = torch.where(back >= 0, self.fading ** back.clamp(min=0).float(), 0.0)
        counts = counts / counts.sum(dim=1, keepdim=True).clamp(min=1).sqrt()
        states = self.start + counts.to(vectors.dtype) @ vectors
        return F.normalize(states, dim=-1) * (self.length or states.shape[-1] ** 0.5)
