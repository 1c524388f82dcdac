"""The arms of a replay as a table of the terminal, and the colour of a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from flows.summary import ArmFigure

COLOURS = {"PROMOTE": "green", "HOLD": "yellow", "REJECT": "red", "INVALID": "magenta"}


def arms_table(arms: Iterable[ArmFigure]) -> Table:
    """NDCG@10 and HR@10 of each arm, and the challenger's paired lead over it; 76 columns at most.

    The 95 % interval is that of the lead, which decides; the one of each mean stands in the report.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("arm", no_wrap=True)
    table.add_column("NDCG@10", justify="right")
    table.add_column("HR@10", justify="right")
    table.add_column("challenger minus this", justify="right", no_wrap=True)
    for arm in arms:
        lead = ""
        if arm.challenger_lead is not None:
            lead = f"{arm.challenger_lead:+.4f} [{arm.lead_low:+.4f}, {arm.lead_high:+.4f}]"
        table.add_row(_named(arm), f"{arm.ndcg:.4f}", f"{arm.hit_rate:.4f}", lead)
    return table


def _named(arm: ArmFigure) -> str:
    return arm.arm if arm.role in ("baseline", arm.arm) else f"{arm.arm} ({arm.role})"
