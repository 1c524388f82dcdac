"""The event that says that a champion drifts: its name, resource and payload, for automations that start retraining.

event     recloop.drift.detected
resource  prefect.resource.id    recloop.model.<model>
          prefect.resource.name  <model>
          recloop.version        the champion that drifts
payload   model, version, since, as_of (ISO 8601, UTC), refits_tokenizer, page, next,
          measures: name, value, drift (its bound) and reason of each measure that drifts,
          title, text: the same as a message to people
"""

from __future__ import annotations

from typing import Any

from prefect.events import Event

from components.monitoring.result import RETRAIN, MonitorResult
from flows.telling import tell

DRIFT_DETECTED = "recloop.drift.detected"


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
        "title": f"{result.model}: drift, version {result.version}",
        "text": _text(result, page),
    }


def emit_drift(result: MonitorResult, page: str) -> Event | None:
    """Tell Prefect; None if it could not be told."""
    return tell(
        DRIFT_DETECTED, result.model, {"recloop.version": result.version}, drift_payload(result, page)
    )


def _text(result: MonitorResult, page: str) -> str:
    refit = ", and refits the tokenizer" if result.refits_tokenizer else ""
    return "\n".join(
        [
            f"Events from {result.since:%Y-%m-%d %H:%M}Z to {result.as_of:%Y-%m-%d %H:%M}Z against the training of "
            f"version {result.version}:",
            *(f"- {measure.name}: {measure.reason}" for measure in result.of("drift")),
            f"Next: retrain/on-demand starts by itself{refit}.",
            f"Page: {page}",
        ]
    )
