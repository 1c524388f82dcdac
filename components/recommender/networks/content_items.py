"""Item vectors that are a learned function of what items are, and a free vector beside it where asked.

The frozen content vector is projected to the width of the item vectors and added to the item's own (HSTU-BLaIR, Liu
2025, arXiv:2504.10545); without free vectors it is all that an item is (M2TRec, Shalaby et al. 2022, arXiv:2209.11824),
so items without any event are ranked like those with many. Content is read through its principal components: what
encoders bring is wide, and a step of training projects the whole catalogue.

Shapes: item, width of the content vectors, c components, dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from components.content_vectors import ContentVectors
from components.recommender.networks.hstu_block import start_at_nothing
from components.recommender.networks.item_embedding import ItemEmbedding

ROWS = 8192  # of content that are read at once: 64 MB for a width of 2,000
RIDGE = 10.0  # items whose weight the penalty has, where the start is a regression on content


@dataclass(frozen=True, kw_only=True)
class Content:
    """How content is read."""

    components: int = 256  # of the items with events, at most as many as there are
    hidden: int = 0  # units of a layer beside the linear map; 0: the linear map alone

    def __post_init__(self) -> None:
        if self.components < 1 or self.hidden < 0:
            raise ValueError(f"components {self.components} is 1 or more, hidden {self.hidden} 0 or more")


class ContentItems(ItemEmbedding):
    """Item vectors without codes, all at once or of some items.

    While they are trained, `content` is there: `read` puts it. `settle` keeps what it has come to and lets go of it, so
    that a trained arm is as small as any other, and holds what it takes to project the content of further items.
    """

    projected: Float[Tensor, "item dim"]
    mean: Float[Tensor, "width"]
    basis: Float[Tensor, "width c"]
    content: Float[Tensor, "item c"] | None

    def __init__(
        self,
        is_trained: Bool[Tensor, "item"],
        width: int,
        dim: int,
        how: Content,
        *,
        free: bool = True,
        free_dropout: float = 0.0,
    ) -> None:
        num_items = len(is_trained)
        super().__init__(
            torch.zeros(num_items, 0, dtype=torch.long), (), dim, free=free, free_dropout=free_dropout
        )
        if self.free is not None:
            with torch.no_grad():
                self.free[~is_trained] = 0  # nothing would teach it
        self.linear = nn.Linear(how.components, dim)
        self.hidden = nn.Linear(how.components, how.hidden) if how.hidden else None
        self.narrow = nn.Linear(how.hidden, dim) if how.hidden else None
        if self.narrow is not None:
            start_at_nothing(self.narrow)
        self.register_buffer("projected", torch.zeros(num_items, dim))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("basis", torch.zeros(width, how.components))
        self.register_buffer("content", None, persistent=False)

    @torch.no_grad()
    def read(
        self,
        content: ContentVectors,
        is_trained: Bool[np.ndarray, "item"],
        before: ContentItems | None = None,
    ) -> None:
        """Take the items' content: by the components of those with events, or by those that `before` reads by."""
        if before is None:
            self.mean, self.basis = principal_components(
                content.vectors, content.is_known & is_trained, self.basis.shape[1]
            )
        else:
            self.mean, self.basis = before.mean.cpu().clone(), before.basis.cpu().clone()
        self.content = self.reduced(content)

    def reduced(self, content: ContentVectors) -> Float[Tensor, "item c"]:
        """Content as it is projected; zeros where there is none."""
        mean, basis = self.mean.cpu().numpy(), self.basis.cpu().numpy()
        parts = [content.vectors[:0] @ basis]
        for first in range(0, len(content), ROWS):
            rows = content.of(np.arange(first, min(first + ROWS, len(content))))
            parts.append((rows.vectors - mean) @ basis * rows.is_known[:, None])
        return torch.from_numpy(np.concatenate(parts).astype(np.float32))

    def project(self, content: Float[Tensor, "some c"]) -> Float[Tensor, "some dim"]:
        vectors = self.linear(content)
        if self.hidden is not None and self.narrow is not None:
            vectors = vectors + self.narrow(F.gelu(self.hidden(content)))
        return vectors

    def forward(self) -> Float[Tensor, "item dim"]:
        vectors = self.projected if self.content is None else self.project(self.content)
        return vectors if self.free is None else self._with_free(vectors, self.free)

    def of(
        self, items: Int[Tensor, "some"], free: Float[Tensor, "some dim"] | None
    ) -> Float[Tensor, "some dim"]:
        vectors = self.projected[items] if self.content is None else self.project(self.content[items])
        return vectors if free is None else self._with_free(vectors, free)

    @torch.no_grad()
    def begin_at(self, vectors: Float[Tensor, "item dim"]) -> None:
        """Start near these vectors: the projection at what content says of them, the free vectors at the rest.

        Items whose vector is zero have no say, and no rest; nor have those without content a say in the projection.
        """
        assert self.content is not None
        has_vector = vectors.abs().sum(dim=1) > 0
        told = has_vector & (self.content.abs().sum(dim=1) > 0)
        wanted = vectors.to(self.linear.weight)
        if told.any():
            read, aim = self.content[told].double(), wanted[told].double()
            centre = aim.mean(dim=0)
            penalty = RIDGE * torch.eye(read.shape[1], dtype=read.dtype, device=read.device) / read.shape[1]
            solved = torch.linalg.solve(read.T @ read + penalty, read.T @ (aim - centre))
            self.linear.weight.copy_(solved.T)
            self.linear.bias.copy_(centre)
        if self.free is not None:
            self.free.zero_()
            self.free[has_vector] = (wanted - self.project(self.content))[has_vector]

    @torch.no_grad()
    def settle(self) -> None:
        """Keep what content has come to, and let go of it."""
        assert self.content is not None
        self.projected, self.content = self.project(self.content).clone(), None


def principal_components(
    vectors: Float[np.ndarray, "item width"], chosen: Bool[np.ndarray, "item"], count: int
) -> tuple[Float[Tensor, "width"], Float[Tensor, "width c"]]:
    """Mean of the chosen rows, and what brings a row less the mean to its leading components.

    Components stand in the order of their variance; of all together the mean squared length is 1. Columns that the rows
    have no component for are zeros. Of n items of width w: time n w², memory w² and ROWS w.
    """
    width, rows = vectors.shape[1], np.flatnonzero(chosen)
    batches = [rows[first : first + ROWS] for first in range(0, len(rows), ROWS)]
    mean = sum((vectors[batch].sum(axis=0, dtype=np.float64) for batch in batches), np.zeros(width))
    mean = mean / max(len(rows), 1)
    spread = np.zeros((width, width))
    for batch in batches:
        centred = vectors[batch] - mean
        spread += centred.T @ centred
    variance, directions = np.linalg.eigh(spread / max(len(rows), 1))
    order = np.argsort(-variance, kind="stable")[:count]
    kept = order[variance[order] > 1e-9]  # float32 content: what is below is rounding
    # of a direction either sign is one; the largest entry is made positive, so that two machines agree
    signs = np.sign(directions[np.abs(directions[:, kept]).argmax(axis=0), kept])
    basis = np.zeros((width, count))
    basis[:, : len(kept)] = directions[:, kept] * signs / np.sqrt(max(variance[kept].sum(), 1e-9))
    return torch.from_numpy(mean.astype(np.float32)), torch.from_numpy(basis.astype(np.float32))
