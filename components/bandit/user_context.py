"""What is known of a user at a moment, in three numbers. Shapes: N users, each at a moment of their own."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

CONTEXT = ("history_length", "days_since_last_event", "popular_share")
NO_EVENT_DAYS = 3650.0  # since the last event, where there is none or it is longer ago


def user_context(
    events: Float[np.ndarray, "N"], popular: Float[np.ndarray, "N"], days_since: Float[np.ndarray, "N"]
) -> Float[np.ndarray, "N 3"]:
    """By CONTEXT, from counts of events and of those on popular items, and days since the last (NaN: none)."""
    days = np.minimum(np.nan_to_num(days_since, nan=NO_EVENT_DAYS), NO_EVENT_DAYS)
    share = np.divide(popular, events, out=np.zeros(len(events)), where=events > 0)
    return np.column_stack([events, days, share])
