"""The monitoring page: does what arrives still look like what the champion was trained on, and since when not."""

from __future__ import annotations

from collections.abc import Sequence

from components.monitoring.measure import Measure, Status
from components.monitoring.result import RETRAIN, MonitorResult, PastLook
from components.report.head import head
from components.report.page import Section, page
from components.report.provenance import facts_list
from components.report.series import STYLE, series
from components.report.table import Cell, Column, figure_of, table, word
from components.report.templates import Markup, note
from components.report.text import clean, number, span

CLAIM = (
    "Monitoring: what arrived lately against what the champion was trained on. A measure alarms only where the change "
    "is large enough to matter and larger than chance shows; one that could not have alarmed is not evaluable."
)
TONES: dict[Status, str] = {
    "ok": "passed",
    "warn": "unproven",
    "drift": "failed",
    "not evaluable": "not-evaluable",
}
_SAID: dict[Status, str] = {
    "ok": "nothing that could be evaluated has changed enough to matter",
    "warn": "something has changed enough for a person to look at",
    "drift": "something has changed enough to retrain",
    "not evaluable": "there is too little to tell anything",
}
_WORDS: dict[Status, str] = {
    "ok": "IN ORDER",
    "warn": "WARNING",
    "drift": "DRIFT",
    "not evaluable": "NOT EVALUABLE",
}
_NULL = (
    "Then is what the index comes to where nothing has changed, as the events of so many users scatter; bins are those "
    "of the training."
)
_GROUPS = {
    "metric": ("metric", "What the champion's lists are worth"),
    "events": ("events", "What users do"),
    "items": ("items", "What the champion has never seen"),
    "tokenizer": ("tokenizer", "Codes that the frozen tokenizer gives to new items"),
}


def render_monitoring(result: MonitorResult, history: Sequence[PastLook]) -> str:
    """The page. `history` holds every look, this one last; all text is escaped. Same inputs, same bytes."""
    parts = [
        Section(
            anchor=anchor, title=title,
            body=_group([m for m in result.measures if m.group == group], title)
            + _said_below(group, result),
        )
        for group, (anchor, title) in _GROUPS.items()
        if any(measure.group == group for measure in result.measures)
    ]  # fmt: skip
    return page(
        title=f"{_WORDS[result.status]}: {result.model} version {result.version}",
        claim=CLAIM,
        header=_header(result),
        sections=[
            *parts,
            Section(anchor="time", title="Over time", body=series(result.measures, history)),
            Section(anchor="provenance", title="Where this comes from", body=_provenance(result)),
        ],
        style=STYLE,
    )


def _said_below(group: str, result: MonitorResult) -> Markup:
    """What stands beneath the table of a group."""
    return {"metric": _intervals(result), "events": note(_NULL)}.get(group, Markup(""))


def _header(result: MonitorResult) -> Markup:
    found = [*result.of("drift"), *result.of("warn")]
    return head(
        tone=TONES[result.status],
        outcome=_WORDS[result.status],
        meaning=_SAID[result.status],
        title=f"{result.model}, version {result.version}",
        meta=f"Events of {result.since:%d %b %Y %H:%M} to {result.as_of:%d %b %Y %H:%M} UTC, "
        f"trained on what was before {result.train_end:%d %b %Y %H:%M}",
        reasons=[*(f"{m.title}: {m.reason}" for m in found), *_next(result), *result.notes],
        figures=_key_figures(result),
    )


def _next(result: MonitorResult) -> list[str]:
    if result.status != "drift":
        return []
    refits = " It refits the tokenizer." if result.refits_tokenizer else ""
    return [f"Next: {RETRAIN} with the source of the latest events.{refits}"]


def _key_figures(result: MonitorResult) -> list[tuple[str, str, str]]:
    return [
        (
            "Measures that drift",
            f"{len(result.of('drift'))}",
            f"of {len(result.measures)} that were asked for",
        ),
        ("Warnings", f"{len(result.of('warn'))}", "changed, and not yet enough to retrain"),
        ("Not evaluable", f"{len(result.of('not evaluable'))}", "too little data, or nothing to ask"),
        ("Events", f"{result.num_events:,}", f"held against {result.num_training_events:,} of the training"),
    ]


def _group(measures: Sequence[Measure], title: str) -> Markup:
    columns = [
        Column(name="Measure", is_number=False),
        Column(name="Status", is_number=False),
        Column(name="Value", meaning="more is worse"),
        Column(name="By chance", meaning="at most"),
        Column(name="Bounds", meaning="warn, drift"),
        Column(name="Then"),
        Column(name="Now"),
        Column(name="Why", is_number=False),
    ]
    return table(f"{title}: each measure with its bounds.", columns, [_row(measure) for measure in measures])


def _row(measure: Measure) -> list[Cell]:
    return [
        word(measure.title, measure.meaning),
        word(measure.status, tone=TONES[measure.status]),
        figure_of(measure.value, ".3g"),
        figure_of(measure.noise, ".2g"),
        Cell(content=f"{number(measure.warn, 'g')}, {number(measure.drift, 'g')}"),
        figure_of(measure.reference, ".3g", f"{measure.num_reference:,} {measure.unit}"),
        figure_of(measure.current, ".3g", f"{measure.num_current:,} {measure.unit}"),
        Cell(content=clean(measure.reason, 400)),
    ]


def _intervals(result: MonitorResult) -> Markup:
    if (decay := result.decay) is None:
        return Markup("")
    told = f"Fresh minus then, means over users: 95 % interval {span(decay.lower, decay.upper)}, unpaired bootstrap."
    if decay.num_paired > 1:
        told += (
            f" The {decay.num_paired:,} users of both windows, each against itself: {number(decay.paired, '+.4f')} "
            f"{span(decay.paired_lower, decay.paired_upper)}."
        )
    return note(told)


def _provenance(result: MonitorResult) -> Markup:
    return facts_list(
        [
            ("Version", f"{result.model} {result.version}", "the champion when this was measured"),
            ("Bundle", result.bundle, "digest"),
            ("Training snapshot", result.snapshot, "digest; all references come from it"),
            ("Trained before", result.train_end.isoformat(), "exclusive"),
            ("Events since", result.since.isoformat(), "the latest batch, unless told otherwise"),
            ("Events until", result.as_of.isoformat(), "exclusive"),
        ]
    )
