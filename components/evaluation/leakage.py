"""Nothing that a replay may use comes from after the cut: checked where it enters, and said in words."""

from __future__ import annotations

from datetime import datetime

import pandas as pd


class LeakageError(Exception):
    """Something that the replay may use comes from after the cut."""


def check_train_end(name: str, train_end: datetime, cut: datetime) -> None:
    """Refuse an arm that was trained past the cut (`train_end` is exclusive). Raises LeakageError."""
    if train_end > cut:
        raise LeakageError(
            f"{name} was trained past the cut: on events up to {train_end.isoformat()}, and the window begins at "
            f"{cut.isoformat()}; it has seen the answers. Begin the window at "
            f"{train_end.isoformat()} or later (--train-cutoff of recloop retrain, --start of recloop replay)."
        )


def check_times(train: pd.DataFrame, window: pd.DataFrame, cut: datetime, end: datetime) -> None:
    """Training lies before the cut, the window in [cut, end). Raises LeakageError naming the first event."""
    if cut >= end:
        raise LeakageError(
            f"the window [{cut.isoformat()}, {end.isoformat()}) is empty or turned round; end it later (--as-of of "
            "recloop retrain, --end of recloop replay)"
        )
    if (late := train["timestamp"] >= cut).any():
        raise _leak(
            "training", train[late], f"{late.sum()} of {len(train)} events are not before the cut {cut}"
        )
    outside = (window["timestamp"] < cut) | (window["timestamp"] >= end)
    if outside.any():
        raise _leak(
            "window", window[outside], f"{outside.sum()} of {len(window)} events lie outside [{cut}, {end})"
        )


def _leak(what: str, rows: pd.DataFrame, count: str) -> LeakageError:
    first = rows.iloc[0]
    return LeakageError(
        f"{what} events: {count}; the first is event {first['event_id']} of user {first['user_id']} at "
        f"{first['timestamp'].isoformat()}. Take both snapshots at the same cut."
    )
