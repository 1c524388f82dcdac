"""Snapshots: what was known of a stretch of time, as immutable parquet under one digest.

A snapshot is a published folder with `partitions.json`, which names the day files (see `partitions`) in
order of time, and `items.parquet`. Its digest is the root of a tree of SHA-256, and another day costs a day.
The ingestion watermark is not in the digest but in the table `snapshots`: batches that touch other days
leave the digest as it is, and so does the order in which batches arrive. What becomes known after the
snapshot's own moment, `known_by`, is not in it: late events, later descriptions (see `knowledge`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, delete, func, insert, select

from components.artifact import ArtifactRef, publish, verified, whole
from components.data import partitions
from components.data.ingest import watermark
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import events, snapshots
from components.data.snapshot_content import count_within, items_before
from components.data.warehouse import reading, writing
from components.faults import crash_point

KIND, PARTITIONS = "snapshot", "partitions.json"


class SnapshotEmpty(Exception):
    """There is no event in the stretch of time that was asked for."""


@dataclass(frozen=True, kw_only=True)
class SnapshotFacts:
    """What a snapshot holds. Events lie in [start, end); items are those that were there before end.

    All of it was known by `known_by`.
    """

    start: datetime | None  # None: from the first event on
    end: datetime
    num_events: int
    num_users: int
    num_items: int
    known_by: datetime
    num_late: int  # of the events: known later than they happened, and by `known_by`


def take_snapshot(
    engine: Engine,
    root: Path,
    *,
    start: datetime | None = None,
    end: datetime,
    known_by: datetime | None = None,
    now: Clock = utc_now,
) -> ArtifactRef:
    """Write events in [start, end) and the items there were before `end`, as known by `known_by`.

    `known_by` is `end`, unless said otherwise: what is learned later of the time before a cut does not enter
    it, so a cut that lies in the past keeps its digest. What is written already is reused.

    An item is there from its stated `available_at` or its first event on, whichever is earlier; that moment
    is its `available_at` in the snapshot. An item that only events speak of is in it too, without a
    description. Same content and cut give the same digest. `end` may lie after the last event: more may
    then arrive before it, and a later snapshot of the same cut has another digest.

    Raises NaiveMoment for a moment without a zone, SnapshotEmpty if no event lies in the interval, LedgerBroken before
    anything is written if the batches are not what was written.
    """
    written = _write(engine, root, start=start, end=end, known_by=known_by or end, reuse=True)
    crash_point("snapshot:before-record")
    with writing(engine, "snapshots") as connection:
        partitions.record(connection, written.partitions)
        connection.execute(delete(snapshots).where(snapshots.c.digest == written.ref.digest))
        row = {"digest": written.ref.digest, "path": written.ref.path, "watermark": written.watermark}
        row |= {"start_at": None if start is None else to_micros(start), "end_at": to_micros(end)}
        row |= {"known_by": to_micros(known_by or end), "taken_at": to_micros(now())}
        row |= {"num_left_out": written.num_left_out}
        row |= {name: getattr(written.facts, name) for name in ("num_events", "num_users", "num_items")}
        connection.execute(insert(snapshots).values(row))
    return written.ref


def rebuild_snapshot(
    engine: Engine,
    root: Path,
    *,
    start: datetime | None = None,
    end: datetime,
    known_by: datetime | None = None,
) -> ArtifactRef:
    """What `take_snapshot` would write now, under another `root`, every day of it written anew; nothing is recorded.

    Raises as `take_snapshot` does.
    """
    return _write(engine, root, start=start, end=end, known_by=known_by or end, reuse=False).ref


@dataclass(frozen=True, kw_only=True)
class _Written:
    ref: ArtifactRef
    facts: SnapshotFacts
    partitions: dict[partitions.Stretch, str]  # SHA-256 of the days that were not there yet
    num_left_out: int
    watermark: int


def _write(
    engine: Engine, root: Path, *, start: datetime | None, end: datetime, known_by: datetime, reuse: bool
) -> _Written:
    from_at, until_at = None if start is None else to_micros(start), to_micros(end)
    known_at = to_micros(known_by)
    folder = root / "partitions"
    folder.mkdir(parents=True, exist_ok=True)
    with reading(engine) as connection:
        as_of_batch = watermark(connection)  # first: of batches that are not what was written nothing is made
        wanted = partitions.stretches(connection, from_at, until_at, known_at)
        if not wanted:
            raise SnapshotEmpty(_why_empty(connection, start, end))
        hashes = partitions.written_before(connection, wanted, folder) if reuse else {}
        written = {s: partitions.write(connection, s, folder, known_at) for s in wanted if s not in hashes}
        hashes |= written
        counted = count_within(connection, from_at, until_at, known_at)
        item_table = items_before(connection, until_at, known_at)
    partitions.sync(folder, list(written.values()))
    partitions.copy(folder, [hashes[stretch] for stretch in wanted])
    crash_point("snapshot:partitions-written")
    facts = SnapshotFacts(
        start=None if start is None else start.astimezone(UTC),
        end=end.astimezone(UTC),
        num_events=sum(stretch.num_rows for stretch in wanted),
        num_users=counted.users,
        num_items=item_table.num_rows,
        known_by=known_by.astimezone(UTC),
        num_late=counted.late,
    )

    def write(aside: Path) -> None:
        listed = [{"day": s.day, "sha256": hashes[s], "num_rows": s.num_rows} for s in wanted]
        (aside / PARTITIONS).write_text(json.dumps(listed, indent=0))
        pq.write_table(item_table, aside / "items.parquet", compression="zstd")

    ref = publish(root, KIND, write, parents={}, config=facts_as_config(facts))
    return _Written(
        ref=ref, facts=facts, partitions=written, num_left_out=counted.left_out, watermark=as_of_batch
    )


def read_events(ref: ArtifactRef) -> pd.DataFrame:
    """event_id, user_id, item_id, event_type, timestamp (us, UTC), value.

    Sorted by timestamp, user_id, item_id, event_id. Every byte is checked: raises ArtifactDamaged. All events are
    in memory, some 250 bytes each: whoever needs no frame of the whole takes `event_days`.
    """
    return pa.concat_tables(event_days(ref)).to_pandas()


def event_days(ref: ArtifactRef, *, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The same rows day by day, or these columns of them; only one day's file is held at a time.

    With `columns`, ids and types come as dictionaries. Every byte is checked: raises ArtifactDamaged.
    """
    verified(ref.path)
    path = Path(ref.path)
    folder = path.parents[1] / "partitions"
    with whole(path):
        listed = json.loads((path / PARTITIONS).read_text())
    partitions.bring(folder, [part["sha256"] for part in listed])
    for part in listed:
        yield partitions.read(folder, part["sha256"], snapshot=path, columns=columns)


