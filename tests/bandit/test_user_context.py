"""Three numbers of a user, by hand."""

from __future__ import annotations

import numpy as np

from components.bandit.user_context import CONTEXT, user_context


def test_worked_example():
    """Four events, one of them on a popular item, the last two days ago; nobody yet; somebody of long ago."""
    found = user_context(np.array([4.0, 0, 1]), np.array([1.0, 0, 1]), np.array([2.0, np.nan, 9_999]))
    assert CONTEXT == ("history_length", "days_since_last_event", "popular_share")
    assert found.tolist() == [[4, 2, 0.25], [0, 3_650, 0], [1, 3_650, 1]]
