"""A checked batch lands in the warehouse: whole or not at all, and as often as you like.

Holds per landed batch, in one transaction: accepted + quarantined + duplicates == received, for events,
counted on the rows as they lie in the tables. The batches of one dataset give the same `events` and `items`
in whatever order they arrive, with two exceptions that no order-free rule could decide well: of two events
with one id and different payloads the first to arrive stands, and of two descriptions of an item whose
batches reach equally far in time the last to arrive stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, RowMapping, bindparam, func, insert, select, update

from components.data.batch import QUARANTINE_COLUMNS, CheckedBatch
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.schema import batches, events, items, quarantine
from components.data.warehouse import reading, rows_where, writing
from components.faults import crash_point

CONFLICT = "conflicting_payload"
_DESCRIPTION = ("title", "description", "categories", "attributes", "image_path", "audio_path")


class DatasetMismatch(Exception):
    """One warehouse holds one dataset; mixing two would mix their ids."""


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What became of a batch. The counts without `items_` are of events.

    Holds for a landed batch: accepted + quarantined + duplicates == received, and
    items_new + items_updated + items_unchanged + items_quarantined == items_received.
    """

    batch_id: int = 0  # the ingestion watermark as of this batch; 0 until it is recorded
    digest: str
    source: str
    state: str  # landed | stopped
    why: str = ""  # a stopped batch was stopped
    received: int
    accepted: int = 0
    quarantined: int  # by the contracts, or for another payload under a known id
    duplicates: int = 0  # known id, same payload
    items_received: int
    items_new: int = 0
    items_updated: int = 0
    items_unchanged: int = 0  # as known, or known better from a batch that reaches further in time
    items_quarantined: int
    data_docs: str
    repeated: bool = False  # this very batch had been seen before, and nothing was changed


def land_batch(engine: Engine, checked: CheckedBatch, *, now: Clock = utc_now) -> BatchResult:
    """Put the batch's events and items into the warehouse and its bad rows into quarantine.

    Landing the same digest again changes nothing and returns the first result. Of an item, the description
    of the batch whose events reach furthest in time stands (a batch of items alone counts as reaching to the
    newest event known), with the earliest `available_at` ever stated.

    Raises DatasetMismatch if the warehouse holds another source's data.
    """
    with writing(engine, "ingest") as connection:
        _one_dataset(connection, checked.source)
        if earlier := _find(connection, checked.digest, "landed"):
            return earlier
        event_rows = _event_rows(checked)
        fresh, conflicts, num_duplicates = _sort_events(connection, event_rows)
        refused = [*_quarantine_rows(checked.quarantined), *conflicts]
        new_items, item_updates, num_updated = _merge_items(connection, checked)
        num_bad_items = sum(row["kind"] == "item" for row in refused)
        result = _record(
            connection,
            BatchResult(
                **_identity(checked),
                state="landed",
                accepted=len(fresh),
                quarantined=len(refused) - num_bad_items,
                duplicates=num_duplicates,
                items_new=len(new_items),
                items_updated=num_updated,
                items_unchanged=len(checked.items) - len(new_items) - num_updated,
                items_quarantined=num_bad_items,
            ),
            now,
        )
        this_batch = {"batch_id": result.batch_id}
        _insert(connection, events, [row | this_batch for row in fresh])
        _insert(connection, items, [row | this_batch for row in new_items])
        _insert(connection, quarantine, [row | this_batch for row in refused])
        if item_updates:  # executemany: the other keys of a row name the columns to set
            connection.execute(update(items).where(items.c.item_id == bindparam("known_id")), item_updates)
        _assert_nothing_lost(connection, result)
        crash_point("ingest:before-commit")
    crash_point("ingest:after-commit")
    return result


