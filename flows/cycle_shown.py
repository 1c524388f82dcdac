"""What a cycle came to, on Prefect's page of its run: its sub-flows hold the rest."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from flows.cycle_markdown import cycle_markdown
from flows.summary import CycleSummary


def show_cycle(told: CycleSummary) -> None:
    """The artifact `cycle`: verdict, reasons, arms, rows, and the way to every page."""
    pages = {what: where for what, where in told.links().items() if what != "Prefect run"}
    create_markdown_artifact(
        key="cycle", markdown=cycle_markdown(told, pages),
        description=f"{told.verdict}: version {told.version}. Links open while `recloop ui` runs here",
    )  # fmt: skip
