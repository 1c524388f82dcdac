"""Rows of `events`: as a checked batch gives them, and beside what the warehouse holds already.

A batch's events stay in columns, and are gone through in pieces in the order of their ids, which is the order in which
the table's own index grows at its end. Costs one sort of the ids and one SHA-256 an event.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int, UInt8
from sqlalchemy import Connection, Row, func, select

from components.data.bulk import append_rows, without_indexes
from components.data.coded import Coded, coded
from components.data.columns import microseconds
from components.data.knowledge import Knowledge
from components.data.moments import from_micros
from components.data.schema import events
from components.data.spelled import (
    SHA256_BYTES,
    in_hex,
    joined,
    pieces_of,
    sha256_rows,
    spelled_floats,
    spelled_texts,
)
from components.data.warehouse import rows_where

CONFLICT = "conflicting_payload"
_TEXTS = ("user_id", "item_id", "event_type")
_HEX = "S64"  # of a SHA-256
ROWS_AT_ONCE = 100_000  # rows looked up, spelled or inserted at once: some 60 MB as Python's tuples
_MANY = 10_000  # fewer fresh rows than these leave a table's indexes alone


@dataclass(frozen=True, kw_only=True)
class EventRows:
    """A batch's events in columns, in the order of the batch."""

    event_id: pa.ChunkedArray  # [event] large_string
    texts: Mapping[str, Coded]  # user_id, item_id, event_type
    spelled: Mapping[str, pa.Array]  # the same columns' distinct texts as a payload spells them
    occurred_at: Int[np.ndarray, "event"]  # microseconds
    value: Float[np.ndarray, "event"]  # NaN where there is none
    source_row: pd.Series
    is_late: Bool[np.ndarray, "event"]
    late: int | None  # from when on late events are known

    def __len__(self) -> int:
        return len(self.occurred_at)

    def ids(self, at: Int[np.ndarray, "some"]) -> pa.Array:
        """The ids of these events."""
        return self.event_id.take(pa.array(at)).combine_chunks()

    def payload_digests(self, at: Int[np.ndarray, "some"]) -> UInt8[np.ndarray, "some byte"]:
        """SHA-256 of what each of these events says."""
        # lengths first, so that no two payloads are spelled alike
        texts = [words.take(pa.array(self.texts[name].codes[at])) for name, words in self.spelled.items()]
        moments = pc.cast(pa.array(self.occurred_at[at]), pa.string())
        return sha256_rows(joined([*texts, moments, " ", spelled_floats(self.value[at], absent=str(None))]))


@dataclass(frozen=True, kw_only=True)
class SortedEvents:
    """What becomes of a batch's events."""

    fresh: Int[np.ndarray, "some"]  # places in the batch, in the order of their ids
    payloads: UInt8[np.ndarray, "some byte"]  # SHA-256 of each of these
    conflicts: list[dict[str, Any]]  # rows of `quarantine`: another payload under a known id
    num_duplicates: int  # known id, same payload


def event_rows(frame: pd.DataFrame, knowledge: Knowledge) -> EventRows:
    """The events of a checked batch, as the table holds them."""
    texts = {name: coded(frame[name]) for name in _TEXTS}
    occurred_at = microseconds(frame["timestamp"])
    is_late = _are_late(occurred_at, knowledge)
    return EventRows(
        event_id=_arrow_texts(frame["event_id"]),
        texts=texts,
        spelled={name: spelled_texts(column) for name, column in texts.items()},
        occurred_at=occurred_at,
        value=frame["value"].to_numpy(dtype=np.float64),
        source_row=frame["source_row"],
        is_late=is_late,
        late=knowledge.late if is_late.any() else None,
    )


def sort_events(connection: Connection, rows: EventRows, *, rows_at_once: int = ROWS_AT_ONCE) -> SortedEvents:
    """Tell the events that are not known yet from repeats, and from those that contradict a known one."""
    order = (
        pc.sort_indices(rows.event_id).to_numpy().astype(np.int64)
    )  # stable: the first of an id comes first
    any_known = connection.execute(select(events.c.event_id).limit(1)).first() is not None
    fresh, payloads, against = [order[:0]], [np.empty((0, SHA256_BYTES), dtype=np.uint8)], [order[:0]]
    last: tuple[str, bytes] | None = None
    for piece in pieces_of(len(order), rows_at_once):
        at = order[piece]
        ids, digests = rows.ids(at), rows.payload_digests(at)
        known = (
            rows_where(connection, events.c.event_id, ids.to_pylist(), events.c.payload_hash)
            if any_known
            else ()
        )
        is_fresh, contradicts, last = _judged(ids, digests, known, last)
        fresh.append(at[is_fresh])
        payloads.append(digests[is_fresh])
        against.append(at[contradicts])
    conflicts, num_fresh = np.sort(np.concatenate(against)), sum(map(len, fresh))
    return SortedEvents(
        fresh=np.concatenate(fresh),
        payloads=np.concatenate(payloads),
        conflicts=[_conflict(rows, place) for place in conflicts.tolist()],
        num_duplicates=len(rows) - num_fresh - len(conflicts),
    )


