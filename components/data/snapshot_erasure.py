"""Erasure in snapshots: day files without the user, and every snapshot that named an old one, anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, delete, func, insert, select

from components.artifact import MANIFEST, ArtifactRef, bring_here, publish
from components.copies import copies_of
from components.data import partitions
from components.data.artifact_erasure import (
    DAYS,
    count_rows,
    drop_superseded,
    readable,
    remove_asides,
    remove_file,
    remove_folder,
    supersede,
)
from components.data.erasure import Place
from components.data.moments import to_micros, utc_now
from components.data.schema import day_partitions, events, snapshots, superseded
from components.data.warehouse import reading, writing
from components.faults import crash_point

KIND = "snapshot"


def snapshot_place(engine: Engine, root: Path, user_id: str) -> Place:
    """The snapshots under `root`; counted are rows in their day files. Erase the events first."""
    return Place(
        name="snapshot",
        count=lambda: _count(root, user_id),
        erase=lambda: _erase(engine, root, user_id),
    )


def _count(root: Path, user_id: str) -> int:
    readable(root, KIND)
    return sum(count_rows(path, user_id) for path in _day_files(root))


def _erase(engine: Engine, root: Path, user_id: str) -> None:
    for shelf in (root / DAYS, root / KIND):
        if shelf.is_dir():
            remove_asides(shelf)
    drop_superseded(engine, root)
    for damaged in bring_here(root, KIND):
        remove_folder(damaged)
    snapshots_here = readable(root, KIND)
    holding = [path for path in _day_files(root) if count_rows(path, user_id)]
    anew = {path.stem: _write_without(path, user_id) for path in holding}
    if anew:
        written = [part["sha256"] for part in anew.values() if part]
        partitions.sync(root / DAYS, written)
        partitions.copy(root / DAYS, written)
    crash_point("erase:days-written")
    for folder in snapshots_here if anew else ():
        _rewrite(engine, root, folder, anew)
    with writing(engine, "snapshots") as connection:
        for sha256 in anew:
            connection.execute(delete(day_partitions).where(day_partitions.c.sha256 == sha256))
            _supersede_day(connection, sha256)
    for path in holding:
        remove_file(path)


def _supersede_day(connection: Connection, sha256: str) -> None:
    """So that other machines drop their copies of the file; what took its place is for snapshots to say."""
    connection.execute(delete(superseded).where(superseded.c.digest == sha256))
    row = {"digest": sha256, "kind": DAYS, "successor": None, "why": "erasure", "at": to_micros(utc_now())}
    connection.execute(insert(superseded).values(row))


def _day_files(root: Path) -> list[Path]:
    if copies := copies_of(root):
        partitions.bring(root / DAYS, [Path(name).stem for name in copies.names(DAYS)])
    return sorted((root / DAYS).glob("[!.]*.parquet"))


def _write_without(path: Path, user_id: str) -> dict[str, Any] | None:
    """Write the day without the user; its SHA-256 and rows, None if none are left. It may be damaged."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError):
        return None
    table = table.filter(pc.not_equal(table["user_id"], user_id))
    if not len(table):
        return None
    return {"sha256": partitions.write_table(table, path.parent), "num_rows": len(table)}


def _rewrite(engine: Engine, root: Path, folder: Path, anew: Mapping[str, dict[str, Any] | None]) -> None:
    """A snapshot that names a day of the user: published anew, recorded, superseded, removed."""
    listed = json.loads((folder / "partitions.json").read_text())
    if not any(part["sha256"] in anew for part in listed):
        return
    manifest = json.loads((folder / MANIFEST).read_text())
    old = ArtifactRef(kind=KIND, digest=manifest["digest"], path=str(folder))
    kept = []
    for part in listed:
        if part["sha256"] not in anew:
            kept.append(part)
        elif (other := anew[part["sha256"]]) is not None:
            kept.append(part | other)
    with reading(engine) as connection:
        config = _config(connection, manifest["config"], kept)

    def write(aside: Path) -> None:
        (aside / "partitions.json").write_text(json.dumps(kept, indent=0))
        shutil.copyfile(folder / "items.parquet", aside / "items.parquet")

    new = publish(root, KIND, write, parents=manifest["parents"], config=config) if kept else None
    crash_point("erase:snapshot-rewritten")
    with writing(engine, "snapshots") as connection:
        supersede(connection, old, new)
        _record(connection, old, new, config)
    crash_point("erase:snapshot-superseded")
    remove_folder(folder)


def _config(connection: Connection, old: Mapping[str, Any], kept: list[dict[str, Any]]) -> dict[str, Any]:
    """The snapshot's facts: one user less, and as many events as are left."""
    config = dict(old) | {
        "num_events": sum(part["num_rows"] for part in kept),
        "num_users": old["num_users"] - 1,
    }
    if "num_late" not in config:
        return config
    start, end, known_by = (config.get(name) for name in ("start", "end", "known_by"))
    late = select(func.count(events.c.known_at)).where(
        events.c.occurred_at < _micros(end), events.c.known_at <= _micros(known_by or end)
    )
    if start is not None:
        late = late.where(events.c.occurred_at >= _micros(start))
    config["num_late"] = connection.execute(late).scalar_one()
    return {name: value for name, value in config.items() if name != "num_late" or value}


def _record(
    connection: Connection, old: ArtifactRef, new: ArtifactRef | None, config: Mapping[str, Any]
) -> None:
    row = (
        connection.execute(select(snapshots).where(snapshots.c.digest == old.digest)).mappings().one_or_none()
    )
    connection.execute(delete(snapshots).where(snapshots.c.digest == old.digest))
    if row is None or new is None:
        return
    changed = {"digest": new.digest, "path": new.path}
    changed |= {name: config[name] for name in ("num_events", "num_users")}
    connection.execute(delete(snapshots).where(snapshots.c.digest == new.digest))
    connection.execute(insert(snapshots).values(dict(row) | changed))


def _micros(moment: Any) -> int:
    return to_micros(datetime.fromisoformat(str(moment)))
