"""Batches and snapshots as rows of the warehouse, for tests that only ask where something came from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert

from components.data import schema
from components.data.warehouse import Engine, writing


def land(engine: Engine, batch_id: int, *, items: Sequence[str] = (), events: Sequence[str] = ()) -> None:
    """A batch that described these items and brought one event of each of those."""
    counted = {"received": len(events), "accepted": len(events), "quarantined": 0, "duplicates": 0}
    counted |= {"items_received": len(items), "items_new": len(items), "items_updated": 0}
    counted |= {"items_unchanged": 0, "items_quarantined": 0}
    row = {"batch_id": batch_id, "digest": f"{batch_id:064d}", "source": "folder", "state": "landed"}
    row |= {"landed_at": batch_id, "entry_hash": "0" * 64}  # chained to nothing: nobody follows it
    with writing(engine, "ingest") as connection:
        connection.execute(insert(schema.batches).values(row | counted))
        for item_id in items:
            connection.execute(
                insert(schema.items).values(item_id=item_id, described_at=1, batch_id=batch_id)
            )
        for item_id in events:
            connection.execute(insert(schema.events).values(_event(batch_id, item_id)))


def snapshot_row(engine: Engine, digest: str, *, watermark: int) -> None:
    row = {"digest": digest, "path": "/s", "end_at": 1, "watermark": watermark, "taken_at": 1}
    row |= {"num_events": 0, "num_users": 0, "num_items": 0}
    with writing(engine, "snapshots") as connection:
        connection.execute(insert(schema.snapshots).values(row))


def _event(batch_id: int, item_id: str) -> dict[str, object]:
    row: dict[str, object] = {"event_id": f"{batch_id}-{item_id}", "user_id": "u", "item_id": item_id}
    return row | {"event_type": "buy", "occurred_at": 1, "payload_hash": "0" * 64, "batch_id": batch_id}
