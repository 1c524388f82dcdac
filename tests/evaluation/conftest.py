"""Worlds that several test files judge; made once."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.plan import ReplayPlan
from tests.evaluation.judging import planted


@pytest.fixture(scope="session")
def world() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """Arms whose hit rate is known: good .6, better .75, bad .2, the popularity arms .3."""
    return planted({"good": 0.6, "better": 0.75, "bad": 0.2, "popularity": 0.3, "recent_popularity": 0.3})


@pytest.fixture(scope="session")
def many() -> tuple[ReplayPlan, dict[str, np.ndarray]]:
    """700 users, of whom a sequential test may look at 500."""
    rates = {"better": 0.75, "good": 0.6, "again": 0.6, "popularity": 0.3, "recent_popularity": 0.3}
    return planted(rates, num_users=700)
