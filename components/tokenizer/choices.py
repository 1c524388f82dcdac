"""What each name of a tokenizer stands for, in full size and in one for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from components.tokenizer.config import TokenizerConfig, default, fsq, kmeans, paper, product, quick
from components.tokenizer.health import HealthLimits
from components.tokenizer.names import TokenizerName

Size = Literal["default", "quick"]


def size_of(preset: str) -> Size:
    """Of a tokenizer there is the full one and the one for tests, whatever an arm's presets are called."""
    return "quick" if preset == "quick" else "default"


def tokenizer_config(name: TokenizerName, size: Size, *, seed: int) -> TokenizerConfig:
    """The configuration that a name stands for; `quick` is small in steps, codes and widths."""
    full = {
        "graph_rqvae": default, "residual_kmeans": kmeans, "fsq": fsq, "product": product, "paper": paper,
    }  # fmt: skip
    config = full[name]() if size == "default" else _quick(name)
    return replace(config, seed=seed)


def health_limits(name: TokenizerName) -> HealthLimits:
    """What a fit by this name is held to.

    A grid is laid before any item is seen, and no item need lie near each of its points: on 60 to 200 items of a few
    clusters half of them stay empty while every item has a tuple of its own. Where it collapses, next to none is used.
    """
    return HealthLimits(min_usage=0.35, min_perplexity=0.2) if name == "fsq" else HealthLimits()


def _quick(name: TokenizerName) -> TokenizerConfig:
    small = quick()
    if name == "paper":
        graph = replace(paper().graph, dim=16, hidden_dim=16, steps=20, batch_size=256)
        return replace(paper(), codebook_size=16, graph=graph, steps=60, batch_size=128)
    if name == "fsq":  # nothing but training spreads items over the grid, so there is more of it
        return replace(small, kind="fsq", steps=400, learning_rate=2e-2, hidden_dims=(64,))
    if name == "product":  # a level that sees a part of the vector alone tells fewer items apart
        return replace(small, kind="product", codebook_size=32)
    return replace(small, kind=name)
