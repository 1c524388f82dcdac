"""Users are dealt to versions as the policy says, again and again, and by another policy otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.bandit.arm_policy import learn
from components.bandit.dealing import deal
from components.bandit.policy_file import SavedPolicy
from tests.bandit.worlds import HalvesWorld

USERS = [f"u{number}" for number in range(8_000)]


@pytest.fixture
def saved() -> SavedPolicy:
    """Little to learn from, so that many users are dealt with a probability between."""
    policy = learn(HalvesWorld().draw(60, 0), ("1", "2"), explore=0.2)
    return SavedPolicy(policy=policy, popular=(), outcome="HOLD")


def test_as_often_as_the_policy_says(saved: SavedPolicy):
    context = HalvesWorld().draw(len(USERS), 1).context
    chances = saved.policy.probabilities(context)
    places, noted = deal(saved, USERS, context)
    assert noted.tolist() == chances[np.arange(len(USERS)), places].tolist()
    # a share of 300 has a standard error of .03 at most, one of 8,000 of .006
    for band in (chances[:, 1] < 0.3, chances[:, 1] > 0.7, np.abs(chances[:, 1] - 0.5) <= 0.2):
        assert band.sum() > 300
        assert places[band].mean() == pytest.approx(chances[band, 1].mean(), abs=0.1)
    assert places.mean() == pytest.approx(chances[:, 1].mean(), abs=0.02)


def test_again_the_same_and_by_another_policy_another_draw(saved: SavedPolicy):
    context = np.tile([500.0, 10.0], (2_000, 1))
    places = deal(saved, USERS[:2_000], context)[0]
    assert np.array_equal(places, deal(saved, USERS[:2_000], context)[0])
    backwards = deal(saved, USERS[1_999::-1], context)[0]
    assert np.array_equal(places, backwards[::-1])
    other = deal(replace(saved, outcome="PROMOTE"), USERS[:2_000], context)[0]
    share = places.mean()
    assert (places != other).mean() == pytest.approx(2 * share * (1 - share), abs=0.06)
