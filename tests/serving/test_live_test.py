"""From exposures to the users of a live test: whose outcome counts, until when, and which lists are of which test."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from components.serving.exposures import Exposure, exposure
from components.serving.live_test import live_tests, live_users, settled_exposures
from components.serving.split import Variant, variant_of
from tests.serving.world import HOUR, NOW

DAY = timedelta(days=1)
SHARE, SALT = 0.5, "s"
OF: dict[Variant, str] = {"champion": "1", "challenger": "2"}


def user_of(variant: Variant, at: int = 0) -> str:
    """The `at`-th user who is dealt this version."""
    dealt = (f"u{n}" for n in range(1_000) if variant_of(f"u{n}", share=SHARE, salt=SALT) == variant)
    return [user for _, user in zip(range(at + 1), dealt, strict=False)][-1]


def shown(
    user: str,
    items: str,
    at: datetime,
    variant: Variant,
    *,
    other: bool = True,
    salt: str = SALT,
    new: str = "2",
) -> Exposure:
    versions = OF | {"challenger": new}
    beside: Variant = "champion" if variant == "challenger" else "challenger"
    return exposure(
        request_id=f"{user}-{at:%d%H}", user_id=user, shown_at=at, variant=variant, version=versions[variant],
        item_ids=list(items), other=(versions[beside], ["x"]) if other else None, share=SHARE, salt=salt,
    )  # fmt: skip


def events(*rows: tuple[str, str, datetime]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    return frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True))


CHAMP, CHALL, LATE = user_of("champion"), user_of("challenger"), user_of("challenger", 1)


def test_worked_example_of_outcomes():
    """A window of two days. The champion's user has b a day after their list, and what their list of the third day
    does is left out; the challenger's had c before the list, and d a week later; the third came yesterday.
    """
    log = [
        shown(CHAMP, "ab", NOW, "champion"),
        shown(CHAMP, "cd", NOW + DAY, "champion"),
        shown(CHAMP, "ef", NOW + 3 * DAY, "champion"),
        shown(CHALL, "cd", NOW + HOUR, "challenger"),
        shown(LATE, "ab", NOW + 4 * DAY, "challenger"),
    ]
    had = events(
        (CHAMP, "b", NOW + DAY), (CHAMP, "e", NOW + 3 * DAY + HOUR), (CHALL, "c", NOW), (CHALL, "d", NOW + 8 * DAY),
        (LATE, "a", NOW + 4 * DAY + HOUR), ("somebody else", "a", NOW + HOUR),
    )  # fmt: skip
    (test,) = live_tests(reversed(log))
    assert (test.champion, test.challenger, test.begin, test.end) == ("1", "2", NOW, NOW + 4 * DAY)
    found = live_users(test, had, within=2 * DAY, as_of=NOW + 5 * DAY)
    assert found.arm.tolist() == [0, 1, 1]
    assert found.outcome.tolist() == [1, 0, 1]
    assert found.is_settled.tolist() == [True, True, False]
    assert (found.lists.tolist(), found.rewarded.tolist()) == ([2, 1, 1], [1, 0, 1])
    assert found.num_misdealt == 0
    kept = settled_exposures(test, within=2 * DAY, as_of=NOW + 5 * DAY)
    assert [one.shown_at for one in kept] == [one.shown_at for one in test.exposures[:4]]


def test_an_item_of_a_later_list_counts_only_after_that_list():
    """b is had before the second list shows it: no outcome."""
    log = [shown(CHAMP, "a", NOW, "champion"), shown(CHAMP, "b", NOW + 2 * HOUR, "champion")]
    (test,) = live_tests(log)
    found = live_users(test, events((CHAMP, "b", NOW + HOUR)), within=DAY, as_of=NOW)
    assert found.outcome.tolist() == [0]


def test_another_challenger_or_salt_is_another_test_and_lists_alone_are_in_none():
    log = [
        shown(CHAMP, "a", NOW, "champion"),
        shown(CHAMP, "a", NOW + HOUR, "champion", new="3"),
        shown(CHAMP, "a", NOW + 2 * HOUR, "champion", salt="t"),
        shown(CHAMP, "a", NOW + 3 * HOUR, "champion", other=False),
    ]
    assert [(test.salt, test.challenger) for test in live_tests(log)] == [("s", "2"), ("s", "3"), ("t", "2")]


@pytest.mark.parametrize("variant", ["champion", "challenger"])
def test_users_who_were_shown_what_is_not_theirs_are_counted(variant: Variant):
    wrong: Variant = "champion" if variant == "challenger" else "challenger"
    (test,) = live_tests([shown(user_of(variant), "a", NOW, wrong)])
    assert live_users(test, events(), within=DAY, as_of=NOW).num_misdealt == 1