def stop_batch(engine: Engine, checked: CheckedBatch, why: str, *, now: Clock = utc_now) -> BatchResult:
    """Record that the circuit breaker refused this batch; none of its rows land.

    A batch that has landed stays landed. A stopped one may land later, under another limit.
    """
    with writing(engine, "ingest") as connection:
        _one_dataset(connection, checked.source)
        if landed := _find(connection, checked.digest, "landed"):
            return landed
        if stopped := _find(connection, checked.digest, "stopped"):
            connection.execute(update(batches).where(batches.c.batch_id == stopped.batch_id).values(why=why))
            return replace(stopped, why=why)
        kinds = checked.quarantined["kind"]
        result = BatchResult(
            **_identity(checked),
            state="stopped",
            why=why,
            quarantined=int((kinds == "event").sum()),
            items_quarantined=int((kinds == "item").sum()),
        )
        return _record(connection, result, now)


def watermark(connection: Connection) -> int:
    """The last batch that landed; 0 before the first."""
    landed = select(func.max(batches.c.batch_id)).where(batches.c.state == "landed")
    return connection.execute(landed).scalar() or 0


def batch_results(engine: Engine) -> list[BatchResult]:
    """All batches, landed and stopped, in order of arrival."""
    with reading(engine) as connection:
        rows = connection.execute(select(batches).order_by(batches.c.batch_id)).mappings()
        return [_result(row, repeated=False) for row in rows]


def _one_dataset(connection: Connection, source: str) -> None:
    known = connection.execute(select(batches.c.source).where(batches.c.state == "landed").limit(1)).scalar()
    if known not in (None, source):
        raise DatasetMismatch(
            f"this warehouse holds {known!r}, and the batch is of {source!r}. One warehouse holds one "
            "dataset: choose another RECLOOP_HOME (or RECLOOP_WAREHOUSE_URL) for this one."
        )


def _find(connection: Connection, digest: str, state: str) -> BatchResult | None:
    query = select(batches).where(batches.c.digest == digest, batches.c.state == state)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _result(row, repeated=True)


def _result(row: RowMapping, *, repeated: bool) -> BatchResult:
    stored = {field.name: row[field.name] for field in fields(BatchResult) if field.name != "repeated"}
    return BatchResult(**stored, repeated=repeated)


def _identity(checked: CheckedBatch) -> dict[str, Any]:
    """What a result says of a batch whatever becomes of it."""
    kinds = checked.quarantined["kind"]
    return {
        "digest": checked.digest,
        "source": checked.source,
        "data_docs": checked.data_docs,
        "received": len(checked.events) + int((kinds == "event").sum()),
        "items_received": len(checked.items) + int((kinds == "item").sum()),
    }


def _record(connection: Connection, result: BatchResult, now: Clock) -> BatchResult:
    """Write the row of `batches`, which gives the batch its number."""
    row = asdict(result) | {"landed_at": to_micros(now())}
    del row["batch_id"], row["repeated"]
    batch_id = connection.execute(insert(batches).values(row).returning(batches.c.batch_id)).scalar_one()
    return replace(result, batch_id=batch_id)


def _event_rows(checked: CheckedBatch) -> Iterator[dict[str, Any]]:
    """Rows of `events` (all but the batch), each with its `source_row`."""
    frame = checked.events
    columns = (
        frame["event_id"],
        frame["user_id"],
        frame["item_id"],
        frame["event_type"],
        _micros(frame["timestamp"]),
        _nullable(frame["value"]),
        _nullable(frame["source_row"]),
    )
    for event_id, user, item, kind, micros, value, row in zip(*(c.tolist() for c in columns), strict=True):
        # lengths first, so that no two payloads are spelled alike; JSON takes four times as long
        payload = f"{len(user)}:{user}{len(item)}:{item}{len(kind)}:{kind}{micros} {value}"
        yield {
            "event_id": event_id,
            "user_id": user,
            "item_id": item,
            "event_type": kind,
            "occurred_at": micros,
            "value": value,
            "payload_hash": hashlib.sha256(payload.encode()).hexdigest(),
            "source_row": row,
        }


