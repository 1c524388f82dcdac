"""The loop on services: one PostgreSQL for everything that is a database, an object store for all artifacts.

One cycle, killed where it writes to the database or the store and started again, has to end as the embedded default
does. Nothing but the environment says where things lie. A machine with an empty disk then goes on from there.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from components.data.sources.arrival import moments_at
from components.data.sources.opening import open_source
from flows.engine_environment import service_environment
from flows.local.servers import running_servers
from flows.settings import LOOPBACK, Settings
from tests.flows.conftest import free_ports
from tests.flows.worlds import Home
from tests.object_store import BUCKET, ObjectStore, running_object_store
from tests.postgresql import Postgresql

pytestmark = pytest.mark.timeout(1800)

KILLS = (
    "publish:before-copy",  # the artifact is here, and the object store has nothing of it
    "ingest:before-commit",  # every row written, none committed
    "judge:before-record",  # alpha is spent, the verdict unknown
    "promote:after-ledger",  # the ledger names a champion that MLflow's alias does not
)


@dataclass(frozen=True, kw_only=True)
class ServiceHome(Home):
    """A home whose state lies in services; its folder holds copies, caches and pages."""

    services: Mapping[str, str]
    warehouse: str  # for libpq

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | dict(self.services)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.warehouse) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def objects() -> Iterator[ObjectStore]:
    """An object store with one bucket. The environment tells MLflow's server and recloop of it."""
    with running_object_store() as store:
        yield store


