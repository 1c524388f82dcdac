"""`recloop deploy`: schedules and named runs, put into Prefect."""

from __future__ import annotations


def deploy() -> None:
    """Apply `infra/prefect.yaml` to the Prefect server: schedules, and runs to start by name or form.

    Twice is as good as once. `recloop worker` then runs what is due.
    """
    from rich.table import Table

    from flows.local.console import console, dimmed
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    settings = load_settings()
    with running_servers(settings, dimmed, needed=("prefect",)):
        from flows.deployments import deploy as apply

        table = Table("deployment", "schedule (UTC)", "work pool", box=None)
        standing = apply(settings)
        for deployed in standing.deployments:
            schedule = ", ".join(deployed.crons) or "by name, form or event"
            table.add_row(
                deployed.name, f"{schedule} (paused)" if deployed.is_paused else schedule, deployed.work_pool
            )
        console.print(table)
        for name in standing.automations:
            console.print(f" automation  {name}", markup=False)
        for name in standing.channels:
            console.print(f" messages to {name}", markup=False)
    console.print(
        "\nrecloop worker runs what is due; prefect deployment run NAME starts one by name; "
        "the forms are in Prefect's UI under Deployments.",
        markup=False,
    )
