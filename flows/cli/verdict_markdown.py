"""Verdicts as markdown: the summary of a CI job, and the comment that it leaves on a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from flows.summary import ArmFigure, CycleSummary

MARKER = (
    "<!-- recloop verdict -->"  # the first line of a comment, by which the next run finds and replaces it
)


def verdicts_markdown(summaries: Iterable[CycleSummary]) -> str:
    """The marker, then one section a cycle, in the order given."""
    return "\n".join([MARKER, *(_section(summary) for summary in summaries)])


def _section(told: CycleSummary) -> str:
    champion = f"version {told.champion_after}" if told.champion_after else "none"
    lines = [
        f"## {told.verdict}: version {told.version}",
        "",
        *(f"- {_cell(reason)}" for reason in told.reasons),
        "",
        "| arm | role | NDCG@10 | 95 % interval | HR@10 | challenger minus this |",
        "| --- | --- | ---: | :---: | ---: | :---: |",
        *map(_row, told.arms),
        "",
        f"{told.received:,} events received = {told.accepted:,} accepted + {told.quarantined:,} quarantined + "
        f"{told.duplicates:,} duplicates; trained on {told.train_events:,} events before {told.train_cutoff[:16]}Z; "
        f"replayed for {told.window_users:,} users until {told.as_of[:16]}Z; champion now: {champion}; "
        f"{told.seconds:.0f} s.",
        "",
    ]
    return "\n".join(lines)


def _row(arm: ArmFigure) -> str:
    lead = ""
    if arm.challenger_lead is not None:
        lead = f"{arm.challenger_lead:+.4f} [{arm.lead_low:+.4f}, {arm.lead_high:+.4f}]"
    interval = f"[{arm.ndcg_low:.4f}, {arm.ndcg_high:.4f}]"
    return f"| {_cell(arm.arm)} | {arm.role} | {arm.ndcg:.4f} | {interval} | {arm.hit_rate:.4f} | {lead} |"


def _cell(text: str) -> str:
    """Text that ends no cell, and that GitHub reads as no HTML."""
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(sign, written)
    return text
