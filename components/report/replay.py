"""The report of one replay: verdict, evidence, and lists, in the order in which a reader doubts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np

from components.evaluation.comparison import Comparison
from components.evaluation.plan import ReplayPlan
from components.evaluation.preference_front import PreferenceFront
from components.evaluation.result import ReplayResult
from components.evaluation.scores import canonical_for
from components.measures import name_of
from components.report.arms import arm_tables
from components.report.differences import forest_of, spread_of
from components.report.exposure import lorenz_of
from components.report.latency import latency_table
from components.report.live_test import rehearsal_table
from components.report.new_items import new_item_table
from components.report.page import CLAIM, Section, page
from components.report.people import draw_people, people
from components.report.power import power_curve
from components.report.preferences import preference_front
from components.report.provenance import provenance
from components.report.sequential_path import sequential_path
from components.report.slices import slice_table
from components.report.subject import UNTOLD, Subject
from components.report.templates import Markup
from components.report.thumbnails import ReadImage, thumbnails
from components.report.together import together_table
from components.report.verdict import checks, verdict_header

T = TypeVar("T")
PLACES = 10  # of a list that the page looks at
IMAGE_BYTES = 750_000  # of all images together: with plotly's 4.8 MB the page stays below 6


def render_report(
    result: ReplayResult,
    plan: ReplayPlan,
    lists: Mapping[str, np.ndarray],
    titles: Mapping[str, str],
    *,
    images: ReadImage | None = None,
    num_people: int = 30,
    seed: int = 7,
    subject: Subject = UNTOLD,
    front: PreferenceFront | None = None,
) -> str:
    """The page. `titles` maps item ids to titles (an id without one stands for itself); all text is escaped.

    `subject` says in words what was replayed, `front` what the challenger reaches under other preferences over event
    types. `images` gives the bytes of an item's image. People
    are drawn by `seed`; of each, one request is drawn. The same inputs give the same bytes.
    """
    primary = deciding(result)
    tops = {arm: canonical_for(plan, lists[arm])[:, :PLACES] for arm in sorted(lists)}
    drawn = draw_people(plan, _side_by_side(result, tops), num_people=num_people, seed=seed)
    shown = (str(plan.catalogue[item]) for person in drawn for item in person.items)
    pictures = thumbnails(shown, images, budget_bytes=IMAGE_BYTES)
    metric = name_of(result.profile.primary.metric)
    sections = [
        *_where(
            subject.together,
            "challengers",
            "The challengers",
            lambda together: together_table(together, result.challenger, metric),
        ),
        Section(anchor="checks", title="What was checked", body=checks(result)),
        Section(
            anchor="differences",
            title="Differences, user by user",
            body=forest_of(result, primary) + spread_of(result, primary),
        ),
        Section(anchor="slices", title="Slices", body=slice_table(result)),
        Section(
            anchor="power",
            title="What could have been found",
            body=power_curve(result, primary),
        ),
        Section(anchor="arms", title="The arms", body=arm_tables(result)),
        Section(anchor="exposure", title="Popularity and coverage", body=lorenz_of(result, plan, tops)),
        *_where(result.new_items, "new-items", "New items", new_item_table),
        *_where(front, "preferences", "Other preferences", preference_front),
        *_where(result.latency, "latency", "Latency", lambda _: latency_table(result)),
        *_where(result.sequential, "looks", "Looking more than once", sequential_path),
        *_where(result.rehearsal, "rehearsal", "Rehearsal of the live test", rehearsal_table),
        Section(
            anchor="people",
            title="Lists a person can judge",
            body=people(drawn, plan, titles, pictures, seed=seed),
        ),
        Section(anchor="provenance", title="Where this comes from", body=provenance(result, subject)),
    ]
    return page(
        title=f"{result.outcome}: offline replay of {result.challenger}",
        claim=CLAIM,
        header=verdict_header(result, primary, subject),
        sections=sections,
        style=pictures.style,
    )


def _where(found: T | None, anchor: str, title: str, written: Callable[[T], Markup]) -> list[Section]:
    """A section on what not every replay has."""
    return [Section(anchor=anchor, title=title, body=written(found))] if found else []


def deciding(result: ReplayResult) -> Comparison | None:
    """The comparison that decides: the primary metric against the champion, else the first that must be beaten."""
    metric = result.profile.primary.metric
    against = [result.champion] if result.champion else result.profile.must_beat
    found = {c.baseline: c for c in result.comparisons if c.metric == metric}
    return next((found[arm] for arm in against if arm in found), None)


def _side_by_side(result: ReplayResult, tops: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The challenger, and the champion or the arms that stand in its place."""
    rivals = [result.champion] if result.champion else result.profile.must_beat
    return {arm: tops[arm] for arm in dict.fromkeys([result.challenger, *rivals]) if arm in tops}
