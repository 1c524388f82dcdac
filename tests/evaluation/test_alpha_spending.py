"""Alpha over successive challengers of one window."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.alpha_spending import Attempt, resamples_for, shares
from components.evaluation.comparison import Pairing, compare_pairs
from components.evaluation.profile import small


def test_worked_example():
    """Among 3, 1/k^2 is 1, 1/4, 1/9: together 49/36. Of alpha .049 they get .036, .009, .004."""
    assert shares(0.049, 3) == pytest.approx((0.036, 0.009, 0.004))


@given(alpha=st.floats(1e-4, 0.4), challengers=st.integers(1, 50))
def test_shares_fall_and_add_up_to_alpha(alpha: float, challengers: int):
    found = shares(alpha, challengers)
    assert len(found) == challengers
    assert sum(found) == pytest.approx(alpha)
    assert all(one > other for one, other in pairwise(found))


def test_resamples_grow_with_the_tail():
    """50 beyond a tail of .025 are 2,000 resamples, of .0025 ten times as many."""
    assert (resamples_for(0.025), resamples_for(0.0025)) == (2_000, 20_000)


@pytest.mark.parametrize("broken", [(0, 0.01), (1, -0.1), (1, 0.5), (1, float("nan"))])
def test_an_attempt_that_cannot_be_is_refused(broken: tuple[int, float]):
    with pytest.raises(ValueError, match="attempts count from 1"):
        Attempt(number=broken[0], alpha_one_sided=broken[1])


def test_trying_five_worthless_challengers_does_not_pay():
    """150 windows of 300 users, five A/A challengers each, some promoted by chance alone.

    At the full alpha of .1 (one-sided) each, about 1 - .9^5 = 41 % of the windows promote one; with shares
    at most 10 % may, and its binomial bound at 150 windows is .1 + 3 sqrt(.1 .9 / 150) = .173.
    """
    generator, promoted = np.random.default_rng(8), {"shares": 0, "full": 0}
    for _ in range(150):
        lower: dict[str, list[float]] = {"shares": [], "full": []}
        for share in shares(0.1, 5):
            base, other = generator.random(300), generator.random(300)
            pairing = Pairing(
                challenger="a", baseline="b", metric="m", slice="all",
                challenger_values=other, baseline_values=base,
            )  # fmt: skip
            for name, alpha in (("shares", share), ("full", 0.1)):
                found = compare_pairs([pairing], alpha_one_sided=alpha, resamples=2_000)[0]
                lower[name].append(found.lower)
        for name in promoted:
            promoted[name] += max(lower[name]) > 0
    assert promoted["shares"] / 150 <= 0.173
    assert promoted["full"] / 150 > 0.25


def test_a_profile_divides_its_own_alpha():
    profile = replace(small(), challengers_a_window=1)
    assert profile.alpha_shares == (0.025,)
    assert sum(small().alpha_shares) == pytest.approx(0.025)