def read_items(ref: ArtifactRef) -> pd.DataFrame:
    """item_id, title, description, categories, attributes, image_path, audio_path, available_at and
    first_event_at (us, UTC; null without an event before the end). Sorted by item_id.

    Raises ArtifactDamaged.
    """
    verified(ref.path)
    with whole(ref.path):
        return pq.read_table(Path(ref.path) / "items.parquet").to_pandas()


def read_categories(ref: ArtifactRef, item_ids: np.ndarray) -> list[tuple[str, ...]] | None:
    """The categories of each of these items, in their order; () for one without, None where none has any.

    Raises ArtifactDamaged.
    """
    stated = read_items(ref).set_index("item_id")["categories"].reindex(item_ids)
    categories = [tuple(own.split("|")) if isinstance(own, str) else () for own in stated]
    return categories if any(categories) else None


def snapshot_facts(ref: ArtifactRef) -> SnapshotFacts:
    """What the snapshot says of itself. Raises ArtifactDamaged."""
    config = {"num_late": 0} | verified(ref.path)["config"]
    config.setdefault("known_by", config["end"])
    moments = {name: config[name] for name in ("start", "end", "known_by")}
    read = {name: None if at is None else datetime.fromisoformat(at) for name, at in moments.items()}
    return SnapshotFacts(**config | read)


def left_out_of(engine: Engine, ref: ArtifactRef) -> int:
    """Events of the snapshot's cut that became known too late for it, as of when it was last taken."""
    query = select(snapshots.c.num_left_out).where(snapshots.c.digest == ref.digest)
    with reading(engine) as connection:
        return connection.execute(query).scalar() or 0


def facts_as_config(facts: SnapshotFacts) -> dict[str, str | int | None]:
    """As it stands in the manifest: what needs no telling is left out, so that it moves no digest."""
    config = asdict(facts) | {"end": facts.end.isoformat(), "known_by": facts.known_by.isoformat()}
    config["start"] = None if facts.start is None else facts.start.isoformat()
    if facts.known_by == facts.end:
        del config["known_by"]
    if not facts.num_late:
        del config["num_late"]
    return config


def _why_empty(connection: Connection, start: datetime | None, end: datetime) -> str:
    known = select(func.count(), func.min(events.c.occurred_at), func.max(events.c.occurred_at))
    num_events, first, last = connection.execute(known).one()
    asked = f"no event in [{'the beginning' if start is None else start.isoformat()}, {end.isoformat()})"
    if not num_events:
        return f"{asked}: the warehouse holds no events at all. Run `recloop ingest` first."
    return (
        f"{asked}: the warehouse holds {num_events:,} events from {from_micros(first).isoformat()} to "
        f"{from_micros(last).isoformat()}. Choose an interval that overlaps, or ingest what is missing."
    )
