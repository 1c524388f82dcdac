"""Live tests of this home: which there are, and what came of the lists that they showed.

Lists come from the scoring server's log of exposures; outcomes from the warehouse and, where they were posted and
not ingested yet, from the folder that the server keeps them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

from components.artifact import digest_of
from components.data import queries
from components.data.csv_file import write_csv
from components.evaluation import live_test as live_profiles
from components.evaluation.live_test import LiveResult, read_live_test
from components.report import render_live_report
from components.serving.exposure_outcomes import joined
from components.serving.exposures import read_exposures
from components.serving.live_test import LiveTest, live_tests, live_users, settled_exposures
from components.serving.spool import read_spooled
from flows.settings import load_settings
from flows.warehouse import warehouse

PROFILES = {"small": live_profiles.small, "production": live_profiles.production}


class NoLiveTest(Exception):
    """There is no test of this name, or none at all: says which there are, and how one comes to be."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Events that may count as outcomes."""

    events: pd.DataFrame  # event_id, user_id, item_id, event_type, timestamp
    num_posted: int  # of them: posted to the server, and not in the warehouse yet


def all_tests() -> tuple[LiveTest, ...]:
    """Every test in the log, by when it was last shown. Raises NoLiveTest where the log holds none."""
    folder = load_settings().exposures
    if not (found := live_tests(read_exposures(folder))):
        raise NoLiveTest(
            f"{folder} holds no list that a second version stood beside. `recloop serve --challenger challenger "
            "--share 0.1` gives a share of the users the challenger's lists and notes what was shown."
        )
    return found


def choose_test(salt: str | None, challenger: str | None, champion: str | None) -> LiveTest:
    """The latest test that fits what is named. Raises NoLiveTest."""
    found = all_tests()
    fitting = [
        test
        for test in found
        if salt in (None, test.salt)
        and challenger in (None, test.challenger)
        and champion in (None, test.champion)
    ]
    if not fitting:
        there = "; ".join(
            f"salt {test.salt}, version {test.challenger} against {test.champion}, share {test.share:g}"
            for test in found
        )
        raise NoLiveTest(
            f"no live test is like that. There are: {there}. `recloop experiment list` shows them."
        )
    return fitting[-1]


def outcomes_of(test: LiveTest, *, within: timedelta, event_types: tuple[str, ...]) -> Outcomes:
    """Events from the test's first list to when its last can still be followed by one; each event once."""
    begin, end = test.begin, test.end + within + timedelta(microseconds=1)
    landed = queries.events_between(warehouse(), begin, end)
    posted = read_spooled(load_settings().events_spool)
    posted = posted[(posted["timestamp"] >= begin) & (posted["timestamp"] < end)]
    posted = posted[~posted["event_id"].isin(landed["event_id"])]
    if event_types:
        landed, posted = (frame[frame["event_type"].isin(event_types)] for frame in (landed, posted))
    both = [frame[list(landed.columns)] for frame in (landed, posted) if len(frame)] or [landed]
    return Outcomes(events=pd.concat(both, ignore_index=True), num_posted=len(posted))


def read_test(
    test: LiveTest, outcomes: Outcomes, *, within: timedelta, as_of: datetime, profile: str
) -> LiveResult:
    """The test as it stands at `as_of`. Raises NoLiveTest for one in which everybody gets the same version."""
    if not 0 < test.share < 1:
        what = "in the shadow: nobody was shown the challenger" if not test.share else "shown to everybody"
        raise NoLiveTest(
            f"version {test.challenger} was {what}, so there are no two groups to compare. Serve it with a --share "
            "between 0 and 1."
        )
    users = live_users(test, outcomes.events, within=within, as_of=as_of)
    return read_live_test(
        users, PROFILES[profile](), share=test.share,
        champion=f"version {test.champion}", challenger=f"version {test.challenger}",
    )  # fmt: skip


def write_report(test: LiveTest, result: LiveResult, facts: list[tuple[str, str, str]]) -> Path:
    """The report among the pages that `recloop ui` shows; a look at the same log gives the same page."""
    text = render_live_report(result, salt=test.salt, facts=facts)
    folder, identity = (
        load_settings().reports,
        digest_of([test.salt, test.champion, test.challenger, test.share]),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"live-{identity[:8]}-{result.call.lower()}.html"
    aside = path.with_suffix(".part")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return path


def export_test(
    test: LiveTest, outcomes: Outcomes, path: Path, *, within: timedelta, as_of: datetime
) -> tuple[int, int]:
    """Write the test as logged feedback with the challenger as target policy; returns rows, and lists left out.

    Left out are lists whose time for an outcome is not over at `as_of`. Raises NoLiveTest if none is over.
    """
    kept = settled_exposures(test, within=within, as_of=as_of)
    if not kept:
        raise NoLiveTest(
            f"no list of this test is older than {within} at {as_of:%Y-%m-%d %H:%M}Z, so what came of them is open "
            "yet. Wait, or let outcomes count for a shorter time with --within-days."
        )
    table = joined(kept, outcomes.events, within=within)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    table.to_parquet(aside, index=False) if path.suffix == ".parquet" else write_csv(table, aside)
    aside.replace(path)
    return len(table), len(test.exposures) - len(kept)
