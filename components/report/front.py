"""The front door: where things stand, and the way from each to the page that holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.report.page import Section, page
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, note, render
from components.report.text import clean, sentence

CLAIM = "Where this loop stands now. Reload for a later moment; what is linked is each engine's own page."


@dataclass(frozen=True, kw_only=True)
class Link:
    text: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One thing that stands somehow; `tone` is that of a check (passed, failed, unproven) or ""."""

    name: str
    value: str
    note: str = ""
    tone: str = ""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CycleLine:
    """One finished cycle."""

    as_of: str
    verdict: str
    reason: str
    version: str
    became: str  # what the champion was after it
    ndcg: float
    cost: str
    links: tuple[Link, ...]


@dataclass(frozen=True, kw_only=True)
class Front:
    """All that the page shows."""

    home: str
    at: str
    facts: tuple[Fact, ...]
    cycles: tuple[CycleLine, ...]  # latest first
    reports: tuple[Link, ...]  # latest first
    engines: tuple[Link, ...]


def render_front(front: Front) -> str:
    """The page; all text is escaped. The same standing gives the same bytes."""
    sections = [
        Section(anchor="now", title="Now", body=_facts(front.facts)),
        Section(anchor="cycles", title="Last cycles", body=_cycles(front.cycles)),
        Section(anchor="reports", title="Reports", body=_reports(front.reports)),
        Section(
            anchor="engines", title="The engines' own pages", body=_list(front.engines, "none is running")
        ),
    ]
    header = render("front_head", home=front.home, at=front.at)
    return page(
        title="recloop", claim=CLAIM, header=header, sections=sections, style=_STYLE, has_figures=False
    )


def _facts(facts: Sequence[Fact]) -> Markup:
    rows = [
        [
            word(fact.name),
            Cell(content=sentence(fact.value), note=sentence(fact.note), tone=fact.tone),
            _linked(fact.links),
        ]
        for fact in facts
    ]
    columns = [Column(name=name, is_number=False) for name in ("What", "How it stands", "Where to look")]
    return table("What is served, what waits for somebody, and how old it is.", columns, rows)


def _cycles(cycles: Sequence[CycleLine]) -> Markup:
    if not cycles:
        return render("no_cycle")
    rows = [
        [
            word(cycle.as_of, cycle.cost),
            Cell(
                content=clean(cycle.verdict), note=sentence(cycle.reason), tone=_TONES.get(cycle.verdict, "")
            ),
            word(f"version {cycle.version}", cycle.became),
            figure_of(cycle.ndcg, note="NDCG@10"),
            _linked(cycle.links),
        ]
        for cycle in cycles
    ]
    columns = [
        Column(name="Data until", is_number=False),
        Column(name="Verdict", is_number=False),
        Column(name="Version", is_number=False),
        Column(name="Challenger"),
        Column(name="Where to look", is_number=False),
    ]
    return table("Finished cycles, the latest first.", columns, rows)


# rows that wrap, and on a phone stand beneath each other
_STYLE = """
#now :is(th, td), #cycles :is(th, td) { white-space: normal; }
#now td:last-child, #cycles td:last-child { min-width: 16ch; }
@media (max-width: 640px) {
  #now thead, #cycles thead { display: none; }
  :is(#now, #cycles) :is(table, caption, tbody, tr, th, td) { display: block; text-align: left; }
  :is(#now, #cycles) :is(th, td) { border: 0 !important; padding: 2px 0; }
  :is(#now, #cycles) tr { border-top: 1px solid var(--hair); padding: 8px 0; }
  :is(#now, #cycles) tbody th { font-weight: 600; }
}
"""
_TONES = {"PROMOTE": "passed", "REJECT": "failed", "INVALID": "failed", "HOLD": "unproven"}


def _reports(reports: Sequence[Link]) -> Markup:
    return _list(reports, "none has been drawn yet: recloop retrain and recloop replay draw one each")


def _list(links: Sequence[Link], none: str) -> Markup:
    if not links:
        return note(none)
    return render("links", links=links, as_list=True)


def _linked(links: Sequence[Link]) -> Cell:
    return Cell(content=render("links", links=links, as_list=False))
