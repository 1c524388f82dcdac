"""The event that says that a champion drifts: its name, resource and payload, for automations that start retraining.

event     recloop.drift.detected
resource  prefect.resource.id    recloop.model.<model>
          prefect.resource.name  <model>
          recloop.version        the champion that drifts
payload   model, version, since, as_of (ISO 8601, UTC), refits_tokenizer, page, next,
          measures: name, value, drift (its bound) and reason of each measure that drifts
"""

from __future__ import annotations

from typing import Any

from prefect.events import Event, emit_event
from prefect.events.worker import EventsWorker

from components.monitoring.result import RETRAIN, MonitorResult

DRIFT_DETECTED = "recloop.drift.detected"


def resource_of(model: str) -> str:
    """The id of the resource that the events of a model concern."""
    return f"recloop.model.{model}"


def drift_payload(result: MonitorResult, page: str) -> dict[str, Any]:
    """JSON values; `page` is the address of the monitoring page."""
    return {
        "model": result.model,
        "version": result.version,
        "since": result.since.isoformat(),
        "as_of": result.as_of.isoformat(),
        "refits_tokenizer": result.refits_tokenizer,
        "page": page,
        "next": RETRAIN,
        "measures": [
            {"name": m.name, "value": m.value, "drift": m.drift, "reason": m.reason}
            for m in result.of("drift")
        ],
    }


def emit_drift(result: MonitorResult, page: str) -> Event | None:
    """Tell Prefect, and wait until it is told: the local server may stop with the command. None where nobody
    listens, since Prefect's client is set to emit no events.
    """
    event = emit_event(
        event=DRIFT_DETECTED,
        resource={
            "prefect.resource.id": resource_of(result.model),
            "prefect.resource.name": result.model,
            "recloop.version": result.version,
        },
        payload=drift_payload(result, page),
    )
    if event is not None:
        EventsWorker.instance().wait_until_empty()
    return event
