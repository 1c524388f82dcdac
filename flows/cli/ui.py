"""`recloop ui`: the real pages on what is there."""

from __future__ import annotations

from typing import Annotated

import typer


def ui(
    demo: Annotated[
        bool, typer.Option("--demo", help="on what the last `recloop demo` under this home left")
    ] = False,
) -> None:
    """Open where things stand, and the real UIs (Prefect, MLflow, Data Docs, reports); Ctrl-C leaves them.

    Meanwhile approvals in MLflow are acted on, as by `recloop approvals`.
    """
    from flows.approving import watching_approvals
    from flows.cli.front_page import front_page
    from flows.cli.registry import registry
    from flows.cli.waiting import until_interrupted
    from flows.local.console import console, dimmed
    from flows.local.demo_home import enter_last_demo
    from flows.local.servers import running_servers
    from flows.local.site import static_site
    from flows.settings import load_settings

    settings = enter_last_demo() if demo else load_settings()
    with (
        running_servers(settings, console.print) as servers,
        static_site(settings, lambda: front_page(servers.urls)) as pages,
        registry(),
        watching_approvals(settings, dimmed),
    ):
        console.print(f"\n  {'state':<16} {settings.home}")
        for title, url in {**pages, **servers.urls}.items():
            console.print(f"  {title:<16} {url}")
        console.print("\nCtrl-C ends this; the servers stop with the last who uses them.")
        until_interrupted()
