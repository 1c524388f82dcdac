"""Marks the dead: a killed flow stays RUNNING in Prefect for ever unless someone says that it crashed.

Whoever holds the retraining lease is the only living retraining of this warehouse, so every other run that
carries the warehouse's tag and still claims to run is dead.
"""

from __future__ import annotations

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

from components.artifact import digest_of
from flows.settings import Settings

_ALIVE = [StateType.RUNNING, StateType.PENDING]


def warehouse_tag(settings: Settings) -> str:
    """The tag of every flow run that works on this warehouse."""
    return f"warehouse:{digest_of(settings.warehouse_address)[:12]}"


def sweep_dead_runs(settings: Settings, *, alive: UUID) -> int:
    """Mark every run of this warehouse that still claims to run, but the one `alive`, as crashed.

    Call it under the retraining lease. Returns how many there were.
    """
    message = "The process that ran this is gone; its finished stages are in the journal."
    flow_filter = FlowRunFilter(
        tags=FlowRunFilterTags(all_=[warehouse_tag(settings)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE)),
    )
    task_filter = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_ALIVE)))
    with get_client(sync_client=True) as client:
        dead = [run for run in client.read_flow_runs(flow_run_filter=flow_filter) if run.id != alive]
        for run in dead:
            for task in client.read_task_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])), task_run_filter=task_filter
            ):
                client.set_task_run_state(task.id, Crashed(message=message), force=True)
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    return len(dead)