@pytest.fixture(scope="module")
def servers(
    postgresql: Postgresql, objects: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Prefect and MLflow as recloop starts them, on databases of PostgreSQL and the object store."""
    for database in ("mlflow", "prefect"):
        postgresql.new(database)
    prefect_port, mlflow_port = free_ports(2)
    settings = Settings(
        home=tmp_path_factory.mktemp("services"),
        prefect_port=prefect_port,
        mlflow_port=mlflow_port,
        prefect_api_url=f"http://{LOOPBACK}:{prefect_port}/api",
        mlflow_tracking_uri=f"http://{LOOPBACK}:{mlflow_port}",
        mlflow_backend_url=SecretStr(postgresql.url("mlflow", "psycopg")),
        mlflow_artifacts_url=f"s3://{BUCKET}/registry",
        prefect_database_url=SecretStr(postgresql.url("prefect", "asyncpg")),
    )
    with running_servers(settings):
        yield settings


@pytest.fixture(scope="module")
def cycle(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The command of the demo's first cycle."""
    source = open_source(str(world), home=tmp_path_factory.mktemp("sources"))
    middle, late = moments_at(source.read(since=None, until=None).events, (0.5, 0.7))
    cuts = ("--train-cutoff", middle.isoformat(), "--as-of", late.isoformat())
    return ("retrain", "--source", str(world), "--preset", "quick", *cuts)


@pytest.fixture(scope="module")
def survivor(
    postgresql: Postgresql, servers: Settings, world: Path, cycle: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> ServiceHome:  # fmt: skip
    """A home on services whose first cycle was killed at every one of KILLS, and then ended."""
    root = tmp_path_factory.mktemp("production")
    warehouse, feast = postgresql.new("warehouse"), postgresql.new("feast")
    settings = Settings(
        home=root / "home",
        prefect_api_url=servers.prefect_api_url,
        mlflow_tracking_uri=servers.mlflow_tracking_uri,
        model_name="production",
        warehouse_url=SecretStr(postgresql.url("warehouse", "psycopg")),
        feast_registry_url=SecretStr(postgresql.url("feast", "psycopg")),
        feast_offline_url=SecretStr(feast),
        feast_online_url=SecretStr(feast),
        artifacts_url=f"s3://{BUCKET}/loop",
    )
    services = service_environment(settings) | {
        "RECLOOP_WAREHOUSE_URL": settings.warehouse_url.get_secret_value()
    }
    home = ServiceHome(data=world, settings=settings, services=services, warehouse=warehouse)
    for point in KILLS:
        killed = home.recloop("--home", str(settings.home), *cycle, CRASH_AT=point)
        assert killed.returncode == -signal.SIGKILL, f"{point} never fired\n{killed.stderr}"
    done = home.recloop(*cycle)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return home


def test_the_model_is_the_one_of_the_embedded_default(survivor: ServiceHome, finished: Home) -> None:
    """Same data, configuration and seed: every digest, down to the bundle that is registered."""

    def made(home: Home) -> dict[str, str]:
        found = home.outputs(0)
        ids = {name: found["fit tokenizer"][name]["digest"] for name in ("tokenizer", "ids", "encoders")}
        snapshots = {name: found["take snapshots"][name]["digest"] for name in ("train", "window", "now")}
        return {
            **ids,
            **snapshots,
            "features": found["encode items"]["feature_set"]["digest"],
            "rows": found["training rows"]["training_set"]["digest"],
            "bundle": home.version_tags()[found["register"]["version"]]["recloop.bundle"],
            "verdict": found["judge"]["verdict"],
        }

    assert made(survivor) == made(finished)


def test_no_row_is_lost_or_doubled_and_ledger_and_alias_agree(survivor: ServiceHome, finished: Home) -> None:
    first = "(SELECT min(batch_id) FROM batches)"  # a killed landing leaves a gap in PostgreSQL's numbers
    for query in (
        "SELECT event_id, payload_hash, occurred_at FROM events WHERE batch_id = {first} ORDER BY event_id",
        "SELECT kind, source_row, payload, reasons FROM quarantine WHERE batch_id = {first} ORDER BY id",
        "SELECT digest, state, received, accepted FROM batches WHERE batch_id = {first}",
        "SELECT item_id, title, described_at FROM item_versions WHERE batch_id = {first} ORDER BY item_id",
    ):
        here, there = (home.rows(query.format(first=first)) for home in (survivor, finished))
        assert here == there
    assert survivor.ledger() == [("promote", "1", None)]
    assert survivor.champion() == "1"
    assert survivor.rows("SELECT count(*), sum(attempt) FROM alpha_ledger WHERE entry = 'spent'") == [(1, 1)]
    assert {run.state_name for _, run in survivor.flow_runs()} == {"Completed", "Crashed"}


def test_no_database_lies_in_a_file_and_models_lie_in_the_object_store(
    survivor: ServiceHome, servers: Settings, objects: ObjectStore, tmp_path: Path
) -> None:
    assert [p for home in (survivor, servers) for p in _folder(home).rglob("*.db*")] == []
    assert not (servers.home / "mlartifacts").exists()
    assert any(key.endswith(".safetensors") for key in objects.keys("registry/"))
    artifacts = survivor.settings.artifacts
    here = {path.relative_to(artifacts).as_posix(): path.stat().st_size
            for path in artifacts.glob("[!.]*/[!.]*/**/*") if path.is_file()}  # fmt: skip
    here |= {
        f"partitions/{path.name}": path.stat().st_size for path in artifacts.glob("partitions/*.parquet")
    }
    there = objects.keys("loop/")
    assert {name: size for name, size in there.items() if here.get(name.removeprefix("loop/")) != size} == {}
    # the batch that was killed before it was copied: its stage ran again and made another one, which stands recorded
    alone = {name.split("/")[0] for name in here if f"loop/{name}" not in there}
    assert alone == {"checked_batch"}
    bundle = survivor.version_tags()["1"]["recloop.bundle"]
    model = survivor.download("1", tmp_path)
    assert (model / "artifacts" / bundle[:20] / "manifest.json").exists()


def test_no_password_is_on_a_command_line_or_in_a_log(
    survivor: ServiceHome, servers: Settings, postgresql: Postgresql
) -> None:
    import psutil

    secret = postgresql.url("").partition("recloop:")[2].partition("@")[0]
    lines = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert any("mlflow" in line and str(servers.mlflow_port) in line for line in lines)
    assert not [line for line in lines if secret in line]
    for home in (survivor, servers):
        for log in (_folder(home) / "logs").glob("*.log"):
            assert secret not in log.read_text(errors="replace"), log


def test_a_machine_with_an_empty_disk_goes_on(survivor: ServiceHome, cycle: tuple[str, ...]) -> None:
    """Artifacts and Feast's files are gone: the same cycle again works nothing anew, and has what it reads here again.

    Feast's files follow when the store is opened, by the scoring of the next test.
    """
    artifacts = survivor.settings.artifacts

    def models() -> dict[str, int]:
        return {path.relative_to(artifacts).as_posix(): path.stat().st_size
                for kind in ("bundle", "tokenizer")
                for path in (artifacts / kind).rglob("*.*") if path.is_file()}  # fmt: skip

    before, worked = models(), survivor.rows("SELECT key, finished_at FROM stage_journal ORDER BY key")
    assert {name.split("/")[0] for name in before} == {"bundle", "tokenizer"}
    shutil.rmtree(artifacts)
    shutil.rmtree(survivor.settings.feast_home / "offline")
    again = survivor.recloop(*cycle)
    assert again.returncode == 0, f"{again.stdout}\n{again.stderr}"
    assert survivor.rows("SELECT key, finished_at FROM stage_journal ORDER BY key") == worked
    assert models() == before


def test_everybody_is_scored_and_an_erased_user_is_in_no_table(
    survivor: ServiceHome, objects: ObjectStore
) -> None:
    """Lists go into warehouse and online store; the erasure reaches all databases' tables and the object store."""
    scored = survivor.recloop("score")
    assert scored.returncode == 0, f"{scored.stdout}\n{scored.stderr}"
    assert list((survivor.settings.feast_home / "offline" / "user_sequence").glob("cut-*.parquet"))
    user = survivor.rows("SELECT user_id FROM recommendations WHERE user_id <> '' ORDER BY user_id LIMIT 1")[
        0
    ][0]
    feast = survivor.settings.feast_online_url
    assert feast is not None
    assert _tables_with(survivor.warehouse, user) >= {"events", "recommendations"}
    before = _tables_with(feast.get_secret_value(), user)
    assert {"offline_user_sequence", "recloop_user_sequence", "recloop_user_recommendations"} <= before
    erased = survivor.recloop("erase", "--user", user)
    assert erased.returncode == 0, f"{erased.stdout}\n{erased.stderr}"
    assert _tables_with(survivor.warehouse, user) == set()
    assert _tables_with(feast.get_secret_value(), user) == set()
    for key in objects.keys("loop/"):
        assert user.encode() not in objects.content(key), key


def _folder(home: Home | Settings) -> Path:
    return home.home if isinstance(home, Settings) else home.settings.home


def _tables_with(url: str, word: str) -> set[str]:
    """Tables with a row in which this word stands, as text or in an entity key."""
    import psycopg

    forms = (word, word.encode().hex())
    with psycopg.connect(url) as connection:
        listed = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name
            for (name,) in listed
            for (text,) in connection.execute(f'SELECT t::text FROM "{name}" AS t').fetchall()
            if any(form in text for form in forms)
        }
