"""One block of FMLP-Rec, in place of attention: a learned filter a dimension, then a feed-forward.

Source: Zhou et al. 2022, arXiv:2202.13556, section 3.2: x + dropout(F^-1(W * F(x))), F the discrete Fourier transform
along the sequence, W one complex number a frequency and dimension. As published the filter is circular: a place reads
those after it. Here W is the transform of a kernel that reaches back alone, and the sequence is padded to twice its
length, so that the product of transforms is a causal convolution. A block takes its norm before, not after.

Shapes: B histories, P places, L places of the longest history, d dim.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from components.recommender.networks.fast_dropout import fast_dropout
from components.recommender.networks.feed_forward import FeedForward


class FilterBlock(nn.Module):
    """`places` is L: how far back the filter reaches, the place itself counted."""

    def __init__(self, dim: int, places: int, dropout: float) -> None:
        super().__init__()
        self.dropout, self.norm = dropout, nn.LayerNorm(dim)
        # zero, so that a state begins as the vector of its last item
        self.kernel = nn.Parameter(torch.zeros(places, dim))
        self.feed_forward = FeedForward(dim, dropout)

    def forward(
        self, x: Float[Tensor, "B P d"], user: Float[Tensor, "B P d"] | None, bias: Float[Tensor, "#B #h P P"]
    ) -> Float[Tensor, "B P d"]:
        """`user` and `bias` are for attention alone."""
        filtered = causal_filter(self.norm(x), self.kernel[: x.shape[1]])
        x = x + fast_dropout(filtered, self.dropout, self.training)
        return x + self.feed_forward(x)


def causal_filter(x: Float[Tensor, "B P d"], kernel: Float[Tensor, "P d"]) -> Float[Tensor, "B P d"]:
    """Sum over distances t of kernel[t] * x[p - t], as a product of transforms.

    Holds: nothing after a place is read, to rounding of float32; 2 P places leave nothing to wrap around.
    """
    places = x.shape[1]
    with torch.autocast(x.device.type, enabled=False):  # there is no transform of bf16
        spectrum = torch.fft.rfft(x.float(), n=2 * places, dim=1)
        response = torch.fft.rfft(kernel.float(), n=2 * places, dim=0)
        return torch.fft.irfft(spectrum * response, n=2 * places, dim=1)[:, :places].to(x.dtype)
