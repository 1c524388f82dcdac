"""A finished cycle as markdown: for the summary of a CI job, a comment, and Prefect's page of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flows.summary import ArmFigure, CycleSummary


def cycle_markdown(told: CycleSummary, pages: Mapping[str, str]) -> str:
    """Verdict and reasons, the arms, what came in, what was trained on; `pages` are what → address."""
    lines = [
        f"## {told.verdict}: version {told.version}",
        "",
        f"On {_cell(Path(told.source).name)}: {_champion(told)}.",
        "",
        *(f"- {_cell(reason)}" for reason in told.reasons),
        *(f"- Also challenged: {_cell(one.told)}" for one in told.beside),
        "",
        "| arm | role | NDCG@10 | 95 % interval | HR@10 | challenger minus this |",
        "| --- | --- | ---: | :---: | ---: | :---: |",
        *map(_row, told.arms),
        "",
        f"- Data: {told.received:,} events received = {told.accepted:,} accepted + {told.quarantined:,} quarantined + "
        f"{told.duplicates:,} duplicates.",
        f"- Training: {told.train_events:,} events before {told.train_cutoff[:16]}Z.",
        *([f"- Start: {_cell(told.start_note)}."] if told.start_note else []),
        *([f"- New items: {_cell('; '.join(told.new_items_note))}."] if told.new_items_note else []),
        f"- Replay: {told.window_users:,} users until {told.as_of[:16]}Z. The cycle took {told.seconds:.0f} s.",
        *_links(pages),
        "",
    ]
    return "\n".join(lines)


def _champion(told: CycleSummary) -> str:
    before, after = told.champion_before, told.champion_after
    if before == after:
        return f"version {after} stays champion" if after else "there is no champion yet"
    return f"version {after} is champion, " + (f"in place of version {before}" if before else "the first")


def _links(pages: Mapping[str, str]) -> list[str]:
    return [f"- Pages: {', '.join(f'[{what}]({where})' for what, where in pages.items())}"] if pages else []


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
