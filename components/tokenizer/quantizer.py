"""Residual quantizer: item vector in, one code per level out, coarse to fine.

Source: Lee et al. 2022, arXiv:2203.01941, section 3.1; moving-average codebooks after van den Oord et al.
2017, arXiv:1711.00937, appendix A.1; revival of dead codes after Zeghidour et al. 2021, arXiv:2107.03312.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from components.tokenizer.kmeans import kmeans, nearest, spread_start


@dataclass(frozen=True, kw_only=True)
class Quantized:
    codes: Int[Tensor, "item level"]  # row of codebooks[level]
    residual: Float[Tensor, "item dim"]  # what the last level left unexplained


def quantize(x: Float[Tensor, "item dim"], codebooks: Float[Tensor, "level code dim"]) -> Quantized:
    """Pick the L2-nearest codeword per level; pass the remainder down.

    Holds: sum of codewords + residual == x (float32 rounding).
    """
    residual, codes = x, []
    for codebook in codebooks:
        code = nearest(residual, codebook)
        residual = residual - codebook[code]
        codes.append(code)
    return Quantized(codes=torch.stack(codes, dim=1), residual=residual)


def codewords(
    codes: Int[Tensor, "item level"], codebooks: Float[Tensor, "level code dim"]
) -> Float[Tensor, "item level dim"]:
    """The codeword of every level; summed over levels, the vector that the codes stand for."""
    return codebooks[torch.arange(len(codebooks)), codes]


def fit_codebooks(
    x: Float[Tensor, "item dim"],
    start: Float[Tensor, "level code dim"] | None,
    *,
    num_levels: int,
    size: int,
    balance: float,
    generator: torch.Generator,
) -> Float[Tensor, "level code dim"]:
    """Residual k-means: a level's codes are means of what the levels above left over.

    From `start`, or from a k-means++ start. `size` is at most the number of items.
    """
    residual, codebooks = x, []
    for level in range(num_levels):
        begin = spread_start(residual, size, generator) if start is None else start[level]
        codebook = kmeans(residual, begin, balance=balance)
        residual = residual - codebook[nearest(residual, codebook)]
        codebooks.append(codebook)
    return torch.stack(codebooks)


class MovingCodebooks:
    """Codebooks that follow the items they are given, by a moving average, and revive what nobody uses."""

    def __init__(self, start: Float[Tensor, "level code dim"], decay: float) -> None:
        self.codebooks = start.clone()
        self.decay = decay
        self._count = torch.ones(start.shape[:2], device=start.device)
        self._total = start.clone()

    def follow(self, x: Float[Tensor, "item dim"], codes: Int[Tensor, "item level"]) -> None:
        """Move every level towards the means of the residuals that chose its codes."""
        residual = x
        for level, code in enumerate(codes.T):
            # averages of counts and sums, not of means: a code of one item in this batch moves less than one of many
            count = torch.bincount(code, minlength=self._count.shape[1]).float()
            total = torch.zeros_like(self._total[level]).index_add_(0, code, residual)
            residual = residual - self.codebooks[level][code]
            self._count[level].lerp_(count, 1 - self.decay)
            self._total[level].lerp_(total, 1 - self.decay)
            used = self._count[level] > 1e-3
            self.codebooks[level][used] = self._total[level][used] / self._count[level][used].unsqueeze(1)

    def revive(
        self, x: Float[Tensor, "item dim"], codes: Int[Tensor, "item level"], generator: torch.Generator
    ) -> int:
        """Give codes that fell below a tenth of an even share to residuals drawn from the batch; say how many."""
        residual, revived = x, 0
        for level, code in enumerate(codes.T):
            # a tenth of an even share, but never as much as half an item: a code that a batch still uses is not dead
            share = 0.1 * len(x) / self._count.shape[1]
            dead = (self._count[level] < min(share, 0.5)).nonzero().squeeze(1)
            before = self.codebooks[level][code]
            if len(dead):
                drawn = residual[torch.randint(len(x), (len(dead),), generator=generator).to(x.device)]
                self.codebooks[level][dead] = drawn
                self._total[level][dead] = drawn
                self._count[level][dead] = 1.0
                revived += len(dead)
            residual = residual - before
        return revived
