"""A batch or a cycle whose open ends are filled in: what counts as now, and where training ends and the replay begins.

`settle_batch` and `settle_cycle` are the first thing that a flow does, so that a schedule, a form and the command line
come to the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from components.artifact import digest_of
from components.data import cycles
from components.data.batch import Batch, Reading
from components.data.sources.arrival import end_of_events, items_arrived, moments_at
from components.data.sources.poison import poisoned
from components.data.timestamps import NAIVE, read_timestamps
from flows.request import BadRequest, BatchRequest, CycleRequest, cycle_request, refuse_other_arm
from flows.warehouse import warehouse

# of the events, trained on by the first cycle that says no cut; the others are its replay window
FIRST_CUT = 0.7


class NothingNew(BadRequest):
    """Nothing has arrived since the last cycle, so there is no window to replay on."""


@dataclass(frozen=True, kw_only=True)
class SettledBatch:
    """A batch whose "now" is known."""

    request: BatchRequest
    as_of: datetime

    def read(self) -> Batch:
        """What has arrived, spoiled on purpose where the request says so.

        Where the request leaves "now" open, events of the future are read too: the contracts refuse them by name.
        Items that are available from a later moment on wait for a batch of then.
        """
        batch = self.request.opened_source().read(since=self.request.since, until=self.request.as_of)
        if waiting := len(batch.items) - len(here := items_arrived(batch.items, until=self.as_of)):
            batch = replace(batch, items=here, readings=_with_waiting(batch.readings, waiting, self.as_of))
        if self.request.poisoned_rows:
            return poisoned(batch, seed=self.request.seed, count=self.request.poisoned_rows, as_of=self.as_of)
        return batch


def _with_waiting(readings: tuple[Reading, ...], waiting: int, as_of: datetime) -> tuple[Reading, ...]:
    if not readings:
        return ()
    told = f"{waiting:,} items are available from {as_of:%Y-%m-%dT%H:%M:%S}Z on or later: they wait for a later batch"
    return (*readings[:-1], replace(readings[-1], remarks=(*readings[-1].remarks, told)))


@dataclass(frozen=True, kw_only=True)
class SettledCycle:
    """A cycle whose "now" and cut are known."""

    asked: CycleRequest
    request: CycleRequest  # the same with "now" and the cut filled in
    as_of: datetime
    train_cutoff: datetime

    @property
    def id(self) -> str:
        """A cycle is what was asked for: the same request is the same cycle, continued or told again."""
        return digest_of(self.request.identity)

    @property
    def batch(self) -> SettledBatch:
        return SettledBatch(request=self.asked, as_of=self.as_of)


def settle_batch(request: BatchRequest) -> SettledBatch:
    """Fill in "now": the end of the source's own data, never later than the clock."""
    if request.as_of is not None:
        return SettledBatch(request=request, as_of=request.as_of)
    source = request.opened_source()
    end = end_of_events(source.read(since=request.since, until=None).events, clock=datetime.now(UTC))
    return SettledBatch(request=request, as_of=end)


def settle_cycle(request: CycleRequest) -> SettledCycle:
    """Fill in "now", the cut (where the last cycle's replay ended, in a first cycle after FIRST_CUT), and weights.

    Raises NothingNew if nothing has arrived since the last cycle, BadRequest if the cut is not before "now".
    """
    refuse_other_arm(request)
    as_of = settle_batch(request).as_of
    cut = request.train_cutoff or _next_cut(request, as_of)
    weights = request.opened_source().event_weights(request.event_weights)
    filled = {"as_of": as_of, "train_cutoff": cut, "event_weights": weights}
    settled = cycle_request(**request.model_dump() | filled)
    return SettledCycle(asked=request, request=settled, as_of=as_of, train_cutoff=cut)


def _next_cut(request: CycleRequest, now: datetime) -> datetime:
    if earlier := cycles.cycles(warehouse(), before=now, last=1):
        return earlier[0].as_of
    if last := cycles.cycles(warehouse(), last=1):
        raise NothingNew(
            f"nothing has arrived since the last cycle, whose replay ended {last[0].as_of:%Y-%m-%dT%H:%MZ}. Come back "
            "with more, or say where training ends and the replay begins: --train-cutoff 1998-01-01T00:00Z"
        )
    source = request.opened_source()
    events = source.read(since=request.since, until=now).events
    _refuse_timeless(events, request.source)
    (cut,) = moments_at(events, (FIRST_CUT,))
    return cut


def _refuse_timeless(events: pd.DataFrame, source: str) -> None:
    """Raise BadRequest if no event has a time that can be read."""
    told = f"`recloop validate --source {source}` shows what is amiss."
    if "timestamp" in events:
        read = read_timestamps(events["timestamp"])
        if read.moments.notna().any():
            return
        if (read.form == NAIVE).any():
            told = "If they are of one zone, say which: --zone UTC, or a name such as Europe/Berlin."
            raise BadRequest(
                f"{source}: the times of events name no zone, so it cannot be said when they were. {told}"
            )
    raise BadRequest(
        f"no event has a time that can be read, so it cannot be said where training ends. {told}"
    )
