"""From the log of exposures to a live test: which tests it holds, and the users of one with their outcomes.

A user's outcome is 1 if they had an item within `within` of the first list that they were shown, one that a list
of theirs had held by then. That time is the same for everybody, so an outcome is final once it is over, and what a
later list does for a user who has been counted is left out rather than counted twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from components.evaluation.live_test import CHALLENGER, CHAMPION, LiveUsers
from components.serving.exposure_outcomes import had_between, moments_had
from components.serving.exposures import Exposure
from components.serving.split import variant_of


@dataclass(frozen=True, kw_only=True)
class LiveTest:
    """One split of one champion and one challenger; another version, share or salt is another test."""

    salt: str
    share: float  # of the users who get the challenger; 0: in the shadow
    champion: str
    challenger: str
    exposures: tuple[Exposure, ...]  # oldest first

    @property
    def begin(self) -> datetime:
        return datetime.fromisoformat(self.exposures[0].shown_at)

    @property
    def end(self) -> datetime:
        return datetime.fromisoformat(self.exposures[-1].shown_at)

    @property
    def num_users(self) -> dict[str, int]:
        """Variant → users who were shown it."""
        variants = {shown.user_id: shown.variant for shown in self.exposures}
        return {name: sum(v == name for v in variants.values()) for name in ("champion", "challenger")}


def live_tests(exposures: Iterable[Exposure]) -> tuple[LiveTest, ...]:
    """Every test that a log holds, by when it was last shown. Lists that no second version stood beside are in none."""
    found: dict[tuple[str, float, str, str], list[Exposure]] = {}
    for shown in exposures:
        if shown.other_version is None:
            continue
        pair = (shown.version, shown.other_version)
        champion, challenger = pair if shown.variant == "champion" else pair[::-1]
        found.setdefault((shown.salt, shown.share, champion, challenger), []).append(shown)
    tests = [
        LiveTest(
            salt=salt, share=share, champion=champion, challenger=challenger,
            exposures=tuple(sorted(lists, key=lambda shown: (shown.shown_at, shown.request_id))),
        )
        for (salt, share, champion, challenger), lists in found.items()
    ]  # fmt: skip
    return tuple(sorted(tests, key=lambda test: (test.end, test.begin)))


def live_users(test: LiveTest, events: pd.DataFrame, *, within: timedelta, as_of: datetime) -> LiveUsers:
    """The users of a test, by their first list. `events`: user_id, item_id, timestamp (UTC).

    Settled is who was first shown a list `within` or longer before `as_of`.
    """
    had = moments_had(events)
    lists: dict[str, list[Exposure]] = {}
    for shown in test.exposures:
        lists.setdefault(shown.user_id, []).append(shown)
    rewarded = [_rewarded(own, had, within) for own in lists.values()]
    firsts = [datetime.fromisoformat(own[0].shown_at) for own in lists.values()]
    dealt = {user: variant_of(user, share=test.share, salt=test.salt) for user in lists}
    return LiveUsers(
        arm=np.array(
            [CHALLENGER if own[0].variant == "challenger" else CHAMPION for own in lists.values()],
            dtype=np.int64,
        ),
        outcome=np.array([float(any(won)) for won in rewarded]),
        is_settled=np.array([first + within <= as_of for first in firsts], dtype=bool),
        lists=np.array([len(won) for won in rewarded], dtype=np.int64),
        rewarded=np.array([sum(won) for won in rewarded], dtype=np.int64),
        num_misdealt=sum(any(shown.variant != dealt[user] for shown in own) for user, own in lists.items()),
    )


def settled_exposures(test: LiveTest, *, within: timedelta, as_of: datetime) -> list[Exposure]:
    """Lists whose own time for an outcome is over: what can be exported without calling an open one a failure."""
    return [shown for shown in test.exposures if datetime.fromisoformat(shown.shown_at) + within <= as_of]


def _rewarded(
    own: Sequence[Exposure], had: Mapping[tuple[str, str], list[datetime]], within: timedelta
) -> list[bool]:
    """Of each list of a user in the user's time, whether an item of it was had after it and within that time."""
    until = datetime.fromisoformat(own[0].shown_at) + within
    won = []
    for shown in own:
        begin = datetime.fromisoformat(shown.shown_at)
        if begin > until:
            break
        won.append(any(had_between(had, shown.user_id, item, begin, until) for item in shown.item_ids))
    return won
