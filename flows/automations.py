"""What Prefect does by itself when something is told, or is no longer told: retrain on drift, mark dead runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows.drift_event import DRIFT_DETECTED, resource_of
from flows.local.worker import HEARTBEAT_SECONDS

_SILENT = timedelta(seconds=3 * HEARTBEAT_SECONDS)
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Skipped", "Failed", "Cancelled", "Crashed")}


def apply_automations(client: SyncPrefectClient, *, model: str, retrain: UUID) -> tuple[str, ...]:
    """Make the automations, or bring them up to date; their names. `retrain` is a deployment's id."""
    wanted = tuple(_automations(model, retrain))
    for automation in wanted:
        if found := client.read_automations_by_name(automation.name):
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)
    return tuple(automation.name for automation in wanted)


def _automations(model: str, retrain: UUID) -> Iterator[AutomationCore]:
    yield AutomationCore(
        name=f"{model}: retrain on drift",
        description="`recloop monitor` found a measure beyond its bound.",
        trigger=EventTrigger(
            expect={DRIFT_DETECTED},
            match={"prefect.resource.id": resource_of(model)},
            posture=Posture.Reactive,
        ),
        actions=[
            RunDeployment(source="selected", deployment_id=retrain, parameters=None, job_variables=None)
        ],
    )
    yield AutomationCore(
        name="recloop: mark runs whose process is gone",
        description="A run that beat and then fell silent was killed; its lease ends by itself within a minute.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            for_each={"prefect.resource.id"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=_SILENT,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name=None,
                force=False,
                message=f"No heartbeat for {_SILENT.seconds} s: the process that ran this is gone.",
            )
        ],
    )
