"""The places of a home but its feature store, and a process that erases the user from them, to be killed."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from components.data.artifact_erasure import artifact_places
from components.data.erasure import Place, erase_user, warehouse_places
from components.data.snapshot_erasure import snapshot_place
from components.data.warehouse import open_warehouse
from components.features import erasure as features
from components.report import erasure as pages

USER = "person-4711-zq"


def told_by(path: Path) -> bytes:
    """What a file says: its bytes, and unpacked the values of a table or the rows of a database."""
    text = path.read_bytes()
    if path.suffix == ".parquet":
        with suppress(pa.ArrowInvalid):  # one that is no table says what its bytes say
            text += str(pq.ParquetFile(path).read().to_pylist()).encode()
    if path.suffix == ".db":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            text += "\n".join(connection.iterdump()).encode()
    return text


def places_but_feast(home: Path, engine: Engine, user: str) -> tuple[Place, ...]:
    root, reports = home / "artifacts", home / "reports"
    return (
        *warehouse_places(engine, user),
        snapshot_place(engine, root, user),
        *artifact_places(engine, root, user, {**features.FORGETTING, **pages.FORGETTING}),
        Place(
            name="pages",
            count=lambda: pages.count_in_pages(reports, user),
            erase=lambda: pages.forget_in_pages(reports, user),
        ),
    )


if __name__ == "__main__":
    home = Path(sys.argv[1])
    engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
    erase_user(engine, USER, places_but_feast(home, engine, USER))
