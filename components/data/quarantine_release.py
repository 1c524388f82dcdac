"""Rows out of the quarantine into the warehouse: repaired, or as they are once their reason no longer holds.

They go through the contracts again and land as a batch of their own, in one transaction with their state. What
was in quarantine was not known, so what is released is late: known from now on (see `knowledge`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, func, select

from components.artifact import digest_of
from components.data import queries
from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch, CheckedBatch
from components.data.contracts.batch_check import ContractConfig, sort_rows
from components.data.event_rows import event_rows, sort_events
from components.data.ingest import BatchResult, land_within
from components.data.knowledge import knowledge_of
from components.data.moments import Clock, from_micros, to_micros, utc_now
from components.data.quarantine import (
    QuarantinedRow,
    QuarantineRefused,
    refuse_unless,
    rows_by_id,
    set_states,
)
from components.data.schema import batches, events
from components.data.warehouse import reading, writing
from components.faults import crash_point

_COLUMNS = {"event": EVENT_COLUMNS, "item": ITEM_COLUMNS}


@dataclass(frozen=True, kw_only=True)
class Released:
    """What became of rows that were to be released."""

    released: tuple[int, ...]  # quarantine ids
    before: tuple[int, ...]  # that had been released already
    still_bad: Mapping[int, str]  # id -> reason codes joined by |: these stay open, as they were
    batch: BatchResult | None  # that they landed with; None: nothing was left to land


def release_quarantined(
    engine: Engine,
    ids: Sequence[int],
    *,
    gx_root: Path,
    repaired: Mapping[int, Mapping[str, Any]] | None = None,
    as_of: datetime | None = None,
    config: ContractConfig | None = None,
    now: Clock = utc_now,
) -> Released:
    """Check these rows again and land those that are sound now.

    `repaired` holds new values by id (see `read_repaired`); a column that it does not name keeps what was
    received. `as_of` is the now that they are checked and known at (default: the latest of any batch). A kill
    releases all or none; the same rows again change nothing.

    Raises QuarantineRefused, and changes nothing, if an id is not in the queue or was dropped; RowChanged.
    """
    repaired = repaired or {}
    with reading(engine) as connection:
        found = rows_by_id(connection, ids)
        as_of = as_of or _latest_now(connection)
        source, event_key = _source_of(connection)
    for quarantine_id in ids:
        refuse_unless(found, quarantine_id, ("open", "released"))
    rows = [row for id in dict.fromkeys(ids) if (row := found[id]).state == "open"]
    before = tuple(id for id in dict.fromkeys(ids) if found[id].state == "released")
    if not rows:
        return Released(released=(), before=before, still_bad={}, batch=None)
    payloads = {row.id: row.payload | dict(repaired.get(row.id, {})) for row in rows}
    _refuse_without_key(rows, payloads, event_key)
    checked = sort_rows(
        _batch(rows, payloads, source, event_key, as_of),
        as_of=as_of,
        known_items=queries.item_ids(engine),
        gx_root=gx_root,
        config=config or ContractConfig(),
        since=as_of,  # it tells of no stretch of time
        called=f"{source}, released from quarantine",
    )
    with writing(engine, "ingest") as connection:
        _refuse_if_gone(connection, rows)
        checked, still_bad = _without_bad(connection, checked)
        released = tuple(row.id for row in rows if row.id not in still_bad)
        if not released:
            return Released(released=(), before=before, still_bad=still_bad, batch=None)
        batch = land_within(connection, checked, now=now)
        values = {"state": "released", "resolved_at": to_micros(now()), "resolved_batch_id": batch.batch_id}
        set_states(connection, released, values)
        crash_point("release:before-commit")
    return Released(released=released, before=before, still_bad=still_bad, batch=batch)


def _batch(
    rows: Sequence[QuarantinedRow],
    payloads: Mapping[int, Mapping[str, Any]],
    source: str,
    event_key: tuple[str, ...],
    as_of: datetime,
) -> Batch:
    """The rows as a batch in which `source_row` is the quarantine id."""
    frames = {}
    for kind, columns in _COLUMNS.items():
        values = [
            {name: payloads[row.id].get(name) for name in columns} | {"source_row": row.id}
            for row in rows
            if row.kind == kind
        ]
        frames[kind] = pd.DataFrame(values, columns=[*columns, "source_row"], dtype=object)
    return Batch(source=source, events=frames["event"], items=frames["item"], event_key=event_key)


def _without_bad(connection: Connection, checked: CheckedBatch) -> tuple[CheckedBatch, dict[int, str]]:
    """The sound rows as a checked batch, and why the others are not."""
    bad = dict(
        zip(checked.quarantined["source_row"].astype(int), checked.quarantined["reasons"], strict=True)
    )
    knowledge = knowledge_of(connection, since=checked.since, as_of=checked.as_of)
    conflicts = sort_events(connection, event_rows(checked.events, knowledge)).conflicts
    bad |= {int(row["source_row"]): row["reasons"] for row in conflicts}
    sound = checked.events[~checked.events["source_row"].isin(bad)].reset_index(drop=True)
    kept = sorted([*sound["source_row"], *checked.items["source_row"]])
    return (
        CheckedBatch(
            source=checked.source,
            digest=digest_of(["release", checked.digest, [int(id) for id in kept]]),
            events=sound,
            items=checked.items,
            quarantined=checked.quarantined.iloc[:0],
            data_docs=checked.data_docs,
            as_of=checked.as_of,
            since=checked.since,
            event_key=checked.event_key,
        ),
        {int(id): reasons for id, reasons in bad.items()},
    )


def _refuse_if_gone(connection: Connection, rows: Sequence[QuarantinedRow]) -> None:
    """Somebody else may have released or dropped a row while it was checked."""
    found = rows_by_id(connection, [row.id for row in rows])
    for row in rows:
        refuse_unless(found, row.id, ("open",))


def _refuse_without_key(
    rows: Sequence[QuarantinedRow], payloads: Mapping[int, Mapping[str, Any]], key: tuple[str, ...]
) -> None:
    for row in rows:
        if row.kind == "event" and not key and payloads[row.id].get("event_id") in (None, ""):
            raise QuarantineRefused(
                f"quarantine row {row.id} has no event_id, and its source's key was not kept when it was "
                "ingested, so the event cannot be told from a repeat. Give it an event_id in the repaired file."
            )


def _latest_now(connection: Connection) -> datetime:
    latest = connection.execute(select(func.max(batches.c.as_of)).where(batches.c.state == "landed")).scalar()
    if latest is None:
        latest = connection.execute(select(func.max(events.c.occurred_at))).scalar() or 0
    return from_micros(latest)


def _source_of(connection: Connection) -> tuple[str, tuple[str, ...]]:
    """The dataset of this warehouse, and the key of its events as last told."""
    query = select(batches.c.source, batches.c.event_key).where(batches.c.state == "landed")
    landed = connection.execute(query.order_by(batches.c.batch_id)).all()
    told = [key for _, key in landed if key]
    return (landed[-1][0] if landed else ""), tuple(json.loads(told[-1])) if told else ()
