"""The report of a live test: the call, the split, both variants, and the path of their difference."""

from __future__ import annotations

from components.evaluation.live_test import Call, LiveResult
from components.report.head import head
from components.report.page import Section, page
from components.report.provenance import facts_list
from components.report.sequential_path import sequential_path
from components.report.table import Column, figure_of, table, word
from components.report.templates import Markup, note, render
from components.report.text import number, share, span

CLAIM = (
    "Live test: users were dealt to two versions by a hash, and what they did is compared. It holds for these users, "
    "this time, and this outcome."
)
MEANING = {
    Call.PROMOTE: "the challenger does better, whenever one looks",
    Call.CONTINUE: "nothing is settled yet: let the test go on",
    Call.STOP: "the challenger does worse, or too little better to matter",
    Call.INVALID: "the split is broken: nothing can be concluded",
}
_TONES = {Call.PROMOTE: "PROMOTE", Call.CONTINUE: "HOLD", Call.STOP: "REJECT", Call.INVALID: "INVALID"}


def render_live_report(result: LiveResult, *, salt: str, facts: list[tuple[str, str, str]]) -> str:
    """The page; `facts` are name, value and meaning of where it comes from. The same inputs give the same bytes."""
    sections = [
        Section(anchor="split", title="Whether the split is the one that was asked for", body=_split(result)),
        Section(anchor="variants", title="What users of both versions did", body=_variants(result)),
        Section(anchor="path", title="The difference, as users come in", body=_difference(result)),
        Section(anchor="provenance", title="Where this comes from", body=_provenance(result, facts)),
    ]
    return page(
        title=f"{result.call}: live test {salt}", claim=CLAIM, header=_header(result, salt), sections=sections
    )


def _header(result: LiveResult, salt: str) -> Markup:
    return head(
        tone=_TONES[result.call],
        outcome=str(result.call),
        meaning=MEANING[result.call],
        title=f"Live test {salt}",
        meta=f"{share(result.share)} of the users get the challenger, profile {result.profile.name}",
        reasons=[reason.text for reason in result.reasons],
    )


def _split(result: LiveResult) -> Markup:
    ratio = result.sample_ratio
    text = (
        f"{result.champion.users:,} users were shown the champion and {result.challenger.users:,} the challenger; "
        f"{share(1 - result.share)} and {share(result.share)} was asked for. Chi-square {number(ratio.chi2, '.2f')}, "
        f"p = {number(ratio.p, '.3g')}."
    )
    return render("paragraph", text=text, tone="failed" if result.call is Call.INVALID else "")


def _variants(result: LiveResult) -> Markup:
    columns = [
        Column(name="Variant", is_number=False),
        Column(name="Users", meaning="who were shown it"),
        Column(name="Settled", meaning="whose time for an outcome is over"),
        Column(name="Lists", meaning="within the users' time"),
        Column(name="Outcome rate", meaning="settled users with an outcome"),
        Column(name="Lists with one", meaning="share of lists"),
    ]
    rows = [
        [
            word(name), figure_of(found.users, ",.0f"), figure_of(found.settled, ",.0f"),
            figure_of(found.lists, ",.0f"), figure_of(found.outcome_rate), figure_of(found.list_rate),
        ]
        for name, found in (("champion", result.champion), ("challenger", result.challenger))
    ]  # fmt: skip
    return table("Both versions, each user under one of them.", columns, rows)


def _difference(result: LiveResult) -> Markup:
    if result.path is None:
        return note("There is no difference to be told: see the reasons above.")
    once = Markup("")
    if (found := result.unpaired) is not None:
        told = (
            f"For one look at a planned end, Welch's test gives {number(found.difference, '+.4f')} with a standard "
            f"error of {number(found.se)} (p = {number(found.p, '.3g')}); it decides nothing here."
        )
        once = note(told)
    path = result.path
    now = f"At this look: {number(path.mean[-1], '+.4f')} {span(path.lower[-1], path.upper[-1])}."
    return render("paragraph", text=now) + sequential_path(path, order="as they came") + once


def _provenance(result: LiveResult, facts: list[tuple[str, str, str]]) -> Markup:
    profile = result.profile
    rules = [
        ("Alpha, two-sided", f"{profile.alpha:g}", "over all looks together"),
        ("Effect of interest", f"{profile.effect_of_interest:g}", "in outcome rate"),
        ("Profile", f"{profile.name} {profile.hash}", "name and digest"),
    ]
    return facts_list([*facts, *rules])
