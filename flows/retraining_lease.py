"""One retraining at a time: the lease of a warehouse, held by the flow itself, and what follows from it.

Whoever holds the lease is the only living retraining of this warehouse. So every other run that carries the
warehouse's tag and still claims to run is dead: a killed flow stays RUNNING in Prefect for ever unless someone
says that it crashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import runtime, tags
from prefect.client.orchestration import SyncPrefectClient, get_client
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
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from components.artifact import digest_of
from components.data import lease
from flows.settings import Settings, load_settings
from flows.warehouse import RETRAINING, warehouse

_BEGUN_BY = "begun-by:"
_ALIVE = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


@contextmanager
def begun_here() -> Iterator[None]:
    """Let a flow that this process calls inside carry this process, and the warehouse it asks for, as tags.

    Prefect's client makes a run twice if the reply to the first request is lost, and knows of the second alone; and a
    run that cannot be read once it is Running is left so. By the tags both are found: nothing of this process runs
    before it begins here, so what claims to is dead; `only_retraining` finds what dead processes left.
    """
    mine = f"{_BEGUN_BY}{lease.this_process()}"
    with get_client(sync_client=True) as client:
        _sweep_dead_runs(client, mine)
    with tags(mine, _asked_of(load_settings())):
        yield


@contextmanager
def only_retraining() -> Iterator[lease.Lease]:
    """Hold the lease, carry the warehouse's tag, and mark runs that died as crashed. Call it in a flow.

    Raises LeaseHeld if another retraining is going on.
    """
    settings, me = load_settings(), UUID(runtime.flow_run.id)
    tag = warehouse_tag(settings)
    with lease.hold_lease(warehouse(), RETRAINING, owner=lease.this_process()) as held:
        with get_client(sync_client=True) as client:
            client.update_flow_run(me, tags={*runtime.flow_run.tags, tag})
            _sweep_dead_runs(client, tag, but=lambda run: run.id == me)
            _sweep_dead_runs(client, _asked_of(settings), but=lambda run: run.id == me or _may_live(run))
        with tags(tag):  # of the flows and tasks that this one runs
            yield held


def warehouse_tag(settings: Settings) -> str:
    """The tag of every retraining of this warehouse, and of what it runs."""
    return f"warehouse:{digest_of(settings.warehouse_address)[:12]}"


def _asked_of(settings: Settings) -> str:
    """The tag of what a command begins, before it is known whether it may retrain."""
    return f"asks-for-{warehouse_tag(settings)}"


def _may_live(run: FlowRun) -> bool:
    """Whether a run may be that of a living process. In this one nobody begins a run that waits: a reply was lost."""
    owners = [tag.removeprefix(_BEGUN_BY) for tag in run.tags if tag.startswith(_BEGUN_BY)]
    is_forgotten = run.state_type == StateType.PENDING and lease.this_process() in owners
    return not is_forgotten and not any(lease.is_dead_here(owner) for owner in owners)


def _has_ended(client: SyncPrefectClient, run: FlowRun) -> bool:
    """By itself, since it was read: one that was refused has failed, and is not to be marked as crashed."""
    state = client.read_flow_run(run.id).state
    return state is not None and state.is_final()


def _sweep_dead_runs(
    client: SyncPrefectClient, tag: str, *, but: Callable[[FlowRun], bool] = lambda run: False
) -> None:
    """Mark every run with this tag that still claims to run as crashed, but those."""
    message = "The process that ran this is gone; its finished stages are in the journal."
    claims = FlowRunFilterState(type=FlowRunFilterStateType(any_=_ALIVE))
    tagged = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag]), state=claims)
    task_filter = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=_ALIVE)))
    for run in client.read_flow_runs(flow_run_filter=tagged):
        if but(run) or _has_ended(client, run):
            continue
        own = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        for task in client.read_task_runs(flow_run_filter=own, task_run_filter=task_filter):
            client.set_task_run_state(task.id, Crashed(message=message), force=True)
        client.set_flow_run_state(run.id, Crashed(message=message), force=True)
