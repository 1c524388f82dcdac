"""Snapshots of a cycle: the events before the cut, and those of the replay window, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prefect import task

from components.artifact import ArtifactRef
from components.data import snapshot
from flows.ingest import LandedBatch
from flows.outages import TRIED_AGAIN
from flows.settings import load_settings
from flows.settled import SettledCycle
from flows.stages import StageResult, key_of, run_once
from flows.warehouse import warehouse


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """Two snapshots that meet at the cut, and what is known now of both.

    An event that is dated before the cut and was told of after it is in `now` alone.
    """

    train: ArtifactRef  # events before the cut, items known by then
    window: ArtifactRef  # events of [cut, end)
    now: ArtifactRef  # events before the end
    cut: datetime
    end: datetime
    train_events: int
    window_events: int
    late_events: int  # left out of the training: dated before the cut, known after it

    @property
    def note(self) -> str:
        told = f"{self.train_events:,} events before the cut, {self.window_events:,} after it"
        return f"{told}; {self.late_events:,} that came late are not trained on" if self.late_events else told


def freeze(cut: datetime, end: datetime) -> Snapshots:
    """Take the snapshots from the warehouse. Raises SnapshotEmpty."""
    root = load_settings().artifacts
    train = snapshot.take_snapshot(warehouse(), root, end=cut)
    window = snapshot.take_snapshot(warehouse(), root, start=cut, end=end)
    return Snapshots(
        train=train,
        window=window,
        now=snapshot.take_snapshot(warehouse(), root, end=end),
        cut=cut,
        end=end,
        train_events=snapshot.snapshot_facts(train).num_events,
        window_events=snapshot.snapshot_facts(window).num_events,
        late_events=snapshot.left_out_of(warehouse(), train),
    )


@task(task_run_name="take-snapshots", **TRIED_AGAIN)
def take_snapshots(run: str, cycle: SettledCycle, landed: LandedBatch) -> StageResult[Snapshots]:
    """Freeze what the cycle trains on and what it is replayed on, as of its batch: the ingestion watermark."""
    cut, end = cycle.train_cutoff, cycle.as_of
    key = key_of(
        take_snapshots, "take snapshots", run=run,
        facts={"watermark": landed.result.batch_id, "cut": cut.isoformat(), "end": end.isoformat()},
    )  # fmt: skip

    def work() -> Snapshots:
        return freeze(cut, end)

    return run_once(key, Snapshots, work)
