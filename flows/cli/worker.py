"""`recloop worker`: the process that runs what the deployments ask for."""

from __future__ import annotations

from typing import Annotated

import typer


def worker(
    container: Annotated[
        bool,
        typer.Option(
            "--container",
            help="become Prefect's worker, with its log on stdout and its health check; servers run elsewhere",
        ),
    ] = False,
) -> None:
    """Run what schedules, people and events start, one process a run, until Ctrl-C."""
    from flows.cli.waiting import until_interrupted
    from flows.local.console import console
    from flows.local.servers import running_servers
    from flows.local.worker import become_worker, working
    from flows.settings import load_settings

    settings = load_settings()
    if container:
        become_worker(settings)
    with running_servers(settings, console.print), working(settings) as process:
        console.print(
            f"worker of pool {settings.work_pool} on {settings.prefect_ui_url}; its log is "
            f"{settings.home / 'logs' / 'worker.log'}; Ctrl-C ends it",
            markup=False,
        )
        until_interrupted(lambda: process.poll() is not None)