def write_events(connection: Connection, rows: EventRows, found: SortedEvents, batch_id: int) -> None:
    """Insert the fresh events under this batch. Where they outnumber the table, its indexes are made behind them."""
    with without_indexes(connection, events, when=_outnumber(connection, len(found.fresh))):
        for piece in pieces_of(len(found.fresh), ROWS_AT_ONCE):
            append_rows(connection, events, _table(rows, found.fresh[piece], found.payloads[piece], batch_id))


def _judged(
    ids: pa.Array, digests: np.ndarray, known: Iterable[Row[Any]], last: tuple[str, bytes] | None
) -> tuple[np.ndarray, np.ndarray, tuple[str, bytes]]:
    """[row] whether it is fresh, [row] whether it contradicts what its id stands for, and the last id with its payload.

    `ids` ascend; `last` is that of the piece before.
    """
    said = np.frombuffer(digests.tobytes().hex().encode(), dtype=_HEX)
    opens = np.ones(len(ids), dtype=bool)
    opens[1:] = pc.not_equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False)
    opens[0] = last is None or ids[0].as_py() != last[0]
    first = np.maximum.accumulate(np.where(opens, np.arange(len(ids)), -1))
    stands = np.where(first < 0, last[1] if last else b"", said[first])
    is_known = np.zeros(len(ids), dtype=bool)
    if held := dict(map(tuple, known)):
        place = pc.index_in(ids, value_set=pa.array(held, type=ids.type))
        is_known = place.is_valid().to_numpy(zero_copy_only=False)
        stands[is_known] = np.array(list(held.values()), dtype=_HEX)[place.drop_null().to_numpy()]
    fresh = opens & ~is_known
    return fresh, ~fresh & (stands != said), (ids[-1].as_py(), bytes(stands[-1]))


def _conflict(rows: EventRows, place: int) -> dict[str, Any]:
    value, source_row = float(rows.value[place]), rows.source_row.iloc[place]
    shown: dict[str, Any] = {"event_id": rows.event_id[place].as_py()}
    shown |= {name: column.texts[column.codes[place]] for name, column in rows.texts.items()}
    shown |= {"value": None if value != value else value}
    shown["timestamp"] = from_micros(int(rows.occurred_at[place])).isoformat()
    row = None if pd.isna(source_row) else int(source_row)
    told = {"kind": "event", "source_row": row, "payload": json.dumps(shown)}
    return told | {"reasons": CONFLICT, "state": "open"}


def _table(rows: EventRows, at: np.ndarray, payloads: np.ndarray, batch_id: int) -> pa.Table:
    value, is_late = rows.value[at], rows.is_late[at]
    texts = {
        name: pa.array(column.texts[column.codes[at]], pa.string()) for name, column in rows.texts.items()
    }
    return pa.table(
        {
            "event_id": rows.ids(at),
            **texts,
            "occurred_at": rows.occurred_at[at],
            "value": pa.array(value, mask=np.isnan(value)),
            "payload_hash": in_hex(payloads),
            "batch_id": np.full(len(at), batch_id),
            "known_at": pa.array(np.full(len(at), rows.late or 0), mask=~is_late),
        }
    )


def _outnumber(connection: Connection, num_fresh: int) -> bool:
    if num_fresh < _MANY:
        return False
    some = select(events.c.event_id).limit(num_fresh).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one() < num_fresh


def _are_late(occurred_at: np.ndarray, knowledge: Knowledge) -> np.ndarray:
    """[event] whether `knowledge.of_event` gives it a moment."""
    late = np.zeros(len(occurred_at), dtype=bool)
    if knowledge.as_of is None:
        return late
    if knowledge.since is not None:
        late |= occurred_at < knowledge.since
    for start, end in knowledge.told:
        late |= (occurred_at >= start) & (occurred_at < end)
    return late


def _arrow_texts(column: pd.Series) -> pa.ChunkedArray:
    if isinstance(column.dtype, pd.StringDtype):
        return pa.chunked_array(column.array.__arrow_array__()).cast(pa.large_string())
    return pa.chunked_array([pa.array(column.tolist(), type=pa.large_string())])
