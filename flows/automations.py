"""What Prefect does by itself when something is told, or is no longer told: retrain on drift, mark dead runs, and send
messages of verdicts, drift and failures.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events import ResourceSpecification
from prefect.events.actions import ActionTypes, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from flows.channels import Channel
from flows.drift_event import DRIFT_DETECTED
from flows.settings import Settings
from flows.telling import resource_of
from flows.verdict_event import VERDICT

_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDS = {f"prefect.flow-run.{state}" for state in ("Completed", "Skipped", "Failed", "Cancelled", "Crashed")}
_FAILURES = {
    f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")
}  # a skipped run is none
_ONE_MESSAGE_IN = timedelta(hours=1)  # of a deployment that fails by the minute


@dataclass(frozen=True, kw_only=True)
class Deployments:
    """What automations start and listen to, by id."""

    retrain: UUID  # started on drift
    all: Collection[UUID]  # whose failures are told


def apply_automations(
    client: SyncPrefectClient, settings: Settings, deployments: Deployments, channels: Collection[Channel]
) -> tuple[str, ...]:
    """Make the automations, or bring them up to date; their names. Those of messages go where there is no channel."""
    messages = [
        _tell_of_event(settings.model_name, "verdicts", VERDICT, channels),
        _tell_of_event(settings.model_name, "drift", DRIFT_DETECTED, channels),
        _tell_of_failures(settings, deployments.all, channels),
    ]
    wanted = [
        _retrain_on_drift(settings.model_name, deployments.retrain),
        _mark_the_dead(settings.crashed_after_seconds),
        *(messages if channels else []),
    ]
    for automation in wanted:
        if found := client.read_automations_by_name(automation.name):
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)
    for automation in messages if not channels else []:
        for left in client.read_automations_by_name(automation.name):
            client.delete_automation(left.id)
    return tuple(automation.name for automation in wanted)


def _retrain_on_drift(model: str, retrain: UUID) -> AutomationCore:
    return AutomationCore(
        name=f"{model}: retrain on drift",
        description="`recloop monitor` found a measure beyond its bound.",
        trigger=_concerning(model, DRIFT_DETECTED),
        actions=[
            RunDeployment(source="selected", deployment_id=retrain, parameters=None, job_variables=None)
        ],
    )


def _mark_the_dead(silent_seconds: int) -> AutomationCore:
    return AutomationCore(
        name="recloop: mark runs whose process is gone",
        description="A run that beat and then fell silent was killed; its lease ends by itself within a minute.",
        trigger=EventTrigger(
            after={_HEARTBEAT},
            expect={_HEARTBEAT, *_ENDS},
            for_each={"prefect.resource.id"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=silent_seconds),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name=None,
                force=False,
                message=f"No heartbeat for {silent_seconds} s: the process that ran this is gone.",
            )
        ],
    )


def _tell_of_event(model: str, what: str, event: str, channels: Collection[Channel]) -> AutomationCore:
    """A message of each such event; the event brings its words."""
    return AutomationCore(
        name=f"{model}: tell of {what}",
        description=f"A message of each event {event}.",
        trigger=_concerning(model, event),
        actions=_messages("{{ event.payload.title }}", "{{ event.payload.text }}", channels),
    )


def _tell_of_failures(
    settings: Settings, deployments: Collection[UUID], channels: Collection[Channel]
) -> AutomationCore:
    """A message of a deployed run that failed or crashed; of one deployment at most one in an hour."""
    subject = "{{ flow.name }}/{{ deployment.name }} {{ flow_run.state.name | lower }}"
    body = (
        "{{ flow_run.state.message | default('', true) | truncate(1000) }}\n"
        f"Prefect run: {settings.flow_run_url('{{ flow_run.id }}')}\n"
        "Further failures of this deployment within an hour are not told."
    )
    return AutomationCore(
        name=f"{settings.model_name}: tell of failures",
        description="A message of a run that failed or crashed, at most one an hour of each deployment.",
        trigger=EventTrigger(
            expect=_FAILURES,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=ResourceSpecification(
                {
                    "prefect.resource.role": "deployment",
                    "prefect.resource.id": [f"prefect.deployment.{id}" for id in deployments],
                }
            ),
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            within=_ONE_MESSAGE_IN,
        ),
        actions=_messages(f"{settings.model_name}: {subject}", body, channels),
    )


def _concerning(model: str, event: str) -> EventTrigger:
    """Each such event, at once."""
    return EventTrigger(
        expect={event}, match={"prefect.resource.id": resource_of(model)}, posture=Posture.Reactive
    )


def _messages(subject: str, body: str, channels: Collection[Channel]) -> list[ActionTypes]:
    return [
        SendNotification(block_document_id=channel.block, subject=subject, body=body) for channel in channels
    ]
