"""What SQLite promises, on a real PostgreSQL: alone where alone is promised, whole or nothing, in the same order."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from components.data import lease
from components.data.alpha import alpha_entries, spend_alpha
from components.data.ingest import land_batch
from components.data.moments import utc_now
from components.data.queries import counts, user_history
from components.data.schema import alpha_ledger, events, promotions
from components.data.snapshot import read_events, snapshot_facts, take_snapshot
from components.data.warehouse import WarehouseUnreachable, open_warehouse, reading, writing
from tests.data.landing import at, batch, event
from tests.postgresql import Postgresql

SHARES = tuple(0.001 * k for k in range(1, 9))


@pytest.fixture(scope="module")
def addresses(postgresql: Postgresql) -> str:
    """A warehouse with its tables, to be copied."""
    postgresql.new("bare")
    open_warehouse(postgresql.url("bare", "psycopg")).dispose()
    return "bare"


@pytest.fixture
def url(postgresql: Postgresql, addresses: str, request: pytest.FixtureRequest) -> str:
    import psycopg

    name = f"w{abs(hash(request.node.name)):x}"
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{addresses}"')
    return postgresql.url(name, "psycopg")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = open_warehouse(url)
    yield opened
    opened.dispose()


def test_eight_threads_make_the_tables_once(postgresql: Postgresql):
    postgresql.new("crowded")
    with ThreadPoolExecutor(8) as pool:
        engines = list(pool.map(lambda _: open_warehouse(postgresql.url("crowded", "psycopg")), range(8)))
    assert {counts(engine).events for engine in engines} == {0}
    for engine in engines:
        engine.dispose()


def test_eight_challengers_at_once_get_eight_shares_and_each_keeps_its_own(engine: Engine):
    def spend(challenger: int) -> tuple[int, float]:
        entry = spend_alpha(engine, window="w", challenger=f"c{challenger}", shares=SHARES, profile="p")
        return entry.attempt, entry.alpha_one_sided

    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(spend, range(8)))
        again = list(pool.map(spend, range(8)))
    assert sorted(first) == list(enumerate(SHARES, start=1))
    assert again == first
    assert len(alpha_entries(engine, "w")) == 8


@pytest.mark.parametrize("table", [alpha_ledger, promotions])
@pytest.mark.parametrize("change", ["update", "delete", "truncate"])
def test_ledgers_only_grow(engine: Engine, table, change: str):
    statement = {
        "update": update(table).values(at=0),
        "delete": delete(table),
        "truncate": text(f"TRUNCATE {table.name}"),
    }[change]
    with pytest.raises(DBAPIError, match="append-only"), writing(engine, "alpha") as connection:
        connection.execute(statement)


def test_one_of_eight_takes_a_lease(engine: Engine):
    arrived = threading.Barrier(8)

    def take(number: int) -> bool:
        arrived.wait()
        try:
            with lease.hold_lease(engine, "retraining", owner=f"other-host:{number}:1"):
                arrived.wait()
                return True
        except lease.LeaseHeld:
            arrived.wait()
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(take, range(8))) == [False] * 7 + [True]


def test_a_connection_lost_in_mid_landing_loses_nothing(engine: Engine):
    """The server ends the session when all rows are written and none is committed."""
    land_batch(engine, batch(event("before")))
    arriving = batch(*(event(f"e{n}", user=f"u{n % 7}") for n in range(500)))

    def cut_off(connection, _cursor, statement, *_rest) -> None:
        if statement.startswith(
            "SELECT count(*)"
        ):  # `_assert_nothing_lost`: the last thing before the commit
            me = connection.connection.driver_connection.info.backend_pid
            with engine.connect() as other:
                other.execute(select(func.pg_terminate_backend(me, 5000)))

    from sqlalchemy import event as hooks

    hooks.listen(engine, "before_cursor_execute", cut_off)
    with pytest.raises(WarehouseUnreachable, match=r"by half.*Run the same command again") as told:
        land_batch(engine, arriving)
    hooks.remove(engine, "before_cursor_execute", cut_off)
    assert "ss%3Aw" not in str(told.value)
    assert counts(engine).events == 1
    result = land_batch(engine, arriving)  # on the same engine: its pool has let the dead connection go
    assert (result.accepted, result.duplicates, result.repeated) == (500, 0, False)
    assert land_batch(engine, arriving).repeated
    assert counts(engine).events == 501


KILLED = """
import sys
from components.data.ingest import land_batch
from components.data.warehouse import open_warehouse
from tests.data.landing import batch, event
land_batch(open_warehouse(sys.argv[1]), batch(*(event(f"e{n}") for n in range(50))))
"""


@pytest.mark.parametrize(("point", "landed"), [("ingest:before-commit", 0), ("ingest:after-commit", 50)])
def test_killed_while_landing_all_or_nothing_is_there(engine: Engine, url: str, point: str, landed: int):
    import os

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url], env=os.environ | {"CRASH_AT": point}, check=False
    )
    assert killed.returncode == -9
    assert counts(engine).events == landed
    land_batch(engine, batch(*(event(f"e{n}") for n in range(50))))
    assert counts(engine).events == 50


def test_the_same_events_give_the_digest_and_the_order_that_sqlite_gives(engine: Engine, tmp_path: Path):
    """All at one moment, under ids that English and bytes put in different orders."""
    ids = ["b", "A", "a", "B", "_", "Z", "é", "10", "9", "-", "a-b", "ab"]
    arriving = batch(*(event(f"e-{name}", user="u", item=name, hours=1) for name in ids))
    embedded = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    found = []
    for number, warehouse in enumerate((engine, embedded)):
        land_batch(warehouse, arriving)
        taken = take_snapshot(warehouse, tmp_path / str(number), end=at(5))
        history = user_history(warehouse, "u", limit=5)["item_id"].tolist()
        found.append((taken.digest, read_events(taken)["event_id"].tolist(), history, snapshot_facts(taken)))
    assert found[0] == found[1]
    with reading(engine) as connection:
        ordered = connection.execute(select(events.c.item_id).order_by(events.c.item_id)).scalars().all()
    assert ordered == sorted(ids)


def test_a_reader_sees_one_state_while_a_batch_lands(engine: Engine):
    land_batch(engine, batch(event("a")))
    with reading(engine) as connection:
        before = connection.execute(select(func.count()).select_from(events)).scalar_one()
        land_batch(engine, batch(event("b"), event("c")))
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == before == 1
    assert counts(engine).events == 3


def test_an_expired_lease_goes_to_the_next(engine: Engine):
    def later() -> object:
        return utc_now() + timedelta(hours=1)

    with lease.hold_lease(engine, "scoring", owner="other-host:1:1", ttl_seconds=60) as first:
        with lease.hold_lease(engine, "scoring", owner="other-host:2:1", now=later) as second:  # type: ignore[arg-type]
            assert second.fence == first.fence + 1
        with pytest.raises(lease.LeaseLost):
            first.ensure_held()


def test_texts_land_as_they_are_whatever_the_client_speaks(url: str, monkeypatch: pytest.MonkeyPatch):
    """psycopg takes the encoding of the database, or this variable; rows are copied in UTF-8."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    opened = open_warehouse(url)
    land_batch(opened, batch(event("e1", user="Ümlaut"), event("e2", user='"a\\.b",\nc')))
    monkeypatch.undo()
    plain = open_warehouse(url)
    with reading(plain) as connection:
        users = set(connection.execute(select(events.c.user_id)).scalars())
    assert users == {"Ümlaut", '"a\\.b",\nc'}
    for engine in (opened, plain):
        engine.dispose()
