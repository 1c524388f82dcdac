"""The page of a rolling back-test: what each window said, what they say together, and how far that carries."""

from __future__ import annotations

from components.evaluation.backtest import Backtest, Pooled, TestedArm, TestedWindow
from components.measures import name_of
from components.report.figure import figure
from components.report.forest import ForestRow, forest
from components.report.page import Section, page
from components.report.provenance import facts_list
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, joined, note, render
from components.report.text import clean, number, span

CLAIM = (
    "Rolling back-test: the loop as it would have run over past windows, in a registry of its own. Offline replay: "
    "agreement with what users did, not lift."
)
_IN_TABLE = ("champion", "popularity")
_ORDER = ("champion", "popularity", "recent_popularity", "sasrec", "random")


def render_backtest(found: Backtest, facts: list[tuple[str, str, str]]) -> str:
    """The page; `facts` are name, value and meaning of where it comes from. The same inputs give the same bytes."""
    sections = [
        Section(anchor="pooled", title="What the windows say together", body=_pooled(found)),
        *(
            Section(
                anchor=f"windows-{place}",
                title=f"Windows of {arm.challenger}",
                body=_windows(arm, found.metric, found.step_seconds),
            )
            for place, arm in enumerate(found.arms)
        ),
        Section(anchor="reading", title="How to read this", body=_reading(found)),
        Section(anchor="provenance", title="Where this comes from", body=facts_list(facts)),
    ]
    return page(title="Rolling back-test", claim=CLAIM, header=_header(found), sections=sections)


def _header(found: Backtest) -> Markup:
    every = [window for arm in found.arms for window in arm.windows]
    start, end = min(window.cut for window in every), max(window.end for window in every)
    names = ", ".join(arm.challenger for arm in found.arms)
    return render(
        "backtest_head",
        names=names,
        meta=f"Windows of {_length(found.step_seconds)} from {start:%d %b %Y %H:%M} to {end:%d %b %Y %H:%M} UTC",
        findings=[*map(_promotions, found.arms), *found.notes],
    )


def _promotions(arm: TestedArm) -> str:
    return f"{arm.challenger} would have been promoted in {arm.num_promoted} of {len(arm.judged)} windows."


def _pooled(found: Backtest) -> Markup:
    rows = [
        ForestRow(
            name=pooled.rival.replace("_", " "), group=f"{arm.challenger} minus", count=f"{pooled.windows} windows",
            value=pooled.mean, lower=pooled.lower, upper=pooled.upper, tone=_tone(pooled),
        )
        for arm in found.arms
        for pooled in in_order(arm.pooled)
        if pooled.lower is not None and pooled.upper is not None
    ]  # fmt: skip
    if not rows:
        return note("One window alone does not say how windows differ: there is no interval yet.")
    level = f"{100 * found.confidence:g} %"
    caption = (
        f"Mean difference in {name_of(found.metric)} over windows, each counting alike, with its {level} interval: "
        "Student's t over windows, wider by what shared users bring. Few windows make it wide."
    )
    return figure(forest(rows, axis=f"challenger minus rival, {name_of(found.metric)}", caption=caption))


def in_order(pooled: tuple[Pooled, ...]) -> list[Pooled]:
    """The champion first, then the baselines that matter."""
    known = {name: place for place, name in enumerate(_ORDER)}
    return sorted(pooled, key=lambda entry: known.get(entry.rival, len(known)))


def _tone(pooled: Pooled) -> str:
    if pooled.lower is None or pooled.upper is None:
        return ""
    return "passed" if pooled.lower > 0 else "failed" if pooled.upper < 0 else "unproven"


def _windows(arm: TestedArm, metric: str, step_seconds: float) -> Markup:
    rivals = [pooled.rival for pooled in in_order(arm.pooled) if pooled.rival in _IN_TABLE]
    columns = [
        Column(name="Window", meaning="trained before it", is_number=False),
        Column(name="Verdict", is_number=False),
        Column(name="Users"),
        Column(name=name_of(metric), meaning=f"mean of {arm.challenger}"),
        *(Column(name=f"Minus {rival}", meaning="interval over users") for rival in rivals),
        Column(name="Why", is_number=False),
    ]
    caption = (
        f"Every window of {arm.challenger}, oldest first; who is promoted in one is champion in the next."
    )
    form = "%d %b %Y" if step_seconds % 86_400 == 0 else "%d %b %Y %H:%M"
    return table(caption, columns, [_row(window, rivals, form) for window in arm.windows])


def _row(window: TestedWindow, rivals: list[str], form: str) -> list[Cell]:
    against = f"version {window.version} against {window.champion or 'no champion'}"
    return [
        word(format(window.cut, form), f"until {format(window.end, form)}"),
        word(window.verdict or "NO EVENTS", against if window.verdict else "", tone=window.verdict),
        figure_of(window.users, ",.0f"),
        figure_of(window.ndcg),
        *(_lead(window, rival) for rival in rivals),
        Cell(content=clean(window.reason, 400)),
    ]


def _lead(window: TestedWindow, rival: str) -> Cell:
    if (lead := window.leads.get(rival)) is None:
        return Cell(content="–")
    return Cell(content=number(lead.delta, "+.4f"), note=span(lead.lower, lead.upper))


def _reading(found: Backtest) -> Markup:
    told = (
        "The window is the unit: windows count alike whatever their number of users, and how much they differ is part "
        "of the interval (Student's t over windows; Ibragimov and Müller 2010).",
        "Windows share users and are not independent: the mean covariance by shared users is added to the variance "
        "(two-way clustering; Cameron, Gelbach and Miller 2011).",
        "Successive models share their recipe and most of their training data. The interval speaks of this data and "
        "this recipe, not of others.",
        "Each window was judged as the loop would have judged it, as the first challenger of its window. The alpha was "
        "of the back-test's own ledger; production's is untouched, and so is its champion.",
        "Who chooses a model by these windows has looked at them: what it is worth must be shown on a window that came "
        "after them all.",
    )
    return joined(render("paragraph", text=text) for text in told)


def _length(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days != 1 and days >= 1 else "1 day" if days == 1 else f"{seconds / 3600:g} h"
