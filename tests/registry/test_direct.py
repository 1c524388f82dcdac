"""A registry read without MLflow is what its client says, of a database and of a server; else the client is asked."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.registry import tracking
from components.registry.direct import SCHEMA, read_model
from components.registry.registered import ENTRY_TAG, RegisteredModel
from components.registry.versions import registered_model
from tests.registry.conftest import tagged_version


@pytest.fixture(params=["database", "server"])
def address(request: pytest.FixtureRequest, mlflow_here: str) -> Iterator[str]:
    """Where the registry is: its database, or the server over another one."""
    where = mlflow_here if request.param == "database" else request.getfixturevalue("shared_server")
    tracking.configure(where)
    yield where
    tracking.configure(mlflow_here)


def test_it_says_what_the_client_says(address: str) -> None:
    name = "directly"
    for number in range(12):
        tagged_version(
            name, verdict="HOLD" if number % 2 else "PROMOTE", note=f"{number} of “twelve”, & more"
        )
    client = MlflowClient()
    client.set_registered_model_alias(name, "champion", "10")
    client.set_registered_model_alias(name, "challenger", "12")
    client.set_registered_model_tag(name, ENTRY_TAG, "3")
    client.set_model_version_tag(name, "11", "validation_status", "approved")
    client.delete_model_version(name, "2")
    found = read_model(address, name)
    assert found == registered_model(name)
    assert found is not None
    assert [one.version for one in found.versions] == ["1", *map(str, range(3, 13))]
    assert (found.named("champion"), found.entry) == (found.version("10"), 3)


def test_a_model_that_is_not_there(address: str) -> None:
    nothing = RegisteredModel(name="nobody", exists=False, aliases={}, tags={}, versions=())
    assert read_model(address, "nobody") == nothing == registered_model("nobody")


def test_the_schema_is_that_of_the_installed_mlflow(mlflow_here: str) -> None:
    """An MLflow that brings another one makes this fail: read its tables anew, or let the client be asked."""
    with closing(sqlite3.connect(mlflow_here.removeprefix("sqlite:///"))) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA,)]


def test_what_it_does_not_know_is_left_to_the_client(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('of another MLflow')")
        database.commit()
    for elsewhere in (
        f"sqlite:///{path}", f"sqlite:///{tmp_path}/none.db", "postgresql+psycopg://u:p@db/mlflow",
        "https://mlflow.example.org", "http://mlflow.example.org", "http://127.0.0.1:9",
    ):  # fmt: skip
        assert read_model(elsewhere, "recloop") is None, elsewhere
    assert not (tmp_path / "none.db").exists()


def test_it_loads_no_mlflow() -> None:
    code = "import sys, components.registry.direct, components.registry.drift_state, components.registry.approval\n"
    code += "print([name for name in ('mlflow', 'pandas', 'numpy', 'requests') if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
