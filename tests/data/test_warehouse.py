from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, insert, select

from components.data.schema import cycles, metadata
from components.data.warehouse import WarehouseUnreachable, open_warehouse, reading, rows_where, writing

PROCESSES, THREADS, WRITES = 4, 2, 25


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/warehouse.db"


def cycle(number: int) -> dict[str, object]:
    row = {"cycle_id": f"c{number}", "verdict": "HOLD", "versions": "{}", "summary": "{}"}
    return row | {"as_of": number, "train_cutoff": 0, "recorded_at": 0}


def test_the_migrations_make_the_schema(tmp_path: Path):
    with reading(open_warehouse(url_of(tmp_path))) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_opening_again_keeps_what_is_there(tmp_path: Path):
    with writing(open_warehouse(url_of(tmp_path)), "cycles") as connection:
        connection.execute(insert(cycles).values(cycle(1)))
    with reading(open_warehouse(url_of(tmp_path))) as connection:
        assert connection.execute(select(cycles.c.cycle_id)).scalars().all() == ["c1"]


def _count_up(url: str, gate) -> None:
    """Open at the same moment as the others, then read and write in one transaction, many times."""
    gate.wait()
    engine = open_warehouse(url)

    def write_all(_thread: int) -> None:
        for _ in range(WRITES):
            with writing(engine, "cycles") as connection:
                seen = connection.execute(select(func.count()).select_from(cycles)).scalar_one()
                connection.execute(insert(cycles).values(cycle(seen)))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write_all, range(THREADS)))


def test_processes_that_open_and_write_at_once_neither_lock_up_nor_lose(tmp_path: Path):
    """4 processes make the same fresh file; 2 threads of each add 25 rows numbered by what they have read."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(PROCESSES)
    writers = [context.Process(target=_count_up, args=(url_of(tmp_path), gate)) for _ in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    with reading(open_warehouse(url_of(tmp_path))) as connection:
        numbers = connection.execute(select(cycles.c.as_of).order_by(cycles.c.as_of)).scalars().all()
    assert numbers == list(range(PROCESSES * THREADS * WRITES))


def test_a_reader_sees_one_state_and_does_not_wait_for_the_writer(tmp_path: Path):
    engine = open_warehouse(url_of(tmp_path))
    count = select(func.count()).select_from(cycles)
    with reading(engine) as reader:
        assert reader.execute(count).scalar_one() == 0
        with writing(engine, "cycles") as writer:
            writer.execute(insert(cycles).values(cycle(1)))
        assert reader.execute(count).scalar_one() == 0
    with reading(engine) as reader:
        assert reader.execute(count).scalar_one() == 1


def test_an_exception_takes_the_writes_back(tmp_path: Path):
    engine = open_warehouse(url_of(tmp_path))

    def write_and_fail() -> None:
        with writing(engine, "cycles") as connection:
            connection.execute(insert(cycles).values(cycle(1)))
            raise KeyError("a bug")

    with pytest.raises(KeyError):
        write_and_fail()
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(cycles)).scalar_one() == 0


def test_rows_where_takes_more_values_than_one_query_can(tmp_path: Path):
    engine = open_warehouse(url_of(tmp_path))
    with writing(engine, "cycles") as connection:
        connection.execute(insert(cycles), [cycle(n) for n in range(3)])
    wanted = [*(f"x{n}" for n in range(50_000)), "c2", "c0"]
    with reading(engine) as connection:
        rows = rows_where(connection, cycles.c.cycle_id, wanted, cycles.c.as_of)
        assert sorted(tuple(row) for row in rows) == [("c0", 0), ("c2", 2)]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("not a url", "RECLOOP_WAREHOUSE_URL"),
        ("nosuchdb://u:hunter2@host/name", "no driver"),
        ("sqlite:////proc/nowhere/warehouse.db", "/proc/nowhere"),
        ("postgresql+psycopg://u:hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("postgresql+psycopg://u:a#hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("postgresql+psycopg://u:a/hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("postgresql+psycopg://u:a?hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("postgresql+psycopg://u:a:hunter2@127.0.0.1:1/name", "127.0.0.1:1"),
        ("postgresql+psycopg://u:a@hunter2@127.0.0.1:1/name", "%40"),
        ("postgresql+psycopg://u:a@b:hunter2@127.0.0.1:1/name", "%40"),
        ("postgresql+psycopg://127.0.0.1:1/name?user=u&password=hunter2", "127.0.0.1:1"),
        ("postgresql+psycopg://u:hunter2", "%40"),
        ("postgresql:/u:hunter2@127.0.0.1:1/name", "%40"),
    ],
)
def test_an_address_that_cannot_be_opened_is_named_without_its_password(url: str, says: str):
    with pytest.raises(WarehouseUnreachable) as refused:
        open_warehouse(url)
    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "warehouse.db"
    path.write_text("these are not the bytes of a database" * 100)
    before = path.read_bytes()
    with pytest.raises(WarehouseUnreachable, match="not a database"):
        open_warehouse(url_of(tmp_path))
    assert path.read_bytes() == before


def test_a_schema_of_a_newer_checkout_is_refused(tmp_path: Path):
    open_warehouse(url_of(tmp_path)).dispose()
    with sqlite3.connect(tmp_path / "warehouse.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WarehouseUnreachable, match="Update the checkout"):
        open_warehouse(url_of(tmp_path))
