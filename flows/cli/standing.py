"""Where a home stands: what `recloop status` prints and the front page draws, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.data.monitor_runs import MonitorRun
    from components.data.queries import Counts, Freshness
    from components.data.recommendations import ServedRun
    from components.registry.approvals import Approval
    from components.registry.moves import Drift
    from components.registry.versions import RegisteredVersion
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
    from components.data.recommendations import current_run
    from flows.record import read_record
    from flows.settings import load_settings
    from flows.warehouse import warehouse

    engine, model_name = warehouse(), load_settings().model_name
    return Standing(
        counts=queries.counts(engine),
        freshness=queries.freshness(engine),
        quarantine=queries.quarantine_reasons(engine),
        registry=_registry(),
        monitored=next(iter(monitor_runs(engine, model_name, limit=1)), None),
        served=current_run(engine),
        cycles=tuple(read_record(cycle).told for cycle in cycles.cycles(engine)[-LAST_CYCLES:]),
    )


def _registry() -> RegistryStanding:
    from components.registry import versions
    from components.registry.approvals import pending_approvals
    from components.registry.drift import drift_of_alias
    from components.registry.tracking import TrackingUnreachable
    from flows.cli.registry import NothingRegistered, registry
    from flows.warehouse import warehouse

    try:
        with registry() as name:
            aliases = versions.aliases(name)
            found = {
                alias: versions.get_version(name, aliases[alias])
                for alias in (versions.CHAMPION, versions.CHALLENGER)
                if alias in aliases
            }
            return RegistryStanding(
                champion=found.get(versions.CHAMPION),
                challenger=found.get(versions.CHALLENGER),
                approvals=tuple(pending_approvals(warehouse(), name)),
                drift=drift_of_alias(warehouse(), name),
            )
    except NothingRegistered:
        return RegistryStanding(is_empty=True)
    except TrackingUnreachable as error:
        return RegistryStanding(trouble=str(error))
