"""Which rows say the same in several columns: found by a 64-bit mix of them all, told apart exactly where it repeats.

Costs one sort of as many numbers as there are rows, and more only for rows that repeat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads neighbouring codes over all bits
_HALF = np.uint64(29)


def occurrences(key: Sequence[Int[np.ndarray, "row"]], order: Sequence[np.ndarray]) -> Int[np.ndarray, "row"]:
    """The number of each row among those that agree in all of `key`, from 0.

    They are counted by the last column of `order`, then the one before it and so on, then by their place.
    """
    number = np.zeros(len(key[0]), dtype=np.int32)
    rows = repeated(key)
    if len(rows):
        sort = np.lexsort((*(by[rows] for by in order), *(column[rows] for column in key)))
        number[rows[sort]] = _counted([column[rows[sort]] for column in key])
    return number


def repeated(key: Sequence[Int[np.ndarray, "row"]]) -> Int[np.ndarray, "some"]:
    """Places, ascending, of all rows that agree in all of `key` with another one, and perhaps of a few that do not."""
    mixed = _mixed(key)
    ascending = np.sort(mixed)
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    if not len(twice):
        return np.empty(0, dtype=np.int64)
    at = np.searchsorted(twice, mixed)
    at[at == len(twice)] = 0
    return np.flatnonzero(twice[at] == mixed)


def _mixed(key: Sequence[Int[np.ndarray, "row"]]) -> np.ndarray:
    """[row] uint64: rows that agree in all columns have the same number, others hardly ever."""
    mixed = np.zeros(len(key[0]), dtype=np.uint64)
    for column in key:
        mixed ^= column.astype(np.int64, copy=False).view(np.uint64)
        mixed *= _ODD  # wraps around
        mixed ^= mixed >> _HALF
    return mixed


def _counted(ascending: Sequence[np.ndarray]) -> np.ndarray:
    """[row] the place of each row of a sorted key within its stretch of equal ones."""
    places = np.arange(len(ascending[0]))
    starts = np.zeros(len(places), dtype=bool)
    starts[:1] = True
    for column in ascending:
        starts[1:] |= column[1:] != column[:-1]
    return places - np.maximum.accumulate(np.where(starts, places, 0))
