"""From exposures to a bandit's rounds: reward, propensity, and a context of what lay before the list alone."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from components.serving.arm_rounds import arm_rounds
from tests.serving.test_live_test import CHALL, CHAMP, DAY, events, shown
from tests.serving.world import HOUR, NOW


def test_worked_example():
    """The champion's user has had 4 items, 1 popular, the last a day ago; they take b, popular, a day after the list.

    Their second list comes an hour after that: five events, two popular, an hour ago; of it they take nothing in
    time. The challenger's user is new, and takes their list's c in the same moment as it is shown: neither a reward
    nor context.
    """
    log = [
        shown(CHAMP, "ab", NOW, "champion"),
        shown(CHALL, "cd", NOW + HOUR, "challenger"),
        shown(CHAMP, "de", NOW + DAY + HOUR, "champion"),
    ]
    before = pd.DataFrame(
        {"user_id": [CHALL, CHAMP], "events": [0, 4], "popular": [0, 1], "last_at": [pd.NaT, NOW - DAY]}
    )
    since = events((CHAMP, "b", NOW + DAY), (CHALL, "c", NOW + HOUR), (CHAMP, "d", NOW + 4 * DAY))
    since["event_id"] = ["e1", "e2", "e3"]
    found = arm_rounds(
        log[::-1], before, since, outcomes=["e1", "e2", "e3"], popular=("b", "c"), within=2 * DAY
    )
    assert found["version"].tolist() == ["1", "2", "1"]
    assert found["reward"].tolist() == [1, 0, 0]
    assert found["propensity"].tolist() == [0.5, 0.5, 0.5]
    assert found["user_id"].tolist() == [CHAMP, CHALL, CHAMP]
    assert found["context_history_length"].tolist() == [4, 0, 5]
    assert found["context_days_since_last_event"].tolist() == [1, 3_650, 1 / 24]
    assert found["context_popular_share"].tolist() == [0.25, 0, 0.4]
    assert (found["settled"] - found["shown"]).tolist() == [timedelta(days=2).total_seconds()] * 3
    assert found["shown"].is_monotonic_increasing


def test_only_what_counts_as_an_outcome_is_a_reward_and_everything_is_context():
    """Of two events on the list the click does not count; for the second list both are history."""
    log = [shown(CHAMP, "ab", NOW, "champion"), shown(CHAMP, "xy", NOW + DAY, "champion")]
    before = pd.DataFrame({"user_id": [CHAMP], "events": [0], "popular": [0], "last_at": [pd.NaT]})
    since = events((CHAMP, "a", NOW + HOUR), (CHAMP, "b", NOW + 2 * HOUR)).assign(event_id=["click", "buy"])

    def rewards(*outcomes: str) -> list[float]:
        found = arm_rounds(log, before, since, outcomes=outcomes, popular=(), within=HOUR)
        assert found["context_history_length"].tolist() == [0, 2]
        return found["reward"].tolist()

    assert rewards("click", "buy") == [1, 0]
    assert rewards("buy") == [0, 0]
