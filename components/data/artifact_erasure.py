"""Erasure in published artifacts: what holds a user is published anew without, and the old one is superseded.

The new artifact has another digest; `superseded` says which took the place of which. Cycles on record point
to the new one, and what the journal knows of the old one goes, so that its stages run again when they are
asked for. An artifact that was only made from a superseded one (a model, say) stays as it is.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, Engine, delete, insert, select, update

from components.artifact import ArtifactDamaged, ArtifactRef, bring_here, publish, refuse_newer, verified
from components.copies import entry_of
from components.data.erased_users import ERASED_USER, NOTHING, user_of_payload
from components.data.erasure import Place
from components.data.moments import to_micros, utc_now
from components.data.schema import cycles, stage_journal, superseded
from components.data.warehouse import reading, writing
from components.faults import crash_point

DAYS = "partitions"  # the folder of day files
REMOVED = ".removed-"  # begins the name of what is out of the way and not yet deleted
Count = Callable[[Path, str], int]  # folder, user -> rows of the user in it
Forget = Callable[[Path, str], None]  # removes them from a copy of the folder
Forgetting = Mapping[str, tuple[Count, Forget]]  # by kind of artifact


def artifact_places(engine: Engine, root: Path, user_id: str, forgetting: Forgetting) -> tuple[Place, ...]:
    """A place for each kind of artifact that may hold users, besides snapshots, parents before children.

    `forgetting` tells how other rooms' kinds are read and rewritten; checked batches, lists, logs and the users of a
    replay are known here. A kind that both know is looked through in both ways.
    """
    known: dict[str, tuple[Count, Forget]] = {
        kind: _both(OWN[kind], forgetting[kind]) if kind in OWN and kind in forgetting else way
        for kind, way in {**OWN, **forgetting}.items()
    }
    return tuple(
        Place(
            name=_NAMES.get(kind, kind),
            count=partial(_count, root, kind, count, user_id),
            erase=partial(_erase, engine, root, kind, known[kind], user_id),
        )
        for kind, (count, _) in known.items()
    )


def successor_of(engine: Engine, digest: str) -> str | None:
    """What took the place of an artifact: its own digest if nothing did, None if nothing was left of it."""
    with reading(engine) as connection:
        return successor(connection, digest)


def successor(connection: Connection, digest: str) -> str | None:
    """`successor_of`, inside a transaction."""
    query = select(superseded.c.successor)
    while found := connection.execute(query.where(superseded.c.digest == digest)).one_or_none():
        if found[0] is None:
            return None
        digest = found[0]
    return digest


def supersede(
    connection: Connection, old: ArtifactRef, new: ArtifactRef | None, *, why: str = "erasure"
) -> None:
    """Record that one artifact took another's place, and lead what points to the old one there."""
    connection.execute(delete(superseded).where(superseded.c.digest == old.digest))
    row = {"digest": old.digest, "kind": old.kind, "successor": new and new.digest, "why": why}
    connection.execute(insert(superseded).values(row | {"at": to_micros(utc_now())}))
    forget_stages(connection, old.digest)
    if new is None:
        return
    for cycle_id, summary in connection.execute(select(cycles.c.cycle_id, cycles.c.summary)).all():
        if old.digest in summary:
            led = json.dumps(_led(json.loads(summary), old.digest, new), sort_keys=True)
            connection.execute(update(cycles).where(cycles.c.cycle_id == cycle_id).values(summary=led))


def forget_stages(connection: Connection, digest: str) -> int:
    """Remove what the journal knows of an artifact; returns how many entries that were."""
    named = stage_journal.c.output.contains(digest, autoescape=True)
    return connection.execute(delete(stage_journal).where(named)).rowcount


def remove_folder(folder: Path) -> None:
    """Out of the way in one step, then gone: a reader finds it whole or not at all.

    The object store's copy goes first.
    """
    if copies := entry_of(folder):
        copies.remove(folder)
    crash_point("artifact:copy-removed")
    _remove_here(folder)


def _remove_here(folder: Path) -> None:
    aside = folder.with_name(REMOVED + folder.name)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(folder, aside)
    crash_point("artifact:removed-aside")
    shutil.rmtree(aside, ignore_errors=True)


def drop_superseded(engine: Engine, root: Path) -> int:
    """Remove this machine's copies of what was superseded, by an erasure elsewhere, say; returns how many."""
    with reading(engine) as connection:
        rows = connection.execute(select(superseded.c.kind, superseded.c.digest)).tuples().all()
    names = {root / kind / (f"{digest}.parquet" if kind == DAYS else digest[:20]) for kind, digest in rows}
    here = [path for path in names if path.exists()]
    for path in here:
        remove_file(path) if path.is_file() else remove_folder(path)
    return len(here)


def remove_file(path: Path) -> None:
    """A published file, and first the object store's copy of it."""
    if copies := entry_of(path):
        copies.remove(path)
    path.unlink(missing_ok=True)


def remove_asides(shelf: Path) -> None:
    """What kills left of publishing and removing."""
    for aside in shelf.glob(".*"):
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink(missing_ok=True)


def count_rows(path: Path, user_id: str, *, column: str = "user_id") -> int:
    """Rows of a parquet file that are of the user; 0 without the file or the column."""
    if not path.exists() or column not in pq.read_schema(path).names:
        return 0
    users = pq.read_table(path, columns=[column])[column].cast("string")
    return pc.sum(pc.equal(users, user_id)).as_py() or 0


