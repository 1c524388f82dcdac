"""The model card: what a version was judged to be, and then what it is made of, as markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from components.measures import meaning_of, name_of
from components.registry.bundle import Bundle
from components.registry.metric_names import ids_meaning, ids_metric
from components.registry.short import short


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One comparison of the replay: challenger minus the other arm, mean over users."""

    metric: str
    against: str  # the other arm
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a reviewer reads first: why the verdict is what it is, and where to look further."""

    reasons: Sequence[str] = ()
    intervals: Sequence[Interval] = ()
    links: Mapping[str, str] = field(default_factory=dict)  # text -> address: the report, the Prefect run
    opened_by: str = ""  # what makes the links answer where nothing does yet


def model_card(
    bundle: Bundle,
    *,
    verdict: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    judgement: Judgement | None = None,
) -> str:
    """Markdown for the version's description in MLflow: verdict, reasons and intervals first, then the ids."""
    facts, told = bundle.facts, judgement or Judgement()
    rows = {
        "trained on events before": facts.train_end,
        "snapshot": facts.snapshot,
        "feature set": facts.feature_set,
        "tokenizer": facts.tokenizer or "none: this arm has no semantic IDs",
        "ID table": facts.id_table or "none",
        "seed": str(facts.seed),
        "code": facts.code,
        "bundle": bundle.digest,
    } | dict(sorted(tags.items()))
    ids = bundle.tokenizer_health()
    lines = [
        f"## {facts.arm}: {verdict}",
        "",
        *(f"- {_cell(reason)}" for reason in told.reasons),
        *([""] if told.reasons else []),
        *_interval_table(told.intervals),
        *_links(told),
        "| offline replay | mean over users | what it says |",
        "| --- | --- | --- |",
        *(
            f"| {_cell(name_of(name))} | {value:.4f} | {meaning_of(name)} |"
            for name, value in sorted(metrics.items())
        ),
        "",
        *_ids_table(ids),
        "Given a user's history, recommends items of the catalogue, best first, in the ids of the source. "
        "Replay shows agreement with what users did, not lift. Not meant for users or items of another "
        "source, nor to infer anything about a person. It runs where recloop of the code below is installed.",
        "",
        "| made of, in short; whole in the tags | |",
        "| --- | --- |",
        *(f"| {_cell(name)} | `{_cell(short(value))}` |" for name, value in rows.items()),
    ]
    return "\n".join(lines)


def _interval_table(intervals: Sequence[Interval]) -> list[str]:
    if not intervals:
        return []
    rows = (
        f"| {_cell(name_of(i.metric))} | {_cell(i.against)} | {i.mean:+.4f} | {i.low:+.4f} to {i.high:+.4f} |"
        for i in intervals
    )
    return ["| lead | over | mean | interval |", "| --- | --- | --- | --- |", *rows, ""]


def _links(told: Judgement) -> list[str]:
    if not told.links:
        return []
    shown = " · ".join(f"[{_cell(text)}]({where})" for text, where in told.links.items())
    return [shown, "", told.opened_by, ""]


def _ids_table(figures: Mapping[str, float]) -> list[str]:
    """Nothing for an arm without semantic IDs."""
    if not figures:
        return []
    rows = (
        f"| {_cell(ids_metric(name).partition('/')[2])} | {value:.4f} | {ids_meaning(name)} |"
        for name, value in sorted(figures.items())
    )
    return ["| semantic IDs, when fitted | | what it says |", "| --- | --- | --- |", *rows, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
