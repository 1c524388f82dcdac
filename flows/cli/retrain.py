"""`recloop retrain`: one whole cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.request import CycleRequest


def retrain(request: CycleRequest) -> None:
    """Run one whole cycle: ingest, train, replay, decide, register, and promote if the verdict says so."""
    from flows.cli.summary_box import say_cycle
    from flows.local.console import dimmed
    from flows.local.servers import running_servers
    from flows.request import settle_cycle
    from flows.settings import load_settings
    from flows.warehouse import refuse_if_retraining

    refuse_if_retraining()  # whoever would be refused, or asks for what cannot be, starts no servers
    settle_cycle(request)
    with running_servers(load_settings(), dimmed, loading="flows.cycle"):
        from flows.cycle import retraining_cycle

        say_cycle("cycle", retraining_cycle(request))
