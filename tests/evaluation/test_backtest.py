"""Several windows pooled: a worked example, what shared users change, and that the interval keeps its level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.evaluation.backtest import PairedWindow, pool


def window(users: list[str], *differences: float) -> PairedWindow:
    return PairedWindow(users=np.array(users, dtype=object), differences=np.array(differences))


def test_worked_example() -> None:
    """Means .2 and .4, each counting alike though one has more users: .3. Variance of the means .02, over two: .01.

    a and b stand in both: their errors are (-.1, +.1) of 2 users and (-.2, +.2) of 4, so they share
    (.1 * .2 + .1 * .2) / (2 * 4) = .005. t of one degree of freedom at .975 is 12.706.
    """
    found = pool("r", [window(["a", "b"], 0.1, 0.3), window(["a", "b", "c", "d"], 0.2, 0.6, 0.4, 0.4)])
    assert found.lower is not None
    assert (found.mean, found.windows, found.users) == (pytest.approx(0.3), 2, 4)
    assert found.spread == pytest.approx(math.sqrt(0.02))
    assert found.shared == pytest.approx(0.005)
    assert found.mean - found.lower == pytest.approx(12.7062 * math.sqrt(0.01 + 0.005), rel=1e-4)


def test_one_window_has_no_interval() -> None:
    found = pool("r", [window(["a", "b"], 0.1, 0.3)])
    assert (found.mean, found.lower, found.upper, found.spread) == (pytest.approx(0.2), None, None, None)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=1, max_size=6), min_size=2, max_size=5))
@settings(max_examples=60, deadline=None)
def test_disjoint_users_give_students_t_over_windows(differences: list[list[float]]) -> None:
    apart = [window([f"{n}-{m}" for m in range(len(some))], *some) for n, some in enumerate(differences)]
    found, means = pool("r", apart), [float(np.mean(some)) for some in differences]
    half = stats.t.ppf(0.975, len(means) - 1) * np.std(means, ddof=1) / math.sqrt(len(means))
    assert found.lower == pytest.approx(np.mean(means) - half, abs=1e-12)
    assert found.upper == pytest.approx(np.mean(means) + half, abs=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_shared_users_never_make_it_narrower_and_their_order_does_not_count(seed: int) -> None:
    rng = np.random.default_rng(seed)
    users = [f"u{n}" for n in range(8)]
    shared = [window(users, *rng.normal(size=8)) for _ in range(3)]
    apart = [window([f"{n}{u}" for u in users], *w.differences) for n, w in enumerate(shared)]
    one, other = pool("r", shared), pool("r", apart)
    assert one.lower is not None
    assert other.lower is not None
    assert one.lower <= other.lower + 1e-12
    order = rng.permutation(8)
    turned = [PairedWindow(users=w.users[order], differences=w.differences[order]) for w in shared]
    assert pool("r", turned).lower == pytest.approx(one.lower, abs=1e-12)


def test_the_interval_keeps_its_level_where_users_return() -> None:
    """No difference on the whole, but every user has a taste that stays: 6 windows of 60 of 90 users, 1,500 worlds.

    Student's t over windows alone takes the windows for independent and misses far more often than 5 %.
    """
    rng, missed, naive, worlds = np.random.default_rng(7), 0, 0, 1500
    for _ in range(worlds):
        taste = rng.normal(size=90)
        windows = []
        for _ in range(6):
            here = rng.choice(90, size=60, replace=False)
            windows.append(PairedWindow(users=here, differences=taste[here] + rng.normal(size=60) / 2))
        found = pool("r", windows)
        assert found.lower is not None
        assert found.upper is not None
        assert found.spread is not None
        missed += not found.lower <= 0 <= found.upper
        naive += abs(found.mean) > stats.t.ppf(0.975, 5) * found.spread / math.sqrt(6)
    assert missed / worlds < 0.06
    assert naive / worlds > 0.3
