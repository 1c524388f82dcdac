"""The doctor: well on a fresh machine, and right about each thing that can be wrong with one."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from flows.local.diagnosis import Finding, diagnose
from flows.local.engine_servers import run_folder
from flows.local.process import spawn, stop_groups, write_record
from flows.local.site import static_site
from flows.settings import LOOPBACK, Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind((LOOPBACK, 0))
        prefect, mlflow, docs = (int(one.getsockname()[1]) for one in sockets)
    return Settings(
        home=tmp_path / "home",
        prefect_port=prefect,
        mlflow_port=mlflow,
        docs_port=docs,
        prefect_api_url=f"http://{LOOPBACK}:{prefect}/api",
        mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow}",
        threads=1,
    )


def found(settings: Settings, name: str) -> Finding:
    (finding,) = [finding for finding in diagnose(settings) if finding.name == name]
    return finding


def amiss(settings: Settings) -> list[str]:
    """What is not well, but for memory and disk, which are the machine's; each must say how to fix it."""
    findings = [one for one in diagnose(settings) if not one.ok and one.name not in {"memory", "disk"}]
    assert all(finding.fix for finding in findings)
    return [finding.name for finding in findings]


def test_a_fresh_machine_is_well_and_left_untouched(settings: Settings) -> None:
    assert amiss(settings) == []
    assert not settings.home.exists()
    names = [finding.name for finding in diagnose(settings)]
    for name in ("Python", "packages", "home", "disk", "memory", "threads", "warehouse", "Data Docs"):
        assert name in names


def test_a_port_in_use_is_named_with_its_variable(settings: Settings) -> None:
    with socket.socket() as stranger:
        stranger.bind((LOOPBACK, settings.mlflow_port))
        stranger.listen()
        finding = found(settings, f"port {settings.mlflow_port}")
    assert not finding.ok
    assert f"process {os.getpid()}" in finding.detail
    assert f"RECLOOP_MLFLOW_PORT={settings.mlflow_port + 1}" in finding.fix


def test_our_own_pages_are_no_stranger(settings: Settings) -> None:
    with static_site(settings, str):
        assert found(settings, f"port {settings.docs_port}").ok
    with socket.create_server((LOOPBACK, settings.docs_port)):
        assert amiss(settings) == [f"port {settings.docs_port}"]


def test_a_record_of_a_dead_server_is_stale(settings: Settings) -> None:
    (run_folder(settings) / "prefect.json").parent.mkdir(parents=True)
    sleep = (sys.executable, "-c", "import time; time.sleep(600)")
    child = spawn(sleep, environ=os.environ, folder=settings.home, log=settings.home / "log")
    write_record(run_folder(settings) / "prefect.json", child.pid, port=settings.prefect_port)
    assert amiss(settings) == []
    stop_groups([child.pid])
    child.wait()
    assert amiss(settings) == ["process record"]


def test_a_package_off_its_pin_is_named(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("prefect==0.0.1\npsutil==7.2.2\nnot-installed-and-not-needed==1\n")
    monkeypatch.setattr("flows.local.diagnosis.CONSTRAINTS", constraints)
    finding = found(settings, "packages")
    assert not finding.ok
    assert finding.detail.startswith("prefect is 3.")
    assert "not-installed" not in finding.detail


def test_a_broken_warehouse_is_one_finding(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "warehouse.db").write_text("no database " * 999)
    assert amiss(settings) == ["warehouse"]
    assert "warehouse.db" in found(settings, "warehouse").detail


def test_an_index_that_lost_a_row_is_found(settings: Settings) -> None:
    from components.data.warehouse import open_warehouse
    from tests.data.test_damage import misplace

    settings.home.mkdir()
    open_warehouse(settings.warehouse_url.get_secret_value()).dispose()
    assert amiss(settings) == []
    misplace(settings.home / "warehouse.db", "sqlite_autoindex_alembic_version_1", b"00")
    assert amiss(settings) == ["warehouse"]
    assert "alembic_version" in found(settings, "warehouse").detail


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:canary-4711@127.0.0.1:1/x", "postgresql+psycopg://127.0.0.1:1/x?password=canary-4711",
        "postgresql+psycopg:/me:canary-4711@127.0.0.1:1/x", "me:canary-4711@127.0.0.1:1/x",
        *(f"postgresql+psycopg://me:a{sign}canary-4711@127.0.0.1:1/x" for sign in "#/?@:"),
    ],
)  # fmt: skip
def test_a_warehouse_password_is_not_shown(settings: Settings, url: str) -> None:
    away = Settings(**{**settings.model_dump(), "warehouse_url": url})
    assert not found(away, "warehouse").ok
    assert "canary" not in str(diagnose(away))


def test_a_lease_of_a_dead_holder_is_named(settings: Settings) -> None:
    from datetime import UTC, datetime

    from components.data.lease import hold_lease
    from components.data.warehouse import open_warehouse

    engine = open_warehouse(settings.warehouse_url.get_secret_value())
    long_ago = datetime(1998, 4, 1, tzinfo=UTC)
    with hold_lease(engine, "retrain", owner="somebody", ttl_seconds=60, now=lambda: long_ago):
        assert amiss(settings) == ["lease"]
        assert "'retrain' of somebody" in found(settings, "lease").detail
    assert amiss(settings) == []
    assert found(settings, "warehouse").detail.endswith("newest schema")


def test_a_broken_engine_database_is_named(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "mlflow.db").write_text("no database " * 999)
    assert "mlflow.db" in found(settings, "database").detail
    assert amiss(settings) == ["database"]


def test_a_damaged_source_is_named(settings: Settings) -> None:
    from components.data.sources.movielens import WHEEL

    path = settings.home / "sources" / WHEEL
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a wheel")
    assert amiss(settings) == ["MovieLens-100K"]


def test_a_server_elsewhere_that_does_not_answer(settings: Settings) -> None:
    away = Settings(**{**settings.model_dump(), "mlflow_tracking_uri": "http://127.0.0.1:1"})
    assert amiss(away) == ["MLflow"]


def test_more_threads_than_cores(settings: Settings) -> None:
    assert amiss(settings.model_copy(update={"threads": 10_000})) == ["threads"]


def test_a_home_that_cannot_be_written(settings: Settings) -> None:
    away = Settings(**{**settings.model_dump(), "home": Path("/proc/recloop")})
    finding = found(away, "home")
    assert not finding.ok
    assert "RECLOOP_HOME" in finding.fix


def test_too_little_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    free_gb = shutil.disk_usage(settings.home.parent).free / 2**30
    monkeypatch.setattr("flows.local.diagnosis._NEEDED_DISK_GB", free_gb + 100)
    assert not found(settings, "disk").ok
