"""Day partitions: the events of a day in one parquet file that is named by its own SHA-256.

All snapshots share them. The table `day_partitions` remembers which file holds which stretch of time as of
which batch, so a day that has not changed since is not even read.
"""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Connection, bindparam, delete, func, insert, select
from sqlalchemy.sql.elements import ColumnElement

from components.artifact import ArtifactDamaged, sha256_file
from components.copies import copies_of
from components.data.knowledge import known_by
from components.data.moments import DAY_US, from_micros
from components.data.schema import day_partitions, events

MOMENT = pa.timestamp("us", tz="UTC")
EVENTS = pa.schema(
    {
        "event_id": pa.string(),
        "user_id": pa.string(),
        "item_id": pa.string(),
        "event_type": pa.string(),
        "timestamp": MOMENT,
        "value": pa.float64(),
    }
)
_DICTIONARIES = ["user_id", "item_id", "event_type"]
_EPOCH_DAYS = 719_162  # 1970-01-01 from the year 1, so that integer division rounds down before 1970 too
_SELECTED = ("timestamp", "user_id", "item_id", "event_id", "event_type", "value")
_ROWS_AT_ONCE = 50_000  # as Python objects; a day's columns take a tenth of them
_SYNC_THREADS = 16  # an fsync waits for the disk, not for a core


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A day, or the part of it inside the cut, with the figures that tell whether its rows have changed.

    Landing adds rows under a new batch, which moves one of the last two; erasing removes rows, and with them
    what is recorded of their days.
    """

    from_at: int  # microseconds, included
    until_at: int  # excluded
    num_rows: int
    last_batch_id: int

    @property
    def day(self) -> str:
        return from_micros(self.from_at).date().isoformat()


def within(from_at: int | None, until_at: int, known_at: int) -> list[ColumnElement[bool]]:
    """Conditions for from_at <= occurred_at < until_at, known by `known_at`."""
    cut = [events.c.occurred_at < until_at, known_by(known_at)]
    return cut if from_at is None else [events.c.occurred_at >= from_at, *cut]


def stretches(connection: Connection, from_at: int | None, until_at: int, known_at: int) -> list[Stretch]:
    """The days that have events in the cut, clipped to it, in order of time."""
    day = (events.c.occurred_at + _EPOCH_DAYS * DAY_US) // DAY_US
    query = (
        select(day, func.count(), func.max(events.c.batch_id))
        .where(*within(from_at, until_at, known_at))
        .group_by(day)
        .order_by(day)
    )
    found = []
    for day_number, num_rows, last_batch_id in connection.execute(query):
        midnight = (int(day_number) - _EPOCH_DAYS) * DAY_US
        found.append(
            Stretch(
                from_at=midnight if from_at is None else max(midnight, from_at),
                until_at=min(midnight + DAY_US, until_at),
                num_rows=num_rows,
                last_batch_id=last_batch_id,
            )
        )
    return found


def written_before(connection: Connection, wanted: list[Stretch], folder: Path) -> dict[Stretch, str]:
    """The SHA-256 of each stretch that some earlier snapshot wrote and whose file still lies there."""
    table = day_partitions.c
    query = select(*(table[field.name] for field in fields(Stretch)), table.sha256).where(
        table.from_at >= wanted[0].from_at, table.until_at <= wanted[-1].until_at
    )
    recorded = {}
    for row in connection.execute(query):
        *figures, sha256 = row
        names = (field.name for field in fields(Stretch))
        recorded[Stretch(**dict(zip(names, figures, strict=True)))] = sha256
    present = {entry.name for entry in os.scandir(folder)}
    return {s: recorded[s] for s in wanted if s in recorded and f"{recorded[s]}.parquet" in present}


def record(connection: Connection, written: dict[Stretch, str]) -> None:
    """Remember which file holds which stretch."""
    if not written:
        return
    rows = [asdict(stretch) for stretch in written]
    same = [day_partitions.c[name] == bindparam(f"old_{name}") for name in rows[0]]
    connection.execute(
        delete(day_partitions).where(*same), [{f"old_{k}": v for k, v in row.items()} for row in rows]
    )
    connection.execute(
        insert(day_partitions),
        [row | {"sha256": sha256} for row, sha256 in zip(rows, written.values(), strict=True)],
    )


def write(connection: Connection, stretch: Stretch, folder: Path, known_at: int) -> str:
    """Write the rows of a stretch, sorted by timestamp, user_id, item_id, event_id; return the SHA-256.

    In memory is the stretch, as columns.
    """
    table = events.c
    query = select(
        table.occurred_at, table.user_id, table.item_id, table.event_id, table.event_type, table.value
    ).where(*within(stretch.from_at, stretch.until_at, known_at))
    pieces, cursor = [], connection.execute(query).cursor
    assert cursor is not None
    while rows := cursor.fetchmany(_ROWS_AT_ONCE):  # the driver's own tuples: no types are to be converted
        columns = dict(zip(_SELECTED, zip(*rows, strict=True), strict=True))
        arrays = [pa.array(columns[field.name], type=field.type) for field in EVENTS]
        pieces.append(pa.Table.from_arrays(arrays, schema=EVENTS))
    # Sorted here, since databases differ in how they compare text: by bytes, as Python orders it.
    # No two rows share the four.
    order = [(name, "ascending") for name in _SELECTED[:4]]
    return write_table(pa.concat_tables(pieces).sort_by(order).combine_chunks(), folder)


def write_table(table: pa.Table, folder: Path) -> str:
    """Write rows of EVENTS under their SHA-256, and return it; `sync` puts them on the disk."""
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="snappy",  # zstd's start-up costs more than it saves on the small files of sparse data
        use_dictionary=_DICTIONARIES,
    )
    sha256 = hashlib.sha256(buffer.getbuffer()).hexdigest()
    aside = folder / f".{uuid.uuid4().hex}"
    aside.write_bytes(buffer.getbuffer())
    os.replace(aside, folder / f"{sha256}.parquet")
    return sha256


def sync(folder: Path, hashes: list[str]) -> None:
    """Return when these files, and their names, are on the disk."""

    def sync_one(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(sync_one, [folder / f"{sha256}.parquet" for sha256 in hashes]))
    sync_one(folder)


def copy(folder: Path, hashes: Iterable[str]) -> None:
    """Write these files through to the object store, where one is named."""
    if copies := copies_of(folder):
        copies.put_files(folder / f"{sha256}.parquet" for sha256 in hashes)


def bring(folder: Path, hashes: Iterable[str]) -> None:
    """Fetch the files that are not here from the object store, where one is named; what it has not stays missing."""
    missing = [path for sha256 in hashes if not (path := folder / f"{sha256}.parquet").exists()]
    if missing and (copies := copies_of(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_SYNC_THREADS) as pool:
            list(pool.map(lambda path: copies.fetch(path, lambda aside: _check(aside, path)), missing))


def read(folder: Path, sha256: str, *, snapshot: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of one file that a snapshot names; with `columns` those alone, ids and types as dictionaries.

    Raises ArtifactDamaged if the file is gone or not the bytes it is named after.
    """
    path = folder / f"{sha256}.parquet"
    fix = f"Remove it and {snapshot}, and run again: both are written anew from the warehouse."
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ArtifactDamaged(f"{path}: missing. {fix}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ArtifactDamaged(f"{path}: SHA-256 is {found[:12]}…, its name says {sha256[:12]}…. {fix}")
    # not pq.read_table, whose dataset machinery takes three times as long on a small file
    coded = [name for name in _DICTIONARIES if columns is not None and name in columns]
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=coded)
    return file.read(columns=None if columns is None else list(columns), use_threads=False)


def _check(aside: Path, path: Path) -> None:
    if sha256_file(aside) != path.stem:
        raise ArtifactDamaged(f"{path.name}: the object store's copy is not the bytes that it is named after")
