"""From exposures to a bandit's rounds: reward, propensity, and a context of what lay before a user's first list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from components.bandit.arm_log import arm_log_from_rows, split_in_time
from components.bandit.judging import deciding, judge_bandit
from components.evaluation.counterfactual.profile import small
from components.evaluation.verdict import Outcome
from components.serving.arm_rounds import arm_rounds
from components.serving.split import variant_of
from tests.serving.test_live_test import CHALL, CHAMP, DAY, SALT, SHARE, events, shown
from tests.serving.world import HOUR, NOW


def test_worked_example():
    """The champion's user has had 4 items, 1 popular, the last a day ago; they take b, popular, a day after the list.

    Their second list comes an hour after that, and its context is that of the first; of it they take nothing in time.
    The challenger's user is new, has b an hour after the test began, and takes their first list's c in the same
    moment as it is shown, two hours later: neither a reward nor context.
    """
    log = [
        shown(CHAMP, "ab", NOW, "champion"),
        shown(CHALL, "cd", NOW + 3 * HOUR, "challenger"),
        shown(CHAMP, "de", NOW + DAY + HOUR, "champion"),
    ]
    before = pd.DataFrame(
        {"user_id": [CHALL, CHAMP], "events": [0, 4], "popular": [0, 1], "last_at": [pd.NaT, NOW - DAY]}
    )
    since = events(
        (CHAMP, "b", NOW + DAY), (CHALL, "c", NOW + 3 * HOUR), (CHAMP, "d", NOW + 4 * DAY),
        (CHALL, "b", NOW + HOUR), ("elsewhere", "b", NOW + HOUR),
    )  # fmt: skip
    since["event_id"] = ["e1", "e2", "e3", "e4", "e5"]
    found = arm_rounds(
        log[::-1], before, since, outcomes=since["event_id"], popular=("b", "c"), within=2 * DAY
    )
    assert found["version"].tolist() == ["1", "2", "1"]
    assert found["reward"].tolist() == [1, 0, 0]
    assert found["propensity"].tolist() == [0.5, 0.5, 0.5]
    assert found["user_id"].tolist() == [CHAMP, CHALL, CHAMP]
    assert found["context_history_length"].tolist() == [4, 1, 4]
    assert found["context_days_since_last_event"].tolist() == pytest.approx([1, 2 / 24, 1])
    assert found["context_popular_share"].tolist() == [0.25, 1, 0.25]
    assert (found["settled"] - found["shown"]).tolist() == [timedelta(days=2).total_seconds()] * 3
    assert found["shown"].is_monotonic_increasing


def test_who_never_had_anything_has_the_context_of_nobody():
    log = [shown(CHAMP, "ab", NOW, "champion")]
    before = pd.DataFrame({"user_id": [CHAMP], "events": [0], "popular": [0], "last_at": [pd.NaT]})
    found = arm_rounds(log, before, events().assign(event_id=[]), outcomes=(), popular=("a",), within=DAY)
    assert found.filter(like="context_").to_numpy().tolist() == [[0, 3_650, 0]]


def test_only_what_counts_as_an_outcome_is_a_reward_and_everything_is_context():
    """Two events, then a list that both are history of, and two on the list of which the click does not count."""
    log = [shown(CHALL, "xy", NOW, "challenger"), shown(CHAMP, "ab", NOW + DAY, "champion")]
    before = pd.DataFrame(
        {"user_id": [CHAMP, CHALL], "events": [0, 0], "popular": [0, 0], "last_at": [pd.NaT, pd.NaT]}
    )
    since = events(
        (CHAMP, "q", NOW + HOUR), (CHAMP, "r", NOW + 2 * HOUR), (CHAMP, "a", NOW + DAY + HOUR),
        (CHAMP, "b", NOW + DAY + 2 * HOUR),
    ).assign(event_id=["early click", "early buy", "click", "buy"])  # fmt: skip

    def rewards(*outcomes: str) -> list[float]:
        found = arm_rounds(log, before, since, outcomes=outcomes, popular=(), within=HOUR)
        assert found["context_history_length"].tolist() == [0, 2]
        return found["reward"].tolist()

    assert rewards("click", "buy") == [0, 1]
    assert rewards("buy") == [0, 0]


def test_what_a_version_makes_of_its_users_is_that_versions_own():
    """Version 1 makes histories grow, and who has a longer one takes more, from any version; version 2 alone adds .05.

    A hash deals 1,500 users once, each has a list a day for eight days. Over the last four, version 1's users take
    from .56 of their lists and version 2's from .26. Were the context as of every list, a model would give version 1
    the short histories of version 2's users, and version 2 the long ones that only version 1 makes.
    """
    generator = np.random.default_rng(0)
    users = [f"w{number}" for number in range(1_500)]
    had_before = generator.integers(0, 10, len(users))
    log, had, taken = [], [], {"champion": [], "challenger": []}
    for user, history in zip(users, had_before.tolist(), strict=True):
        variant = variant_of(user, share=SHARE, salt=SALT)
        for day in range(8):
            at = NOW + day * DAY
            log.append(shown(user, "a", at, variant))
            is_taken = generator.random() < min(0.1 + 0.02 * history + 0.05 * (variant == "challenger"), 0.9)
            came = ["a"] * is_taken + ["other"] * 3 * (variant == "champion")
            had += [(user, item, at + HOUR + n * timedelta(minutes=1)) for n, item in enumerate(came)]
            history += len(came)
            if day >= 4:
                taken[variant].append(is_taken)
    figures = pd.DataFrame({"user_id": users, "events": had_before, "popular": 0, "last_at": NOW - DAY})
    since = events(*had)
    since["event_id"] = np.arange(len(since)).astype(str)
    rows = arm_rounds(log, figures, since, outcomes=since["event_id"], popular=(), within=DAY - HOUR)
    profile = replace(small(), resamples=2_000, estimator="dr")
    found = judge_bandit(
        *split_in_time(arm_log_from_rows(rows, ("1", "2")), 0.5), ("1", "2"), profile, explore=0.05
    )
    assert found.verdict.outcome is not Outcome.INVALID
    assert found.best_single == "1"
    for single, variant in zip(found.policies[1:], ("champion", "challenger"), strict=True):
        estimate = deciding(single.estimates, profile)
        assert estimate.value == pytest.approx(np.mean(taken[variant]), abs=0.02)
        assert estimate.lower < np.mean(taken[variant]) < estimate.upper
