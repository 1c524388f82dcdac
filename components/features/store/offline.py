"""The parquet files behind Feast's offline store, one folder a feature view.

User sequences: one file a cut. Item vectors: one file an encoder. A file is replaced whole, and what it
holds depends on the rows that were ever written to it, not on their order. Of two versions of a user's row of
one cut, the one known later stays. A vector that takes another's place (the item is described anew, or encoded
by another encoder) counts from the moment it was known, so that an earlier moment still finds the other.

`created_timestamp` is when a row was known, by the clock of the data (the cut, or the snapshot's `known_by`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.faults import crash_point
from components.features.sequences import SEQUENCE_SCHEMA, in_order, last_instant
from components.features.store import offline_tables
from components.features.store.sequence_versions import latest_versions
from components.features.store.vector_versions import latest_elsewhere, merge_vectors
from components.features.vectors import MODALITIES, ItemVectors

USER_SEQUENCE, USER_LIVE, USER_LISTS = "user_sequence", "user_live", "user_recommendations"
_MOMENT = pa.timestamp("us", tz="UTC")
STORED_SEQUENCE = SEQUENCE_SCHEMA.append(pa.field("cut_us", pa.int64()))
STORED_VECTOR = pa.schema(
    [
        ("item_id", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("present", pa.bool_()),
        ("encoder", pa.string()),
        ("event_timestamp", _MOMENT),
        ("created_timestamp", _MOMENT),
    ]
)
STORED_LIVE = pa.schema(  # nothing is written: pushed events come back through ingestion, in the sequences
    [
        ("user_id", pa.string()),
        ("live_item_ids", pa.list_(pa.string())),
        ("live_event_types", pa.list_(pa.string())),
        ("live_micros", pa.list_(pa.int64())),
        ("live_event_ids", pa.list_(pa.string())),
        ("event_timestamp", _MOMENT),
        ("created_timestamp", _MOMENT),
    ]
)

STORED_LISTS = pa.schema(  # nothing is written: the lists of a run are an artifact of their own
    [
        ("scoring_run", pa.string()),
        ("user_id", pa.string()),
        ("listed_item_ids", pa.list_(pa.string())),
        ("listed_scores", pa.list_(pa.float32())),
        ("list_made_by", pa.string()),
        ("event_timestamp", _MOMENT),
        ("created_timestamp", _MOMENT),
    ]
)


def item_view(modality: str) -> str:
    return f"item_content_{modality}"


def lay_out(home: Path) -> None:
    """A folder for every view with an empty file in it: Feast cannot read a view that has no file at all."""
    schemas = {item_view(modality): STORED_VECTOR for modality in MODALITIES}
    schemas |= {USER_SEQUENCE: STORED_SEQUENCE, USER_LIVE: STORED_LIVE, USER_LISTS: STORED_LISTS}
    for view, schema in schemas.items():
        path = _folder(home, view) / "empty.parquet"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, schema.empty_table())
    offline_tables.bring_up({view: (_folder(home, view), schema) for view, schema in schemas.items()})


def latest_sequences(home: Path) -> Path | None:
    """The file of the newest cut: one row a user who had any event before it; None before the first."""
    cuts = cuts_of(home)
    return cuts[-1][1] if cuts else None


def cuts_of(home: Path) -> list[tuple[int, Path]]:
    """The stamp (microseconds) and file of every cut, ascending."""
    paths = sorted(_folder(home, USER_SEQUENCE).glob("cut-*.parquet"))
    return sorted((int(path.stem.removeprefix("cut-")), path) for path in paths)


def holds_sequences(home: Path, *, cutoff: datetime, num_events: int) -> bool:
    """Whether a cut is here that is later than this, or this very one with as many events."""
    latest, stamp = latest_sequences(home), last_instant(cutoff).value // 1000
    if latest is None or (cut := int(latest.stem.removeprefix("cut-"))) < stamp:
        return False
    counted = pc.sum(pq.read_table(latest, columns=["num_events"])["num_events"]).as_py() or 0
    return cut > stamp or counted == num_events


def write_user_sequences(home: Path, sequences: pa.Table) -> None:
    """Add the rows of `user_sequences`: one row per user per cut, in the file of their cut.

    Writing again changes nothing. Of two versions of a user's row of one cut the one with the later
    created_timestamp stays, then the one with more events, then the greater content. In memory are the cut's rows,
    twice where the cut was written before.
    """
    for stamp in sorted(pc.unique(sequences["event_timestamp"].cast(pa.int64())).to_pylist()):
        path = _folder(home, USER_SEQUENCE) / f"cut-{stamp:020d}.parquet"
        of_cut = pc.equal(sequences["event_timestamp"].cast(pa.int64()), stamp)
        table = _stored(sequences if pc.all(of_cut).as_py() else sequences.filter(of_cut))
        if path.exists():
            before = pq.read_table(path)
            if before.equals(table):
                continue
            table = _stored(latest_versions(before.select(SEQUENCE_SCHEMA.names), table))
        replace_file(path, table)


def write_item_vectors(
    home: Path, vectors: ItemVectors, *, available_at: Sequence[datetime], known_at: datetime
) -> None:
    """Add item vectors: row i is content that was available from `available_at[i]` on.

    `known_at` is the moment as of which the content was known. The first vector of an item and encoder counts
    from `available_at`, another one after it from just before `known_at`, as a cut at `known_at` reads it. The
    same vector again changes nothing but the moment it was last known at.
    """
    available = pd.to_datetime(pd.Series(list(available_at)), utc=True)
    if len(available) != len(vectors) or available.isna().any():
        raise ValueError(f"available_at must give a moment for each of the {len(vectors)} items")
    for modality in vectors.modalities:
        encoder = vectors.encoders[modality]
        table = pa.table(
            {
                "item_id": pa.array(vectors.item_ids, pa.string()),
                "vector": _rows_as_lists(vectors.vectors[modality]),
                "present": pa.array(vectors.present[modality]),
                "encoder": pa.repeat(encoder, len(vectors)),
                "event_timestamp": pa.array(available.dt.as_unit("us"), _MOMENT),
                "created_timestamp": pa.repeat(pa.scalar(known_at, _MOMENT), len(vectors)),
            },
            schema=STORED_VECTOR,
        )
        folder = _folder(home, item_view(modality))
        path = folder / f"{encoder.replace('/', '_')}.parquet"
        stored = pq.read_table(path) if path.exists() else STORED_VECTOR.empty_table()
        others = [file for file in sorted(folder.glob("*.parquet")) if file != path]
        elsewhere = latest_elsewhere(others, known_at=known_at)
        replace_file(path, merge_vectors(stored, table, elsewhere))


def _stored(rows: pa.Table) -> pa.Table:
    table = in_order(rows.select(SEQUENCE_SCHEMA.names).cast(SEQUENCE_SCHEMA))
    cut_us = pc.cast(table["event_timestamp"], pa.int64())
    return table.append_column(STORED_SEQUENCE.field("cut_us"), cut_us)


def _rows_as_lists(matrix: np.ndarray) -> pa.Array:
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.ravel(), pa.float32()))


def _folder(home: Path, view: str) -> Path:
    return home / "offline" / view


def replace_file(path: Path, table: pa.Table) -> None:
    """Old or new, never partial: written aside under a name that Feast's pattern does not match.

    Where the offline store is a database, its table holds the same rows.
    """
    aside, table = path.parent / f".{uuid.uuid4().hex}", offline_tables.versioned(table)
    try:
        with aside.open("wb") as file:
            pq.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        crash_point("feature-store:written-aside")
        offline_tables.replace_part(path.parent.name, path.name, table)  # first: a rerun writes both anew
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
