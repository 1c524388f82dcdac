"""Items over time: what each batch said of them, what stands now, and what was known by a moment.

`items` holds what stands: the description of the batch that reaches furthest in time, with the
earliest `available_at` ever stated. `item_versions` holds what was said, whenever it was something new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy import Boolean, Connection, RowMapping, Text, bindparam, func, select, update
from sqlalchemy.types import TypeEngine

from components.data.batch import CheckedBatch
from components.data.bulk import append_rows
from components.data.columns import micros, microseconds, nullable
from components.data.knowledge import Knowledge
from components.data.moments import to_micros
from components.data.schema import events, item_versions, items
from components.data.warehouse import rows_where

DESCRIPTION = ("title", "description", "categories", "attributes", "image_path", "audio_path")


@dataclass(frozen=True, kw_only=True)
class MergedItems:
    """What a batch's items change. Rows are without their batch."""

    new: list[dict[str, Any]]
    updates: list[dict[str, Any]]  # `known_id` names the item, the other keys the columns to set
    versions: list[dict[str, Any]]
    num_updated: int  # items of which something that can be seen has changed


def merge_items(connection: Connection, checked: CheckedBatch, knowledge: Knowledge) -> MergedItems:
    """Rows for items not known yet, updates and versions for those that change."""
    rows = _item_rows(connection, checked)
    ids = [row["item_id"] for row in rows]
    known = {row[0]: row for row in rows_where(connection, items.c.item_id, ids, *items.columns[1:])}
    said: dict[str, list[RowMapping]] = defaultdict(list)
    for version in rows_where(connection, item_versions.c.item_id, ids, *item_versions.columns[1:]):
        said[version[0]].append(version._mapping)
    new: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    num_updated = 0
    for row in rows:
        if (held := known.get(row["item_id"])) is None:
            new.append(row)
            continue
        merged = _merged(row, held._mapping)
        changed = [name for name, value in merged.items() if value != held._mapping[name]]
        if changed:
            updates.append(merged | {"known_id": row["item_id"]})
            num_updated += changed != ["described_at"]
    versions = [_version(row, knowledge) for row in rows if _is_news(row, said[row["item_id"]])]
    return MergedItems(new=new, updates=updates, versions=versions, num_updated=num_updated)


def write_items(connection: Connection, merged: MergedItems, batch_id: int) -> None:
    """Put it into the tables under this batch."""
    for table, rows in ((items, merged.new), (item_versions, merged.versions)):
        if rows:
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            told = pa.table({name: _as_arrow(values, table.c[name].type) for name, values in columns.items()})
            append_rows(connection, table, told.append_column("batch_id", pa.array([batch_id] * len(rows))))
    if merged.updates:  # executemany: the other keys of a row name the columns to set
        connection.execute(update(items).where(items.c.item_id == bindparam("known_id")), merged.updates)


def descriptions_known_by(connection: Connection, moment: int) -> dict[str, dict[str, Any]]:
    """item_id -> DESCRIPTION and available_at, as they had been said by then.

    The first that was ever said of an item counts from the item's own beginning, as an event of a stretch
    that no batch had told of does; an item that a batch claims to have been there before, when it was not
    known, counts from that batch on.
    """
    said: dict[str, list[RowMapping]] = defaultdict(list)
    for version in connection.execute(select(item_versions)).mappings():
        said[version["item_id"]].append(version)
    found = {}
    for item_id, versions in said.items():
        if known := _known_by(versions, moment):
            last = max(known, key=lambda version: (version["described_at"], version["batch_id"]))
            stated = [v["available_at"] for v in known if v["available_at"] is not None]
            found[item_id] = {name: last[name] for name in DESCRIPTION}
            found[item_id]["available_at"] = min(stated, default=None)
    return found


def _known_by(versions: list[RowMapping], moment: int) -> list[RowMapping]:
    first, *later = sorted(versions, key=lambda v: (v["known_at"] is not None, v["known_at"], v["batch_id"]))
    known = [v for v in later if v["known_at"] is None or v["known_at"] <= moment]
    return [first, *known] if not first["is_late"] or first["known_at"] <= moment else known


def _as_arrow(values: list[Any], kind: TypeEngine[Any]) -> pa.Array:
    numbers = pa.bool_() if isinstance(kind, Boolean) else pa.int64()
    return pa.array(values, pa.string() if isinstance(kind, Text) else numbers)


def _merged(row: Mapping[str, Any], old: RowMapping) -> dict[str, Any]:
    merged = {name: row[name] for name in (*DESCRIPTION, "described_at")}
    if row["described_at"] < old["described_at"]:
        merged = {name: old[name] for name in merged}
    stated = [at for at in (row["available_at"], old["available_at"]) if at is not None]
    return merged | {"available_at": min(stated, default=None)}


def _is_news(row: Mapping[str, Any], said: Iterable[RowMapping]) -> bool:
    """Whether the versions there are do not already say it."""
    said = list(said)
    before = [v for v in said if v["described_at"] <= row["described_at"]]
    if not before:
        return True
    last = max(before, key=lambda v: (v["described_at"], v["batch_id"]))
    if any(last[name] != row[name] for name in DESCRIPTION):
        return True
    if row["available_at"] is None:
        return False
    return all(v["available_at"] is None or v["available_at"] > row["available_at"] for v in said)


def _version(row: Mapping[str, Any], knowledge: Knowledge) -> dict[str, Any]:
    known_at, available_at = knowledge.of_statement(), row["available_at"]
    is_late = known_at is not None and available_at is not None and knowledge.was_told(available_at)
    return {**row, "known_at": known_at, "is_late": is_late}


def _item_rows(connection: Connection, checked: CheckedBatch) -> list[dict[str, Any]]:
    frame = checked.items
    if checked.as_of is not None:
        described_at = to_micros(checked.as_of)
    elif len(checked.events):
        described_at = int(microseconds(checked.events["timestamp"]).max())
    else:
        described_at = connection.execute(select(func.max(events.c.occurred_at))).scalar() or 0
    columns = [
        frame["item_id"],
        *(nullable(frame[name]) for name in DESCRIPTION),
        micros(frame["available_at"]),
    ]
    names = ("item_id", *DESCRIPTION, "available_at")
    return [
        dict(zip(names, values, strict=True)) | {"described_at": described_at}
        for values in zip(*(column.tolist() for column in columns), strict=True)
    ]
