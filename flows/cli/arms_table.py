"""The arms of a replay as a table of the terminal, and the colour of a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table

from flows.summary import ArmFigure

COLOURS = {"PROMOTE": "green", "HOLD": "yellow", "REJECT": "red", "INVALID": "magenta"}


def arms_table(arms: Iterable[ArmFigure]) -> Table:
    """NDCG@10 and HR@10 of each arm, and the challenger's paired lead over it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm")
    table.add_column("role", style="dim")
    table.add_column("NDCG@10", justify="right")
    table.add_column("95 % interval", justify="right", style="dim")
    table.add_column("HR@10", justify="right")
    table.add_column("challenger minus this", justify="right")
    for arm in arms:
        lead = ""
        if arm.challenger_lead is not None:
            lead = f"{arm.challenger_lead:+.4f} [{arm.lead_low:+.4f}, {arm.lead_high:+.4f}]"
        table.add_row(
            arm.arm,
            arm.role,
            f"{arm.ndcg:.4f}",
            f"[{arm.ndcg_low:.4f}, {arm.ndcg_high:.4f}]",
            f"{arm.hit_rate:.4f}",
            lead,
        )
    return table
