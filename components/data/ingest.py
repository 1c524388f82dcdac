"""A checked batch lands in the warehouse: whole or not at all, and as often as you like.

Holds per landed batch, in one transaction: accepted + quarantined + duplicates == received, for events,
counted on the rows as they lie in the tables. The batches of one dataset give the same `events` and `items`
in whatever order they arrive, with two exceptions that no order-free rule could decide well: of two events
with one id and different payloads the first to arrive stands, and of two descriptions of an item whose
batches reach equally far in time the last to arrive stands. When an event was known depends on what had been
told before it (see `knowledge`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from components.data.batch import QUARANTINE_COLUMNS, CheckedBatch
from components.data.chain import append_entry, checked_chain
from components.data.columns import nullable
from components.data.erased_users import ERASED_USER, forget
from components.data.event_rows import event_rows, sort_events, write_events
from components.data.item_history import merge_items, write_items
from components.data.knowledge import Knowledge, knowledge_of
from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import batches, events, quarantine
from components.data.seals import SEAL, seal_of
from components.data.warehouse import reading, writing
from components.faults import crash_point


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
    late: int = 0  # of the accepted: of a time that had been told of before (see `knowledge`)
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
    of the batch that reaches furthest in time stands (to its `as_of`, or its last event; a batch of items
    alone that has no `as_of` counts as reaching to the newest event known), with the earliest `available_at`
    ever stated. Rows of erased users are not taken in: nothing but their number is kept.

    Raises DatasetMismatch if the warehouse holds another source's data.
    """
    with writing(engine, "ingest") as connection:
        result = land_within(connection, checked, now=now)
        if not result.repeated:
            crash_point("ingest:before-commit")
    if not result.repeated:
        crash_point("ingest:after-commit")
    return result


def land_within(connection: Connection, checked: CheckedBatch, *, now: Clock = utc_now) -> BatchResult:
    """`land_batch` as a part of a greater transaction, one that is `writing` "ingest"."""
    _one_dataset(connection, checked.source)
    if earlier := _find(connection, checked.digest, "landed"):
        return earlier
    checked = forget(connection, checked)
    knowledge = knowledge_of(connection, since=checked.since, as_of=checked.as_of)
    rows = event_rows(checked.events, knowledge)
    found = sort_events(connection, rows)
    refused = [*_quarantine_rows(checked.quarantined), *found.conflicts]
    merged = merge_items(connection, checked, knowledge)
    num_bad_items = sum(row["kind"] == "item" for row in refused)
    result = _record(
        connection,
        BatchResult(
            **_identity(checked),
            state="landed",
            accepted=len(found.fresh),
            quarantined=len(refused) - num_bad_items,
            duplicates=found.num_duplicates,
            late=int(rows.is_late[found.fresh].sum()),
            items_new=len(merged.new),
            items_updated=merged.num_updated,
            items_unchanged=len(checked.items) - len(merged.new) - merged.num_updated,
            items_quarantined=num_bad_items,
        ),
        knowledge,
        checked.event_key,
        now,
    )
    write_events(connection, rows, found, result.batch_id)
    aside = [row | {"batch_id": result.batch_id} for row in refused]
    _insert(connection, quarantine, [row | {SEAL: seal_of(quarantine, row)} for row in aside])
    write_items(connection, merged, result.batch_id)
    _assert_nothing_lost(connection, result)
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
        knowledge = knowledge_of(connection, since=checked.since, as_of=checked.as_of)
        return _record(connection, result, knowledge, checked.event_key, now)


def watermark(connection: Connection) -> int:
    """The last batch that landed; 0 before the first. Raises LedgerBroken if the batches are not what was written."""
    checked_chain(connection, batches)
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


def _record(
    connection: Connection,
    result: BatchResult,
    knowledge: Knowledge,
    event_key: tuple[str, ...],
    now: Clock,
) -> BatchResult:
    """Write the row of `batches`, which gives the batch its number."""
    row = asdict(result) | {"landed_at": to_micros(now())}
    row |= {"since_at": knowledge.since, "as_of": knowledge.as_of}
    row["event_key"] = json.dumps(event_key) if event_key else None
    del row["batch_id"], row["repeated"]
    return replace(result, batch_id=append_entry(connection, batches, row))


def _quarantine_rows(refused: pd.DataFrame) -> list[dict[str, Any]]:
    refused = refused[list(QUARANTINE_COLUMNS)].assign(source_row=nullable(refused["source_row"]))
    rows = [{str(k): v for k, v in row.items()} for row in refused.to_dict("records")]
    return [row | {"state": "erased" if row["reasons"] == ERASED_USER else "open"} for row in rows]


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
