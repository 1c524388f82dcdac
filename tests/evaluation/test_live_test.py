"""Reading a live test: figures by hand, the level over all looks, what a broken split and an early look are called."""

from __future__ import annotations

import numpy as np
import pytest

from components.evaluation.live_test import (
    Call,
    LiveProfile,
    LiveResult,
    LiveUsers,
    production,
    read_live_test,
    small,
)
from components.evaluation.profile import ProfileError, Sequential


def users_of(
    arm: np.ndarray, outcome: np.ndarray, *, settled: np.ndarray | None = None, misdealt: int = 0
) -> LiveUsers:
    return LiveUsers(
        arm=arm, outcome=outcome.astype(float),
        is_settled=np.ones(len(arm), dtype=bool) if settled is None else settled,
        lists=np.full(len(arm), 2), rewarded=outcome.astype(np.int64), num_misdealt=misdealt,
    )  # fmt: skip


def drawn(num: int, rates: tuple[float, float], *, share: float = 0.5, seed: int = 0) -> LiveUsers:
    rng = np.random.default_rng(seed)
    arm = (rng.random(num) < share).astype(np.int64)
    return users_of(arm, rng.random(num) < np.array(rates)[arm])


def read(users: LiveUsers, profile: LiveProfile | None = None, share: float = 0.5) -> LiveResult:
    return read_live_test(
        users, profile or small(), share=share, champion="version 1", challenger="version 2"
    )


def code(result: LiveResult) -> str:
    return result.reasons[0].code


def test_worked_example_of_the_difference():
    """Share 1/2, users C(0) H(1) C(1) H(0): m is 0, 0, 1/2, 2/3, so z is 0, 2, -1, -4/3; their mean is -1/12."""
    profile = LiveProfile(
        name="p", sequential=Sequential(enabled=True, method="empirical_bernstein", n_min=30)
    )
    found = read(users_of(np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])), profile)
    assert found.path is not None
    assert found.path.mean[-1] == pytest.approx(-1 / 12)
    assert (found.path.lower[-1], found.path.upper[-1]) == (-1.0, 1.0)
    assert (found.champion.users, found.champion.lists, found.champion.list_rate) == (2, 4, 0.25)
    assert (found.champion.outcome_rate, found.challenger.outcome_rate) == (0.5, 0.5)
    assert (found.call, code(found)) == (Call.CONTINUE, "too_few_users")


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_mean_is_the_difference_of_the_rates(share: float):
    found = read(drawn(40_000, (0.2, 0.3), share=share, seed=1), share=share)
    assert found.path is not None
    assert found.path.mean[-1] == pytest.approx(0.1, abs=0.02)
    assert found.path.lower[-1] < 0.1 < found.path.upper[-1]


@pytest.mark.parametrize(
    ("rates", "num", "expected", "reason"),
    [
        ((0.2, 0.7), 600, Call.PROMOTE, "better"),
        ((0.7, 0.2), 600, Call.STOP, "worse"),
        ((0.3, 0.3), 600, Call.CONTINUE, "undecided"),
        ((0.5, 0.5), 150_000, Call.STOP, "too_small_to_matter"),
        ((0.2, 0.7), 80, Call.CONTINUE, "too_few_users"),
        ((0.0, 0.0), 600, Call.CONTINUE, "no_outcomes"),
    ],
)
def test_calls(rates: tuple[float, float], num: int, expected: Call, reason: str):
    found = read(drawn(num, rates, seed=3))
    assert (found.call, code(found)) == (expected, reason)


@pytest.mark.parametrize(
    ("profile", "num"), [(small(), 1_500), (production(), 6_000)], ids=["small", "production"]
)
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_equal_versions_are_called_better_or_worse_at_most_as_often_as_alpha_says(
    profile: LiveProfile, num: int, share: float
):
    """Looked at after every user: over 200 tests of two equal versions at most 5 % and three standard errors."""
    crossed = 0
    for seed in range(200):
        path = read(drawn(num, (0.1, 0.1), share=share, seed=seed), profile, share=share).path
        assert path is not None
        crossed += any(low > 0 or high < 0 for low, high in zip(path.lower, path.upper, strict=True))
    assert crossed / 200 <= profile.alpha + 3 * np.sqrt(profile.alpha * (1 - profile.alpha) / 200)


def test_a_broken_split_tells_no_difference():
    """300 to 700 where a half was asked for: whoever is missing may be those with outcomes."""
    arm = np.repeat([0, 1], [300, 700])
    found = read(users_of(arm, np.ones(1_000)))
    assert (found.call, code(found)) == (Call.INVALID, "sample_ratio")
    assert (
        "300 users got the champion and 700 the challenger, and 50% to 50% was asked for"
        in found.reasons[0].text
    )
    assert (found.path, found.unpaired) == (None, None)
    fine = read(users_of(arm, np.ones(1_000)), share=0.7)
    assert fine.call is not Call.INVALID


def test_users_of_another_split_make_it_invalid():
    users = drawn(400, (0.5, 0.5))
    found = read(users_of(users.arm, users.outcome, misdealt=3))
    assert (found.call, code(found)) == (Call.INVALID, "misdealt")


def test_users_whose_time_is_not_over_count_for_the_split_alone():
    users = drawn(600, (0.2, 0.7), seed=3)
    nobody = read(users_of(users.arm, users.outcome, settled=np.zeros(600, dtype=bool)))
    assert (nobody.call, nobody.path, nobody.champion.waiting) == (Call.CONTINUE, None, nobody.champion.users)
    assert nobody.sample_ratio == read(users).sample_ratio


def test_profiles_are_checked():
    with pytest.raises(ProfileError, match="looks begin at 30 users"):
        LiveProfile(name="hasty", sequential=Sequential(n_min=10))
    with pytest.raises(ProfileError, match="alpha lies between"):
        LiveProfile(name="sure", sequential=Sequential(), alpha=0)
    with pytest.raises(ValueError, match="there is no test"):
        read(drawn(100, (0.5, 0.5)), share=1.0)
