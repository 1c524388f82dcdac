"""Bins of events, chosen on the reference: a value that nobody had before falls into a bin of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int

MOST_KINDS = 12  # kinds with a bin of their own; the rarer ones share one
RAREST = 0.01  # share of the reference below which a kind has no bin of its own
_FEW_VALUES = 12  # distinct numbers up to which each is a kind, as the stars of a rating


@dataclass(frozen=True, kw_only=True)
class Bins:
    """`of` maps a column of events to bins [0, num_bins); -1 leaves an event out."""

    num_bins: int
    of: Callable[[pd.Series], Int[np.ndarray, "E"]]


def kinds(reference: pd.Series) -> Bins:
    """A bin for each frequent kind, and the last one for all others, unheard-of ones among them."""
    shares = reference.value_counts(normalize=True)
    named = pd.Index(shares[shares >= RAREST].index[:MOST_KINDS])

    def of(values: pd.Series) -> np.ndarray:
        at = named.get_indexer(values)
        return np.where(at < 0, len(named), at)

    return Bins(num_bins=len(named) + 1, of=of)


def numbers(reference: pd.Series) -> Bins:
    """Kinds where there are few values; else deciles of the reference, and a bin for what has no value."""
    if reference.nunique() <= _FEW_VALUES:
        return kinds(reference)
    edges = np.unique(reference.quantile(np.arange(1, 10) / 10).to_numpy())

    def of(values: pd.Series) -> np.ndarray:
        found = np.searchsorted(edges, values.to_numpy(dtype=float), side="right")
        return np.where(values.isna(), len(edges) + 1, found)

    return Bins(num_bins=len(edges) + 2, of=of)


def popularity(items: pd.Series, *, num_bins: int = 10) -> Bins:
    """Items by falling popularity, each bin with about the same share of these events; others are left out."""
    counts = items.value_counts()  # most frequent first
    before = (counts.cumsum() - counts) / counts.sum()
    tenth = pd.Series((before * num_bins).astype(int), index=counts.index)
    dense = pd.Series(np.unique(tenth, return_inverse=True)[1], index=counts.index)
    known = pd.Index(dense.index)

    def of(values: pd.Series) -> np.ndarray:
        at = known.get_indexer(values)
        return np.where(at < 0, -1, dense.to_numpy()[at])

    return Bins(num_bins=int(dense.max()) + 1, of=of)
