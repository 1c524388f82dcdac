"""`recloop approvals`: act on what reviewers approve in MLflow's UI, until Ctrl-C."""

from __future__ import annotations


def approvals() -> None:
    """Act on approvals in MLflow's UI (tag `validation_status: approved`), by webhook and poll; Ctrl-C ends it."""
    from flows.approving import watching_approvals
    from flows.cli.registry import registry
    from flows.cli.waiting import until_interrupted
    from flows.local.console import console
    from flows.local.servers import running_servers
    from flows.settings import load_settings

    settings = load_settings()
    with running_servers(settings, console.print, needed=("mlflow",)), registry() as model_name:
        console.print(f"watching {model_name} in {settings.mlflow_tracking_uri}; Ctrl-C ends this")
        with watching_approvals(settings, console.print):
            until_interrupted()
