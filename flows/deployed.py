"""What a deployment runs where the command line would be refused: the flow ends in a state that says why."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.data.lease import LeaseHeld
from flows.cycle import retraining_cycle
from flows.request import CycleRequest
from flows.stages import say_in_prefect
from flows.summary import CycleSummary

SKIPPED = "Skipped"


@flow(name="retrain", flow_run_name="retrain-on-{request.source}")
def retrain(request: CycleRequest) -> CycleSummary | State[str]:
    """One retraining cycle. While another one of this warehouse goes on it ends as Skipped, with the reason.

    A schedule comes round whether or not the last run has ended; that is no failure.
    """
    try:
        return retraining_cycle(request)
    except LeaseHeld as held:
        say_in_prefect(f"skipped: {held}")
        return Completed(name=SKIPPED, message=str(held))
