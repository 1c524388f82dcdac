"""A small home that is put back before every strike, and its state as digests.

The state is the rows of the warehouse and the bytes of every published file. What a clock or chance had a part in
is left out, and so is what lies aside under a name that begins with a dot: no reader looks there, and pruning takes it.
Hashes are left out too, since moments are in them; `changed_behind` follows them instead.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from components.data.warehouse import Engine, open_warehouse, reading
from tests.faults.child import done

OF_A_CLOCK = {
    "landed_at", "taken_at", "finished_at", "begun_at", "resolved_at", "acquired_at", "expires_at", "at",
    "created_at", "recorded_at", "written_at", "scored_at", "data_docs",
    "seconds", "owner", "user_key", "salt", "fence", "entry_hash", "previous_hash", "row_hash",
}  # fmt: skip
Work = Callable[[Path], object]


def warehouse_of(home: Path) -> Engine:
    return open_warehouse(f"sqlite:///{home}/warehouse.db")


def changed_behind(engine: Engine) -> list[str]:
    """What the chains of promotions, alpha and batches, and the seals of quarantine and journal, say to be another."""
    from sqlalchemy import select

    from components.data.accounts import checked_accounts
    from components.data.alpha import checked_alpha
    from components.data.chain import LedgerBroken
    from components.data.ledger import checked_ledger
    from components.data.schema import stage_journal
    from components.data.seals import is_as_written

    told = []
    for check in (checked_ledger, checked_alpha, checked_accounts):
        try:
            check(engine)
        except LedgerBroken as error:
            told.append(str(error))
    with reading(engine) as connection:
        entries = list(connection.execute(select(stage_journal)).mappings())
    return told + [
        f"entry {entry['key']} of the journal is not what was written"
        for entry in entries
        if not is_as_written(stage_journal, entry)
    ]


def changed_in(home: Path) -> list[str]:
    """The same of a home, in a process of its own."""
    if not (home / "warehouse.db").exists():
        return []
    told: list[str] = done(lambda: changed_behind(warehouse_of(home)))
    return told


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A home as `prepare` leaves it, to be worked on again and again at the same path."""

    folder: Path
    prepare: Work

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def set(self) -> Path:
        """The home as it was prepared."""
        saved = self.folder / "saved"
        if not saved.exists():
            self.home.mkdir(parents=True)
            done(lambda: self.prepare(self.home) and None)
            shutil.copytree(self.home, saved, symlinks=True)
            return self.home
        shutil.rmtree(self.home)
        shutil.copytree(saved, self.home, symlinks=True)
        return self.home


def rows_of(home: Path, *, without: Collection[str] = ()) -> dict[str, list[str]]:
    """Table -> its rows, sorted, without the home's path and these columns; nothing where there is no warehouse."""
    database = home / "warehouse.db"
    if not database.exists():
        return {}
    connection = sqlite3.connect(database)
    try:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: _rows(connection, name, home, OF_A_CLOCK | set(without))
            for name in names
            if not name.startswith("sqlite_")
        }
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, table: str, home: Path, without: set[str]) -> list[str]:
    found = connection.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in found.description]
    rows = [{k: v for k, v in zip(names, row, strict=True) if k not in without} for row in found]
    return sorted(json.dumps(row, sort_keys=True, default=str).replace(str(home), "") for row in rows)


def files_of(home: Path, *folders: str) -> dict[str, str]:
    """Published file -> SHA-256 of its bytes."""
    found = {}
    for path in (path for folder in folders for path in (home / folder).rglob("*")):
        name = path.relative_to(home)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            found[name.as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def state_of(home: Path) -> str:
    """One digest of rows and published files."""
    told = [rows_of(home), files_of(home, *FOLDERS)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


FOLDERS = ("artifacts", "store", "reports", "out", "offline")


def difference(one: Path, other: dict[str, object]) -> str:
    """Where a home differs from rows and files that were kept, in words for a person."""
    found = {"rows": rows_of(one), "files": files_of(one, *FOLDERS)}
    told = []
    for part in ("rows", "files"):
        ours, theirs = found[part], other[part]
        assert isinstance(theirs, dict)
        told += [
            f"{part} of {name}" for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)
        ]
    return ", ".join(told)


def kept(home: Path) -> dict[str, object]:
    return {"rows": rows_of(home), "files": files_of(home, *FOLDERS)}
