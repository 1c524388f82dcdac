"""Rows of the warehouse changed by somebody who has the database: triggers first, then a column, a row, two rows.

Of ledgers, batches, journal, quarantine and leases, on SQLite and on a real PostgreSQL; of SQLite also bytes of the
file. Each is refused by name, or changes nothing of what is read. Values of `events` and `items` are not looked at
here: `recloop verify` makes a snapshot again and compares digests.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.data import chain
from components.data.schema import metadata
from components.data.warehouse import Engine, open_warehouse
from tests.faults import corrupted_world as world
from tests.faults.fault import Fault, Outcome

KIND = "corruption"
_APPEND_ONLY = ("promotions", "alpha_ledger")
_CHAINED = (*_APPEND_ONLY, "batches")
_PAGES, _PAGES_SHORT = 60, 6
# a stopped batch that comes again says why anew; a row of the queue is known by what it holds
_MAY_CHANGE = {("batches", "why"), ("quarantine", "id")}


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Statements, and the table whose rows they change."""

    name: str
    table: str
    statements: tuple[str, ...]


def row_faults(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    chance = random.Random(seed)  # noqa: S311
    embedded = _Sqlite(scratch / "rows")
    yield from _faults(embedded, "SQLite", _damages(embedded.rows, chance, short))
    for number in range(_PAGES_SHORT if short else _PAGES):
        place, bit = chance.choice(embedded.written), 1 << chance.randrange(8)
        strike = partial(_strike_page, embedded, place, bit)
        yield _fault(f"SQLite, byte {place}", f"bit {bit} flipped, {number + 1}", strike)
    if short:
        return
    with ExitStack() as inside:
        from tests.postgresql import PostgresqlMissing, running_postgresql

        try:
            server = inside.enter_context(running_postgresql())
        except PostgresqlMissing as missing:
            print(f"corruption: rows of PostgreSQL are left out: {missing}", flush=True)
            return
        served = _Postgresql(server)
        yield from _faults(served, "PostgreSQL", _damages(served.rows, chance, short))


def _faults(database: _Sqlite | _Postgresql, called: str, damages: Iterator[Damage]) -> Iterator[Fault]:
    for damage in damages:
        yield _fault(f"{called}, {damage.table}", damage.name, partial(_strike, database, damage))


def _fault(where: str, name: str, strike: Callable[[], Outcome]) -> Fault:
    return Fault(
        kind=KIND, name=name, where=where, holds="refused by name, or nothing changes", strike=strike
    )


def _damages(rows: dict[str, list[dict[str, Any]]], chance: random.Random, short: bool) -> Iterator[Damage]:
    """Every column of a row, a row gone, two rows in each other's place."""
    for table in world.TABLES:
        key = next(iter(metadata.tables[table].primary_key.columns)).name
        first, *others = chance.sample(rows[table], len(rows[table]))
        for name in rows[table][0]:
            if (table, name) not in _MAY_CHANGE and not (short and chance.random() < 0.5):
                value = _sql(first[name] + 1_000) if name in ("id", "batch_id") else _other(name, first[name])
                text = f"UPDATE {table} SET {name} = {value} WHERE {key} = {_sql(first[key])}"
                yield Damage(name=f"{name} of {first[key]!r} is another", table=table, statements=(text,))
        for row in [first] if short else rows[table]:
            text = f"DELETE FROM {table} WHERE {key} = {_sql(row[key])}"
            yield Damage(name=f"{row[key]!r} is gone", table=table, statements=(text,))
        unlike = [row for row in others if table != "quarantine" or row["payload"] != first["payload"]]
        for other in unlike[:1] if short else unlike:
            yield _swapped(table, key, first, other)
        for row in rows[table][:-1] if table in _CHAINED else ():
            text = f"DELETE FROM {table} WHERE {key} > {_sql(row[key])}"
            yield Damage(name=f"cut off after {row[key]!r}", table=table, statements=(text,))
        if table in _CHAINED:
            yield _written_anew(table, key, rows[table])


def _written_anew(table: str, key: str, rows: list[dict[str, Any]]) -> Damage:
    """The first entry another, and the whole chain computed for it by whoever can read this code; but not the head."""
    before, texts = "", []
    for row in rows:
        anew = row | {chain.PREVIOUS: before} | ({"at" if "at" in row else "late": 7} if not before else {})
        before = anew[chain.HASH] = chain._hash(metadata.tables[table], anew)
        values = ", ".join(f"{name} = {_sql(value)}" for name, value in anew.items() if value != row[name])
        texts.append(f"UPDATE {table} SET {values} WHERE {key} = {_sql(row[key])}")
    return Damage(name="written anew, its head left alone", table=table, statements=tuple(texts))


def _swapped(table: str, key: str, one: dict[str, Any], other: dict[str, Any]) -> Damage:
    """All but keys and what must be unique, which stay where they are; of the quarantine what was received."""
    names = [name for name in one if name not in (key, "digest") and one[name] != other[name]]
    if (
        table == "quarantine"
    ):  # a row is known by what it holds: whole rows under each other's number are the same rows
        names = ["payload"]
    texts = [
        f"UPDATE {table} SET {', '.join(f'{name} = {_sql(source[name])}' for name in names)} "
        f"WHERE {key} = {_sql(target[key])}"
        for source, target in ((one, other), (other, one))
    ]
    return Damage(
        name=f"{one[key]!r} and {other[key]!r} changed places", table=table, statements=tuple(texts)
    )


def _strike(database: _Sqlite | _Postgresql, damage: Damage) -> Outcome:
    """A fault fires if the rows are others than before."""
    with database.copied() as (engine, execute):
        before = world.rows_of(engine)
        execute(damage.statements)
        fired = world.rows_of(engine) != before
        wrong = [said for reader in world.READERS if (said := world.violation(reader, engine, damage.table))]
        engine.dispose()
    return Outcome(fired=fired, violations=tuple(wrong))


def _strike_page(database: _Sqlite, place: int, bit: int) -> Outcome:
    """Whatever is read is what was written, or is refused by a message."""
    path = database.copy()
    content = bytearray(path.read_bytes())
    content[place] ^= bit
    path.write_bytes(content)
    try:
        engine = open_warehouse(f"sqlite:///{path}")
    except Exception as error:
        return Outcome(fired=True, violations=tuple(filter(None, [world.unknown(error)])))
    wrong = [said for reader in world.READERS if (said := world.violation(reader, engine, None))]
    engine.dispose()
    return Outcome(fired=True, violations=tuple(wrong))


class _Sqlite:
    """A prepared file, copied for every fault."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._saved, self._copy = folder / "saved.db", folder / "warehouse.db"
        engine = open_warehouse(f"sqlite:///{self._saved}")
        world.fill(engine, folder / "artifacts")
        self.rows = world.rows_of(engine)
        engine.dispose()
        with closing(sqlite3.connect(self._saved)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
        # nine bytes of ten are zeros between the rows of a page: nothing reads them
        self.written = [place for place, byte in enumerate(self._saved.read_bytes()) if byte]
        with self.copied() as (copied, _):
            world.all_read(copied)

    def copy(self) -> Path:
        for left in self._copy.parent.glob(f"{self._copy.name}*"):
            left.unlink()
        shutil.copyfile(self._saved, self._copy)
        return self._copy

    def copied(self) -> ExitStack:
        inside = _Opened()
        path = self.copy()
        engine = open_warehouse(f"sqlite:///{path}")

        def execute(statements: tuple[str, ...]) -> None:
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("PRAGMA ignore_check_constraints=ON")
                for table in _APPEND_ONLY:
                    for verb in ("update", "delete"):
                        database.execute(f"DROP TRIGGER {table}_no_{verb}")
                for statement in statements:
                    database.execute(statement)

        inside.value = engine, execute
        inside.callback(engine.dispose)
        return inside


class _Postgresql:
    """A prepared database, copied for every fault."""

    def __init__(self, server: Any) -> None:
        self._server, self._number = server, 0
        server.new("prepared")
        engine = open_warehouse(server.url("prepared", "psycopg"))
        world.fill(engine, Path("nowhere"))
        self.rows = world.rows_of(engine)
        engine.dispose()
        with self.copied() as (copied, _):
            world.all_read(copied)

    def copied(self) -> ExitStack:
        import psycopg

        self._number += 1
        name = f"copy{self._number}"
        with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE prepared')
        inside = _Opened()
        engine = open_warehouse(self._server.url(name, "psycopg"))

        def execute(statements: tuple[str, ...]) -> None:
            with psycopg.connect(self._server.url(name), autocommit=True) as connection:
                connection.execute("SET session_replication_role = replica")  # no triggers, no foreign keys
                connection.execute("ALTER TABLE promotions DROP CONSTRAINT known_action")
                connection.execute("ALTER TABLE alpha_ledger DROP CONSTRAINT known_entry")
                connection.execute("ALTER TABLE alpha_ledger DROP CONSTRAINT only_what_was_judged")
                for constraint in ("no_event_is_lost", "no_item_is_lost"):
                    connection.execute(f"ALTER TABLE batches DROP CONSTRAINT {constraint}")
                for statement in statements:
                    connection.execute(statement)

        def drop() -> None:
            engine.dispose()
            with psycopg.connect(self._server.url("postgres"), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

        inside.value = engine, execute
        inside.callback(drop)
        return inside


class _Opened(ExitStack):
    """Gives the engine, and what changes rows behind it."""

    value: tuple[Engine, Callable[[tuple[str, ...]], None]]

    def __enter__(self) -> Any:
        super().__enter__()
        return self.value


def _other(name: str, value: Any) -> str:
    """Another value of the same type, in SQL; of JSON, one of the same shape."""
    if isinstance(value, bool):
        return str(not value).upper()
    if isinstance(value, int | float):
        return _sql(value + 1)
    if value is None:
        return "1" if name.endswith(("_at", "_id", "_row", "as_of")) else "'1'"
    if name == "output":
        return _sql(world.another_output(value))
    if name == "payload":
        return _sql(value.replace('"u', '"v'))
    return _sql(value[:-1] + ("0" if value[-1:] != "0" else "1") if name != "evidence" else "{}")


def _sql(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
