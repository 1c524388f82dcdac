"""`recloop retrain`: one whole cycle."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flows.cli.options import Json

if TYPE_CHECKING:
    from flows.request import CycleRequest


def retrain(
    request: CycleRequest,
    as_json: Json = False,
) -> None:
    """Run one whole cycle: ingest, train, replay, decide, register, and promote if the verdict says so."""
    from flows.carried import refuse_ids_of_another
    from flows.cli.summary_box import say_cycle
    from flows.local.console import dimmed, leave_stdout, say_json
    from flows.local.servers import running_servers
    from flows.settings import load_settings
    from flows.settled import settle_cycle
    from flows.warehouse import refuse_if_retraining

    if as_json:
        leave_stdout()
    refuse_if_retraining()  # whoever would be refused, or asks for what cannot be, starts no servers
    refuse_ids_of_another(settle_cycle(request))
    with running_servers(load_settings(), dimmed, loading="flows.cycle"):
        from flows.cycle import retraining_cycle
        from flows.retraining_lease import begun_here

        with begun_here():
            summary = retraining_cycle(request)
        if as_json:
            say_json(asdict(summary))
        else:
            say_cycle("cycle", summary)
