"""The watcher: approvals in MLflow's UI acted on within seconds, by webhook where it comes and by poll always.

It keeps no state that a restart could lose: what is pending is read from the registry and the ledger each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.copies import CopiesUnreachable
from components.data.lease import LeaseHeld, LeaseLost
from components.data.outage import telling_outages
from components.data.warehouse import WarehouseUnreachable
from components.registry.approvals import approvals
from components.registry.drift import drift_of_alias
from components.registry.policy import PromotionPolicy
from components.registry.promotion import apply_approvals
from components.registry.registered import TrackingRefused, TrackingUnreachable
from components.registry.smoke_test import SmokeTest

if TYPE_CHECKING:
    from components.data.warehouse import Engine

_SLICE_SECONDS = 0.2  # how long a request to stop may wait
POLL_SECONDS = 3.0  # well within the 10 s that a reviewer is promised


@dataclass(frozen=True, kw_only=True)
class WatchEvent:
    """Something to tell: an alias that moved, an approval that may not, drift, an outage and its end."""

    kind: Literal["moved", "refused", "overtaken", "drift", "unreachable", "reachable"]
    text: str


def watch_approvals(
    engine: Engine,
    model_name: str,
    policy: PromotionPolicy,
    *,
    poll_seconds: float = POLL_SECONDS,
    wake: threading.Event,
    stop: threading.Event,
    on_event: Callable[[WatchEvent], None],
    smoke: SmokeTest | None = None,
) -> None:
    """Act on approvals until `stop`: at once when `wake` is set, else every `poll_seconds`.

    What does not change is told once. An outage of MLflow or of the warehouse is told, waited out, and costs
    nothing. Any number of watchers may run: the promotion's lease lets one act.
    """
    told: set[WatchEvent] = set()
    while not stop.is_set():
        wake.clear()
        now = _look(engine, model_name, policy, smoke, was_away=any(e.kind == "unreachable" for e in told))
        for event in now:
            if event not in told:
                on_event(event)
        told = {event for event in now if event.kind not in ("moved", "reachable")}
        _wait(poll_seconds, wake, stop)


def _look(
    engine: Engine, model_name: str, policy: PromotionPolicy, smoke: SmokeTest | None, *, was_away: bool
) -> list[WatchEvent]:
    try:
        with telling_outages():
            found = _act(engine, model_name, policy, smoke)
    except (TrackingUnreachable, TrackingRefused, CopiesUnreachable, WarehouseUnreachable) as error:
        return [WatchEvent(kind="unreachable", text=str(error))]
    except (LeaseHeld, LeaseLost):
        return []  # somebody is promoting: look again at the next turn
    back = WatchEvent(kind="reachable", text="MLflow and the warehouse answer again.")
    return [back, *found] if was_away else found


def _act(
    engine: Engine, model_name: str, policy: PromotionPolicy, smoke: SmokeTest | None
) -> list[WatchEvent]:
    events = []
    if (drift := drift_of_alias(engine, model_name)).state in ("moved", "broken"):
        events.append(WatchEvent(kind="drift", text=drift.reason))
    events += [
        WatchEvent(
            kind="overtaken",
            text=f"{approval.version.uri} is approved, and a newer version is champion: nothing is done. "
            f"`recloop promote --version {approval.version.version}` goes back to it on purpose.",
        )
        for approval in approvals(engine, model_name)
        if approval.state == "overtaken"
    ]
    result = apply_approvals(engine, model_name=model_name, policy=policy, smoke=smoke, seen=drift)
    if result is not None:
        events.append(WatchEvent(kind="moved" if result.moved else "refused", text=result.reason))
    return events


def _wait(seconds: float, wake: threading.Event, stop: threading.Event) -> None:
    deadline = time.monotonic() + seconds
    while not stop.is_set() and time.monotonic() < deadline:
        if wake.wait(min(_SLICE_SECONDS, seconds)):
            return
