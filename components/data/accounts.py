"""The accounts of the batches, as they lie: their chain, and whether every row that was set aside is still there."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, Engine, func, select

from components.artifact import digest_of
from components.data.chain import FIX, Chain, LedgerBroken, append_entry, checked_chain
from components.data.moments import Clock, to_micros, utc_now
from components.data.schema import batches, quarantine
from components.data.seals import is_as_written
from components.data.warehouse import reading, writing

_COUNTED = ("received", "accepted", "quarantined", "duplicates", "items_received", "items_new", "items_updated",
            "items_unchanged", "items_quarantined", "late")  # fmt: skip


def checked_accounts(engine: Engine) -> Chain:
    """Follow the chain of the batches, and look at every row in quarantine. Raises LedgerBroken."""
    with reading(engine) as connection:
        chain = checked_chain(connection, batches)
        if told := _lost(connection) or _changed(connection):
            raise LedgerBroken(f"the quarantine is not what was written: {told}. {FIX}")
        return chain


def accept_batches(engine: Engine, why: str, *, now: Clock = utc_now) -> None:
    """Note a stopped batch of no rows that accepts all before it as it lies; nothing if the chain is whole."""
    with writing(engine, "ingest") as connection:
        try:
            checked_chain(connection, batches)
        except LedgerBroken:
            source = connection.execute(select(batches.c.source).limit(1)).scalar() or ""
            row = dict.fromkeys(_COUNTED, 0) | {"digest": digest_of(uuid.uuid4().hex), "source": source}
            row |= {
                "state": "stopped",
                "why": f"accepted: {why}",
                "data_docs": "",
                "landed_at": to_micros(now()),
            }
            append_entry(connection, batches, row, is_accepting=True)


def _lost(connection: Connection) -> str:
    """A batch whose rows in quarantine are not as many as its landing counted."""
    counted = batches.c.quarantined + batches.c.items_quarantined
    there = func.count(quarantine.c.id)
    query = (
        select(batches.c.batch_id, counted, there)
        .outerjoin(quarantine, quarantine.c.batch_id == batches.c.batch_id)
        .where(batches.c.state == "landed")
        .group_by(batches.c.batch_id)
        .having(counted != there)
        .order_by(batches.c.batch_id)
        .limit(1)
    )
    if (row := connection.execute(query).one_or_none()) is None:
        return ""
    return f"batch {row[0]} set {row[1]:,} rows aside, and {row[2]:,} are there"


def _changed(connection: Connection) -> str:
    for row in connection.execute(select(quarantine).order_by(quarantine.c.id)).mappings():
        if not is_as_written(quarantine, row):
            return f"row {row['id']} is another"
    return ""
