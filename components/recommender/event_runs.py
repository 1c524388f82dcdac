"""Runs of neighbouring events, cut from columns: as padded rows, or one after another.

Shapes: W runs, P - 1 events of the longest, N events of all runs together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def pad_runs(
    items: Int[np.ndarray, "event"],
    times: Int[np.ndarray, "event"],
    start: Int[np.ndarray, "W"],
    end: Int[np.ndarray, "W"],
) -> tuple[Int[np.ndarray, "W P_minus_1"], Int[np.ndarray, "W P_minus_1"]]:
    """items[start:end] and times[start:end] of every run as rows, filled on the right.

    Items are filled with 0, times with the run's last, so that no gap of time is made up.
    """
    width = int((end - start).max(initial=0))
    if width == 0:
        return np.zeros((len(start), 0), dtype=np.int64), np.zeros((len(start), 0), dtype=np.int64)
    place = start[:, None] + np.arange(width)
    is_real = place < end[:, None]
    # an empty run at the very start would point before the first event: any event serves, nobody reads it
    last = np.clip(end - 1, 0, len(items) - 1)
    place = np.where(is_real, place, last[:, None])
    return np.where(is_real, items[place], 0).astype(np.int64), times[place]


def flat_runs(
    start: Int[np.ndarray, "W"], end: Int[np.ndarray, "W"]
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """Every event of every run, run after run: which run it is of, and its position."""
    counts = end - start
    row = np.repeat(np.arange(len(counts)), counts)
    # counted through all runs, minus what lies before the event's own run: its place within that run
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, place + start[row]
