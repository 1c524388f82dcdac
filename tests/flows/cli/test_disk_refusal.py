"""What a disk refuses is told in one message; any other failure keeps its traceback."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError

from flows.cli.disk_refusal import disk_refusal


@pytest.mark.parametrize(
    ("number", "fix"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "Make it writable"), (errno.EIO, "Look at the disk")],
)
def test_the_systems_refusal_names_the_file_and_the_fix(number: int, fix: str):
    told = str(disk_refusal(OSError(number, os.strerror(number), "/home/x/rows.csv")))
    assert told.startswith(f"/home/x/rows.csv: {os.strerror(number)}. ")
    assert fix in told
    assert "None" not in str(disk_refusal(OSError(number, os.strerror(number))))  # a write names no file


def refusal_of(engine: Engine, *statements: str) -> str:
    try:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
    except OperationalError as error:
        return str(disk_refusal(error))
    return "not refused"


def test_the_databases_refusal_too(tmp_path: Path):
    path = tmp_path / "w.db"
    small = create_engine(f"sqlite:///{path}")
    with small.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    full = refusal_of(small, "PRAGMA max_page_count = 3", "INSERT INTO t VALUES (zeroblob(1000000))")
    assert full.startswith("the warehouse: database or disk is full. Free some space")
    only_read = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert "Make it writable" in refusal_of(only_read, "INSERT INTO t VALUES (1)")


def test_other_failures_are_none_of_a_disks():
    for error in (FileNotFoundError(errno.ENOENT, "no", "x"), ConnectionRefusedError(errno.ECONNREFUSED, "no"),
                  KeyError("x"), sqlite3.OperationalError("no such table: x")):  # fmt: skip
        assert disk_refusal(error) is None
