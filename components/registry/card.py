"""The model card: what a version was judged to be, and then what it is made of, as markdown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from components.measures import meaning_of, name_of
from components.registry.bundle import Bundle
from components.registry.metric_names import ids_meaning, ids_metric
from components.registry.short import short

LONGEST = 5000  # characters that MLflow's database keeps of a description
_MORE = "\n\nThe rest stands in the tags and on the run's page."


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
    """Markdown for the version's description in MLflow: verdict, reasons and intervals first, then the ids.

    Of LONGEST characters at most: where it would be longer, meanings go first, those of semantic IDs before the
    replay's; the run's own description has them all.
    """
    for with_meanings in ({"replay", "ids"}, {"replay"}, set[str]()):
        card = _card(bundle, verdict, metrics, tags, judgement or Judgement(), with_meanings)
        if len(card) <= LONGEST:
            return card
    whole_lines = card[: LONGEST - len(_MORE)].rpartition("\n")[0]
    return whole_lines + _MORE


def _card(
    bundle: Bundle,
    verdict: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, str],
    told: Judgement,
    with_meanings: Collection[str],
) -> str:
    facts = bundle.facts
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
        *_figures(
            ("offline replay", "mean over users"),
            [(name_of(name), value, meaning_of(name)) for name, value in sorted(metrics.items())],
            "replay" in with_meanings,
        ),
        *_ids_table(ids, "ids" in with_meanings),
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


def _ids_table(figures: Mapping[str, float], with_meanings: bool) -> list[str]:
    """Nothing for an arm without semantic IDs."""
    rows = [
        (ids_metric(name).partition("/")[2], value, ids_meaning(name))
        for name, value in sorted(figures.items())
    ]
    return _figures(("semantic IDs, when fitted", ""), rows, with_meanings) if rows else []


def _figures(
    heads: tuple[str, str], rows: Sequence[tuple[str, float, str]], with_meanings: bool
) -> list[str]:
    """A table of names, figures and, where there is room, what each says."""
    lines = [(*heads, "what it says"), ("---", "---", "---")]
    lines += [(_cell(name), f"{value:.4f}", meaning) for name, value, meaning in rows]
    return [
        f"| {' | '.join(line if with_meanings else line[:2])} |".replace("|  |", "| |") for line in lines
    ] + [""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
