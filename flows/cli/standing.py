"""Where a home stands: what `recloop status` prints and the front page draws, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.data.monitor_runs import MonitorRun
    from components.data.queries import Counts, Freshness
    from components.data.served_runs import ServedRun
    from components.registry.approval import Approval
    from components.registry.drift_state import Drift
    from components.registry.registered import RegisteredVersion
    from flows.summary import CycleSummary

LAST_CYCLES = 5


@dataclass(frozen=True, kw_only=True)
class RegistryStanding:
    """The registry; `trouble` says why it could not be asked, and the rest is empty then."""

    champion: RegisteredVersion | None = None
    challenger: RegisteredVersion | None = None
    approvals: tuple[Approval, ...] = ()
    drift: Drift | None = None
    trouble: str = ""
    is_empty: bool = False  # nothing has been registered


@dataclass(frozen=True, kw_only=True)
class Standing:
    counts: Counts
    freshness: Freshness
    quarantine: dict[str, int]  # reason -> open rows
    registry: RegistryStanding
    monitored: MonitorRun | None
    served: ServedRun | None
    cycles: tuple[CycleSummary, ...]  # the last ones, oldest first


def standing() -> Standing:
    """Read it all; the registry's outage is part of the answer."""
    from components.data import cycles, queries
    from components.data.monitor_runs import monitor_runs
    from components.data.served_runs import current_run
    from flows.settings import load_settings
    from flows.summary import told_of
    from flows.warehouse import warehouse

    engine, model_name = warehouse(), load_settings().model_name
    return Standing(
        counts=queries.counts(engine),
        freshness=queries.freshness(engine),
        quarantine=queries.quarantine_reasons(engine),
        registry=_registry(),
        monitored=next(iter(monitor_runs(engine, model_name, limit=1)), None),
        served=current_run(engine),
        cycles=tuple(told_of(cycle) for cycle in cycles.cycles(engine, last=LAST_CYCLES)),
    )


def _registry() -> RegistryStanding:
    from components.data.ledger import last_promotion, promotions
    from components.registry.approval import approvals_of
    from components.registry.drift_state import drift_of
    from components.registry.ledger_check import why_broken
    from components.registry.registered import CHALLENGER, CHAMPION, TrackingRefused, TrackingUnreachable
    from flows.cli.registry import NothingRegistered, model_now
    from flows.warehouse import warehouse

    try:
        model = model_now()
    except NothingRegistered:
        return RegistryStanding(is_empty=True)
    except (TrackingUnreachable, TrackingRefused) as error:
        return RegistryStanding(trouble=str(error))
    broken = why_broken(warehouse(), model)
    were = set() if broken else {entry.version for entry in promotions(warehouse(), model.name)}
    return RegistryStanding(
        champion=model.named(CHAMPION),
        challenger=model.named(CHALLENGER),
        approvals=tuple(found for found in reversed(approvals_of(model, were)) if found.state == "pending"),
        drift=drift_of(model, None if broken else last_promotion(warehouse(), model.name), broken),
    )
