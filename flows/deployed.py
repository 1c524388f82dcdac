"""What deployments run. A clock comes round whether or not there is something to do: then a run is skipped.

Each flow here is one that the command line runs too. What the command line would be refused with, because it is
somebody else's turn or too early, ends a run as Skipped, with the reason; every other failure is one. The words of
Prefect's forms are those under Args.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.data.lease import LeaseHeld
from components.registry.versions import NoSuchVersion
from flows.cycle import retraining_cycle
from flows.monitoring import Monitored
from flows.monitoring import monitor as measure_drift
from flows.recommend_batch import NothingToScore, ScoredBatch, ScoringRequest, recommend_batch
from flows.request import CycleRequest
from flows.settled import NothingNew, settle_cycle
from flows.stages import say_in_prefect
from flows.summary import CycleSummary
from flows.warehouse import refuse_if_retraining
from flows.watched_champion import NothingToMonitor

SKIPPED = "Skipped"
T = TypeVar("T")


@flow(name="retrain", flow_run_name="retrain")
def retrain(request: CycleRequest, source: str | None = None) -> CycleSummary | State[str]:
    """One retraining cycle; skipped while another one of this warehouse goes on, or nothing new has arrived.

    Args:
        request: What is asked of the cycle.
        source: Read in place of the request's, all else as the deployment says: for who starts it by name.
    """
    asked = request if source is None else request.model_copy(update={"source": source})
    return _unless(lambda: _cycle(asked), LeaseHeld, NothingNew)


@flow(name="recommend", flow_run_name="recommend-to-everybody")
def recommend(request: ScoringRequest) -> ScoredBatch | State[str]:
    """Everybody's list; skipped while there is no champion, nobody to score, or a scoring that goes on.

    Args:
        request: Which version scores, how long its lists are, and what counts as known.
    """
    return _unless(lambda: recommend_batch.fn(request), LeaseHeld, NoSuchVersion, NothingToScore)


@flow(name="monitor", flow_run_name="monitor-champion")
def monitor(since: datetime | None = None, as_of: datetime | None = None) -> Monitored | State[str]:
    """A look for drift; skipped while there is no champion, or nothing since its training.

    Args:
        since: Events from here on, UTC. None: from where the latest batch begins.
        as_of: What counts as now, UTC. None: after the last event.
    """
    return _unless(lambda: measure_drift.fn(since, as_of), NoSuchVersion, NothingToMonitor)


def _cycle(request: CycleRequest) -> CycleSummary:
    """What refuses a cycle is asked before it begins: on Prefect's page a run that was skipped has no failed one in it,
    as it would if the flow that is called were the one that is refused. The other two are not called as flows.
    """
    refuse_if_retraining()
    settle_cycle(request)
    return retraining_cycle(request)


def _unless(work: Callable[[], T], *too_early: type[Exception]) -> T | State[str]:
    try:
        return work()
    except too_early as reason:
        say_in_prefect(f"skipped: {reason}")
        return Completed(name=SKIPPED, message=str(reason))
