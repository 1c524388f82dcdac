"""The model card: what a version is, in the words of its facts, as markdown."""

from __future__ import annotations

from collections.abc import Mapping

from components.registry.bundle import Bundle


def model_card(bundle: Bundle, *, verdict: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> str:
    """Markdown for the version's description in MLflow."""
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
    lines = [
        f"## {facts.arm}: {verdict}",
        "",
        "Given a user's history, recommends items of the catalogue, best first, in the ids of the source.",
        "",
        "| made of | |",
        "| --- | --- |",
        *(f"| {_cell(name)} | `{_cell(value)}` |" for name, value in rows.items()),
        "",
        "| offline replay | mean over users |",
        "| --- | --- |",
        *(f"| {_cell(name)} | {value:.4f} |" for name, value in sorted(metrics.items())),
        "",
        *_health_table(bundle.tokenizer_health()),
        "Replay shows agreement with what users did, not lift. Not meant for users or items of another "
        "source, nor to infer anything about a person. It runs where recloop of the code above is installed.",
    ]
    return "\n".join(lines)


def _health_table(figures: Mapping[str, float]) -> list[str]:
    """Nothing for an arm without semantic IDs."""
    if not figures:
        return []
    rows = (f"| {_cell(name)} | {value:.4f} |" for name, value in sorted(figures.items()))
    return ["| semantic IDs, when fitted | |", "| --- | --- |", *rows, ""]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
