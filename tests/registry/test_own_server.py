"""A registry's database is made whole or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from components.registry.own_server import made


def tables(database: Path) -> set[str]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


def test_a_new_one_is_made_past_what_a_killed_server_left(tmp_path: Path) -> None:
    """Half a database stands aside; nothing of it is left, and a second call touches nothing."""
    (tmp_path / ".mlflow-new-a").mkdir()
    (tmp_path / ".mlflow-new-a" / "mlflow.db").write_bytes(b"SQLite format 3\0 and no more")
    made(tmp_path / "mlflow.db")
    assert tables(tmp_path / "mlflow.db") >= {"alembic_version", "experiments", "registered_models"}
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    before = (tmp_path / "mlflow.db").stat()
    made(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").stat() == before


def test_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Whatever it is: MLflow refuses it in its own words."""
    (tmp_path / "mlflow.db").write_text("no database")
    made(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_text() == "no database"


def test_mlflows_own_check_of_hosts_stands_behind_ours() -> None:
    """In a process of its own: MLflow puts it there where it is loaded by a server."""
    code = (
        "from components.registry.own_server import guarded; guarded()\n"
        "from mlflow.server import app\n"
        "print([hook.__name__ for hooks in app.before_request_funcs.values() for hook in hooks])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "validate_host" in done.stdout