def drop_rows(path: Path, user_id: str, *, column: str = "user_id") -> None:
    """The same file without them."""
    if count_rows(path, user_id, column=column):
        table = pq.read_table(path)
        others = pc.fill_null(pc.not_equal(table[column].cast("string"), user_id), True)
        pq.write_table(table.filter(others), path)


def _published(shelf: Path) -> list[Path]:
    return sorted(p for p in shelf.iterdir() if not p.name.startswith(".")) if shelf.is_dir() else []


def readable(root: Path, kind: str) -> list[Path]:
    """Everything of a kind. Raises ArtifactNewer before any is looked at: where a user stands in one is unknown."""
    folders = _published(root / kind)
    for folder in folders:
        refuse_newer(folder)
    return folders


def _count(root: Path, kind: str, count: Count, user_id: str) -> int:
    bring_here(root, kind)
    return sum(count(folder, user_id) for folder in readable(root, kind))


def _erase(engine: Engine, root: Path, kind: str, ways: tuple[Count, Forget], user_id: str) -> None:
    count, forget = ways
    drop_superseded(engine, root)  # an erasure elsewhere has written them anew already
    for damaged in bring_here(root, kind):
        remove_folder(damaged)
    if (root / kind).is_dir():
        remove_asides(root / kind)
    for folder in readable(root, kind):
        if count(folder, user_id):
            _rewrite(engine, root, folder, lambda aside: forget(aside, user_id))


def _rewrite(engine: Engine, root: Path, folder: Path, forget: Callable[[Path], None]) -> None:
    """Publish a folder without the user, then supersede and remove it. A damaged one goes without successor."""
    if (manifest := _manifest_of(folder)) is None:
        return
    old = ArtifactRef(kind=manifest["kind"], digest=manifest["digest"], path=str(folder))

    def write(aside: Path) -> None:
        for name in manifest["files"]:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, aside / name)
        forget(aside)

    with reading(engine) as connection:
        parents = {
            role: successor(connection, digest) or digest for role, digest in manifest["parents"].items()
        }
    new = publish(root, old.kind, write, parents=parents, config=manifest["config"])
    crash_point("erase:rewritten")
    with writing(engine, "artifacts") as connection:
        supersede(connection, old, new)
    crash_point("erase:superseded")
    remove_folder(folder)


def _manifest_of(folder: Path) -> dict[str, Any] | None:
    """Of a folder that is whole, if need be by the object store's copy; None where both are damaged, and gone now."""
    for is_last in (False, True):
        try:
            return verified(folder)
        except ArtifactDamaged:
            remove_folder(folder) if is_last else _remove_here(folder)
    return None


def _led(value: Any, old: str, new: ArtifactRef) -> Any:
    """The same JSON with every reference to the old artifact replaced."""
    if isinstance(value, dict):
        if value.get("digest") == old and {"kind", "path"} <= value.keys():
            return new.to_dict()
        return {key: _led(entry, old, new) for key, entry in value.items()}
    if isinstance(value, list):
        return [_led(entry, old, new) for entry in value]
    return value


def _both(one: tuple[Count, Forget], other: tuple[Count, Forget]) -> tuple[Count, Forget]:
    def forget(folder: Path, user_id: str) -> None:
        one[1](folder, user_id)
        other[1](folder, user_id)

    return lambda folder, user_id: one[0](folder, user_id) + other[0](folder, user_id), forget


def _count_checked(folder: Path, user_id: str) -> int:
    quarantined = folder / "quarantined.parquet"
    refused = _refused_of(pd.read_parquet(quarantined), user_id).sum() if quarantined.exists() else 0
    return count_rows(folder / "events.parquet", user_id) + int(refused)


def _forget_checked(folder: Path, user_id: str) -> None:
    drop_rows(folder / "events.parquet", user_id)
    refused = pd.read_parquet(folder / "quarantined.parquet")
    refused.loc[_refused_of(refused, user_id), ["payload", "reasons"]] = [NOTHING, ERASED_USER]
    refused.to_parquet(folder / "quarantined.parquet", index=False)


def _refused_of(refused: pd.DataFrame, user_id: str) -> pd.Series:
    return (
        refused["payload"]
        .map(lambda payload: (user_of_payload(payload) or "").strip() == user_id)
        .astype(bool)
    )


def _count_lists(folder: Path, user_id: str) -> int:
    return sum(count_rows(part, user_id) for part in sorted(folder.glob("*.parquet")))


def _forget_lists(folder: Path, user_id: str) -> None:
    for part in sorted(folder.glob("*.parquet")):
        drop_rows(part, user_id)


_NAMES = {"recommendations": "recommendations in parquet"}  # beside the warehouse's rows

OWN: Forgetting = {
    "replay": (
        lambda folder, user_id: count_rows(folder / "users.parquet", user_id, column="user"),
        lambda folder, user_id: drop_rows(folder / "users.parquet", user_id, column="user"),
    ),
    "recommendations": (_count_lists, _forget_lists),
    "checked_batch": (_count_checked, _forget_checked),
    "logged": (
        lambda folder, user_id: count_rows(folder / "rows.parquet", user_id),
        lambda folder, user_id: drop_rows(folder / "rows.parquet", user_id),
    ),
}
