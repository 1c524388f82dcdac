"""What must hold after every cycle, read from the files themselves and not through recloop's own queries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from components.artifact import ArtifactDamaged, verified
from tests.data.erasing import told_by
from tests.faults.home import changed_in
from tests.soak.source import Day
from tests.soak.strikes import RETENTION


@dataclass(kw_only=True)
class History:
    """What the harness itself knows to have happened; it grows with the soak."""

    home: Path
    seed: int
    cycles: int = 0
    erased: set[str] = field(default_factory=set)
    codes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    ledger: list[tuple[Any, ...]] = field(default_factory=list)
    aside_since: dict[str, int] = field(
        default_factory=dict
    )  # what lies aside -> cycle that it was first seen in
    spoiled: dict[int, int] = field(default_factory=dict)  # day -> rows


def violations(history: History, codes: dict[str, tuple[int, ...]]) -> list[str]:
    """Everything that does not hold, in words; `codes` are those of the ID table of now."""
    home = history.home
    with closing(_opened(home / "warehouse.db")) as warehouse, closing(_opened(home / "mlflow.db")) as mlflow:
        found = [
            *_accounts(warehouse, history),
            *_ledger(warehouse, mlflow, history),
            *_versions(warehouse, mlflow, history),
            *_leases(warehouse),
            *_served(warehouse, history),
            *_journal(warehouse, every=history.cycles % 10 == 0),
        ]
    if history.cycles % 10 == 0:
        found += [f"{name} still names {user}, who was erased" for name, user in named(home, history.erased)]
    return [*found, *changed_in(home), *_codes(history, codes), *_asides(history), *_bytes_of_erased(history)]


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True)


def _accounts(warehouse: sqlite3.Connection, history: History) -> Iterator[str]:
    sums = "received, accepted, quarantined, duplicates"
    for row in warehouse.execute(f"SELECT batch_id, {sums} FROM batches WHERE state = 'landed'"):
        batch, received, *parts = row
        if received != sum(parts):
            yield f"batch {batch}: {received} received, and {parts} accepted, quarantined, duplicates"
    wanted = {
        event["event_id"]
        for number in range(history.cycles)
        for place, event in enumerate(Day(seed=history.seed, number=number).events())
        if event["user_id"] not in history.erased and place >= history.spoiled.get(number, 0)
    }
    there = [event for (event,) in warehouse.execute("SELECT event_id FROM events")]
    if len(there) != len(set(there)):
        yield f"{len(there) - len(set(there))} events are there twice"
    if lost := wanted - set(there):
        yield f"{len(lost)} events are lost, {min(lost)} among them"
    if strange := set(there) - wanted:
        yield f"{len(strange)} events should not be there, {min(strange)} among them"
    (told,) = warehouse.execute("SELECT sum(quarantined + items_quarantined) FROM batches").fetchone()
    (kept,) = warehouse.execute("SELECT count(*) FROM quarantine").fetchone()
    if told != kept:
        yield f"batches tell of {told} quarantined rows, and {kept} are there"


def _ledger(warehouse: sqlite3.Connection, mlflow: sqlite3.Connection, history: History) -> Iterator[str]:
    entries = list(
        warehouse.execute(
            "SELECT id, action, version, previous_version, evidence FROM promotions ORDER BY id"
        )
    )
    if entries[: len(history.ledger)] != history.ledger:
        yield "entries of the ledger have changed"
    for before, after in pairwise(entries):
        if after[3] != before[2]:
            yield f"entry {after[0]} of the ledger goes on from version {after[3]}, and {before[2]} was champion"
    rows = mlflow.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'").fetchall()
    champion, told = (str(rows[0][0]) if rows else None), (entries[-1][2] if entries else None)
    if champion != told:
        yield f"the ledger says version {told}, MLflow's alias {champion}"
    history.ledger = entries


def _versions(warehouse: sqlite3.Connection, mlflow: sqlite3.Connection, history: History) -> Iterator[str]:
    rows = "SELECT value FROM model_version_tags WHERE key = 'recloop.bundle'"
    bundles = [digest for (digest,) in mlflow.execute(rows)]
    (there,) = mlflow.execute("SELECT count(*) FROM model_versions").fetchone()
    if not there == len(set(bundles)) == history.cycles:
        yield f"{there} versions of {len(set(bundles))} bundles after {history.cycles} cycles"
    (recorded,) = warehouse.execute("SELECT count(*) FROM cycles").fetchone()
    if recorded != history.cycles:
        yield f"{recorded} cycles are on record, and {history.cycles} were run"
    ended = list(mlflow.execute("SELECT status, count(*) FROM runs GROUP BY status"))
    if ended != [("FINISHED", history.cycles)]:
        yield f"runs in MLflow: {ended}"


def _leases(warehouse: sqlite3.Connection) -> Iterator[str]:
    for name, owner in warehouse.execute("SELECT name, owner FROM leases WHERE expires_at IS NOT NULL"):
        yield f"lease {name} is still held by {owner}"


def _served(warehouse: sqlite3.Connection, history: History) -> Iterator[str]:
    (run,) = warehouse.execute("SELECT run FROM served_runs ORDER BY id DESC LIMIT 1").fetchone()
    (rows,) = warehouse.execute("SELECT count(*) FROM recommendations WHERE run = ?", (run,)).fetchone()
    if run != f"batch-{history.cycles - 1:05d}" or not rows:
        yield f"{run} is served, of {rows} rows"
    ragged = "SELECT count(*) FROM (SELECT 1 FROM recommendations GROUP BY run, user_id HAVING count(*) != 3)"
    (cut,) = warehouse.execute(ragged).fetchone()
    if cut:
        yield f"{cut} lists are there in parts"


def _journal(warehouse: sqlite3.Connection, *, every: bool) -> Iterator[str]:
    """What a finished stage gave is whole: of the last two cycles, and of all every tenth time."""
    rows = warehouse.execute("SELECT stage, output FROM stage_journal ORDER BY finished_at DESC").fetchall()
    folders = {
        ref["path"]: stage
        for stage, output in (rows if every else rows[:20])
        for ref in json.loads(output).values()
        if isinstance(ref, dict) and "path" in ref
    }
    for folder, stage in folders.items():
        try:
            verified(folder)
        except ArtifactDamaged as error:
            yield f"journal, {stage}: {error}"


def _codes(history: History, codes: dict[str, tuple[int, ...]]) -> Iterator[str]:
    moved = [item for item, known in history.codes.items() if codes.get(item) != known]
    if moved:
        yield f"{len(moved)} items have other codes than before, {moved[0]} among them"
    if len(set(codes.values())) != len(codes):
        yield "two items share a code"
    history.codes = codes


def _asides(history: History) -> Iterator[str]:
    """What a kill left aside goes with the sweep once it is as old as anything that is swept."""
    there = {path.relative_to(history.home).as_posix() for path in (history.home / "artifacts").glob("*/.*")}
    history.aside_since = {name: history.aside_since.get(name, history.cycles) for name in there}
    for name, since in history.aside_since.items():
        if history.cycles - since > RETENTION + 2:
            yield f"{name} lies aside since cycle {since}"


def named(home: Path, users: Collection[str]) -> Iterator[tuple[str, str]]:
    """File and user, for every file with one in its bytes, its rows or, unpacked, its columns."""
    for path in sorted(home.rglob("*")) if users else ():
        content = told_by(path) if path.is_file() else b""
        for user in sorted(users):
            if user.encode() in content:
                yield path.relative_to(home).as_posix(), user


def _bytes_of_erased(history: History) -> Iterator[str]:
    if not history.erased:
        return
    for path in history.home.rglob("*"):
        if path.is_file() and path.suffix in {".db", ".db-wal", ".json", ".csv", ".html"}:
            content = path.read_bytes()
            for user in sorted(history.erased):
                if user.encode() in content:
                    yield f"{path.relative_to(history.home)} still names {user}, who was erased"
