"""Tasks try again where the world can fail: a database, a server or an object store that is away for some seconds.

Only on errors of the world; data that is refused and a training that fails are told at once. A task that is tried
again does nothing twice: a stage that a kill interrupted is worked again in the same way. MLflow's and Prefect's
clients try a request again themselves (`flows.settings`), which bridges a second; this bridges a restart.
"""

from __future__ import annotations

from typing import Any

import httpx
from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from components.copies import CopiesUnreachable
from components.data import outage
from components.registry import tracking


def is_outage(error: object) -> bool:
    """Whether the world failed and may be well again in some seconds."""
    if not isinstance(error, BaseException):
        return False
    return (
        isinstance(error, tracking.TrackingUnreachable | httpx.TransportError | CopiesUnreachable)
        or (isinstance(error, httpx.HTTPStatusError) and error.response.status_code >= 500)
        or outage.is_outage(error)
        or tracking.is_object_store_away(error)
    )


def world_failed(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Prefect's question after a failure: is it worth another try?"""
    return is_outage(state.data)


# for tasks that ask databases, servers and stores, and train nothing: after 2, 4 and 8 seconds, 14 in all
TRIED_AGAIN: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_condition_fn": world_failed,
}
