"""Events told to Prefect, for automations that act on them or send messages. Telling never fails who tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.events import Event, RelatedResource, Resource
from prefect.events.clients import PrefectEventsClient
from prefect.events.worker import EventsWorker

from flows.local.console import warning_line

_PATIENCE_SECONDS = 120  # as long as Prefect's client tries requests again: see PREFECT_CLIENT_MAX_RETRIES


def outlast_a_restart() -> None:
    """Let the states of this process's tasks wait for a server that comes back; Prefect drops them after 8 s, and its
    page then shows tasks that run for ever.
    """
    EventsWorker.set_client_override(
        PrefectEventsClient,
        reconnection_attempts=_PATIENCE_SECONDS,  # one a second
    )


def resource_of(model: str) -> str:
    """The id of the resource that the events of a model concern."""
    return f"recloop.model.{model}"


def tell(event: str, model: str, labels: Mapping[str, str], payload: dict[str, Any]) -> Event | None:
    """Tell Prefect of something that concerns a model, and of the run that found it; the event, or None.

    By a request that Prefect's server answers: its client's own way, a queue behind a socket, neither says what was
    lost nor ends while nobody listens. What could not be told is said on the terminal, and costs nothing else.
    """
    told = Event(
        event=event,
        resource=Resource(
            {"prefect.resource.id": resource_of(model), "prefect.resource.name": model, **labels}
        ),
        related=_this_run(),
        payload=payload,
    )
    try:
        with get_client(sync_client=True) as client:
            client.request("POST", "/events", json=[told.model_dump(mode="json")])
    except httpx.HTTPError as error:
        warning_line(f"Prefect was not told of {event}, so no message of it is sent: {error!r}")
        return None
    return told


def _this_run() -> list[RelatedResource]:
    if not runtime.flow_run.id:
        return []
    own = {
        "prefect.resource.id": f"prefect.flow-run.{runtime.flow_run.id}",
        "prefect.resource.role": "flow-run",
        "prefect.resource.name": runtime.flow_run.name,
    }
    return [RelatedResource(own)]