def _sort_events(
    connection: Connection, rows: Iterable[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Events not known yet; quarantine rows for those that contradict a known one; number of repeats."""
    rows = list(rows)
    ids = [row["event_id"] for row in rows]
    known = {row[0]: row[1] for row in rows_where(connection, events.c.event_id, ids, events.c.payload_hash)}
    fresh: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    for row in rows:
        source_row = row.pop("source_row")
        held = known.get(row["event_id"])
        if held is None:
            known[row["event_id"]] = row["payload_hash"]
            fresh.append(row)
        elif held != row["payload_hash"]:
            shown = {name: row[name] for name in ("event_id", "user_id", "item_id", "event_type", "value")}
            shown["timestamp"] = from_micros(row["occurred_at"]).isoformat()
            conflicts.append(
                {"kind": "event", "source_row": source_row, "payload": json.dumps(shown), "reasons": CONFLICT}
            )
    return fresh, conflicts, len(rows) - len(fresh) - len(conflicts)


def _quarantine_rows(refused: pd.DataFrame) -> list[dict[str, Any]]:
    refused = refused[list(QUARANTINE_COLUMNS)].assign(source_row=_nullable(refused["source_row"]))
    return [{str(k): v for k, v in row.items()} for row in refused.to_dict("records")]


def _merge_items(
    connection: Connection, checked: CheckedBatch
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Rows to insert, rows to update (with `known_id`), and how many of these say something new."""
    rows = _item_rows(connection, checked)
    ids = [row["item_id"] for row in rows]
    known = {row[0]: row for row in rows_where(connection, items.c.item_id, ids, *items.columns[1:])}
    new: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    num_updated = 0
    for row in rows:
        if (held := known.get(row["item_id"])) is None:
            new.append(row)
            continue
        old = held._mapping
        merged = {name: row[name] for name in (*_DESCRIPTION, "described_at")}
        if row["described_at"] < old["described_at"]:
            merged = {name: old[name] for name in merged}
        stated = [at for at in (row["available_at"], old["available_at"]) if at is not None]
        merged["available_at"] = min(stated, default=None)
        changed = [name for name, value in merged.items() if value != old[name]]
        if changed:
            updates.append(merged | {"known_id": row["item_id"]})
            num_updated += changed != ["described_at"]
    return new, updates, num_updated


def _item_rows(connection: Connection, checked: CheckedBatch) -> list[dict[str, Any]]:
    frame = checked.items
    if len(checked.events):
        described_at = max(_micros(checked.events["timestamp"]))
    else:
        described_at = connection.execute(select(func.max(events.c.occurred_at))).scalar() or 0
    columns = [
        frame["item_id"],
        *(_nullable(frame[name]) for name in _DESCRIPTION),
        _micros(frame["available_at"]),
    ]
    names = ("item_id", *_DESCRIPTION, "available_at")
    return [
        dict(zip(names, values, strict=True)) | {"described_at": described_at}
        for values in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _micros(moments: pd.Series) -> pd.Series:
    """Microseconds since 1970 as int, None where there is no moment."""
    moments = pd.to_datetime(moments, utc=True).dt.as_unit("us")
    return moments.astype("int64").astype(object).where(moments.notna(), None)


def _nullable(column: pd.Series) -> pd.Series:
    """The same values, with None for every kind of missing one."""
    return column.astype(object).where(column.notna(), None)


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _assert_nothing_lost(connection: Connection, result: BatchResult) -> None:
    """Count the rows as they lie in the tables, not as we think we wrote them."""

    def count(table: Any, *where: Any) -> int:
        query = select(func.count()).select_from(table).where(table.c.batch_id == result.batch_id, *where)
        return connection.execute(query).scalar_one()

    accepted, bad = count(events), count(quarantine, quarantine.c.kind == "event")
    assert (accepted, bad) == (result.accepted, result.quarantined), (accepted, bad, result)
    assert accepted + bad + result.duplicates == result.received, (accepted, bad, result)
