"""Where the world fails a task is tried again; where the data or a training fails it is not."""

from __future__ import annotations

import contextvars
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import botocore.exceptions
import psycopg
import pytest
from prefect import Task, flow, runtime
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import TaskRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import AwaitingRetry, Failed
from sqlalchemy import text

from components.artifact import ArtifactDamaged, ArtifactRef
from components.data.warehouse import WarehouseUnreachable, open_warehouse, writing
from components.registry.tracking import TrackingUnreachable
from flows import (
    cycle,
    features,
    ingest,
    judging,
    ranking,
    recommend_batch,
    release,
    reporting,
    semantic_ids,
    snapshots,
    tokenizer_health,
    tracked_cycle,
    training,
    warm_start,
)  # fmt: skip
from flows.engine_environment import engine_environment
from flows.features import TrainingRows
from flows.outages import TRIED_AGAIN, is_outage
from flows.request import CycleRequest
from flows.semantic_ids import IdentifiedItems
from flows.settings import LOOPBACK, Settings
from flows.settled import SettledCycle
from flows.tracked_cycle import begin_run
from tests.flows.conftest import Estate, free_ports

NOW = datetime(2024, 3, 2, tzinfo=UTC)
NOWHERE = ArtifactRef(kind="any", digest="d" * 64, path="/nowhere")
TRAINS = {  # that encode, fit, train, rank or judge: minutes of work, and what fails there fails again
    "encode_items", "fit_tokenizer", "extend_ids", "identify_cold", "check_tokenizer", "train_arm", "count_popularity",
    "bundle_challenger", "rank", "judge", "render", "check_vectors", "score_users", "identify_new",
}  # fmt: skip
ASKS = {
    "settle", "open_cycle", "check", "land", "take_snapshots", "store_features", "refresh_features",
    "read_training_rows", "begin_run", "register", "promote", "pin_version", "freeze_known", "write_warehouse",
    "push_online", "choose_start", "register_beside",
}  # fmt: skip


def test_what_asks_the_world_is_tried_again_and_what_trains_is_not() -> None:
    modules = (
        cycle, features, ingest, judging, ranking, recommend_batch, release, reporting, semantic_ids, snapshots,
        tokenizer_health, tracked_cycle, training, warm_start,
    )  # fmt: skip
    tasks = {name: t for module in modules for name, t in vars(module).items() if isinstance(t, Task)}
    assert {name for name, task in tasks.items() if task.retries} == ASKS
    assert {name for name, task in tasks.items() if not task.retries} == TRAINS
    assert all(
        task.retry_condition_fn is TRIED_AGAIN["retry_condition_fn"]
        for task in tasks.values()
        if task.retries
    )
    assert {tuple(tasks[name].retry_delay_seconds) for name in ASKS} == {(2, 4, 8)}


@pytest.fixture
def settled(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[SettledCycle, int]]:
    """A cycle of a model of its own, and the port at which it looks for MLflow, where nothing listens."""
    (port,) = free_ports(1)
    settings = Settings(
        home=tmp_path / "home", model_name="outages", prefect_api_url=estate.prefect_api_url,
        mlflow_tracking_uri=f"http://{LOOPBACK}:{port}",
    )  # fmt: skip
    for name, value in (engine_environment(settings) | {"RECLOOP_MODEL_NAME": "outages"}).items():
        monkeypatch.setenv(name, value)
    asked = CycleRequest(
        source="shop", as_of=NOW, train_cutoff=datetime(2024, 2, 1, tzinfo=UTC), preset="quick"
    )
    with temporary_settings({PREFECT_API_URL: estate.prefect_api_url}):
        yield (
            SettledCycle(asked=asked, request=asked, as_of=NOW, train_cutoff=asked.train_cutoff or NOW),
            port,
        )


def test_mlflow_is_away_twice_and_the_run_ends_whole(
    settled: tuple[SettledCycle, int], estate: Estate
) -> None:
    """The road to a real server is cut until the task has failed a second time."""
    cycle, port = settled
    begun: list[str] = []

    @flow(name="begins-in-an-outage")
    def begins() -> str:
        begun.append(this_flow_run())
        return begin_run(cycle).run_id

    with repaired_after(2, begun, port, estate.mlflow_tracking_uri):
        run_id = begins()
    (task,) = task_runs(begun[0])
    assert (task.state_name, task.run_count) == ("Completed", 3)
    assert run_id


def test_a_training_that_fails_is_not_tried_again(settled: tuple[SettledCycle, int]) -> None:
    begun: list[str] = []
    rows = TrainingRows(training_set=NOWHERE, num_users=1, cut=NOW)
    ids = IdentifiedItems(
        encoders=NOWHERE, tokenizer=NOWHERE, ids=NOWHERE, name="graph_rqvae", new_ids=0, health={}, told=""
    )

    @flow(name="trains-on-nothing")
    def trains() -> None:
        begun.append(this_flow_run())
        training.train_arm("r", "sasrec", rows, ids, "quick", 7, None)  # type: ignore[arg-type]

    with pytest.raises(Exception, match="nowhere"):
        trains()
    (task,) = task_runs(begun[0])
    assert (task.state_name, task.run_count) == ("Failed", 1)


def test_data_that_is_refused_is_not_tried_again(settled: tuple[SettledCycle, int]) -> None:
    """A task that would be tried again in an outage; here the source is not there."""
    begun: list[str] = []

    @flow(name="settles-nothing")
    def settles() -> None:
        begun.append(this_flow_run())
        cycle.settle(CycleRequest(source="/nowhere", preset="quick"))

    with pytest.raises(Exception, match="nowhere"):
        settles()
    (task,) = task_runs(begun[0])
    assert (task.state_name, task.run_count) == ("Failed", 1)


def test_a_locked_database_is_an_outage_and_a_missing_table_is_none(tmp_path: Path) -> None:
    """Of a real SQLite: another process holds its write lock; then a statement that is wrong."""
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    other = sqlite3.connect(tmp_path / "warehouse.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with engine.connect() as connection:  # what the driver waits, 60 s, is no part of this
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    with pytest.raises(Exception, match="locked") as locked, writing(engine, "x"):
        pass
    assert is_outage(locked.value)
    other.execute("ROLLBACK")
    with pytest.raises(Exception, match="no such table") as wrong, engine.connect() as connection:
        connection.execute(text("SELECT * FROM absent"))
    assert not is_outage(wrong.value)


def test_an_address_that_is_none_is_no_outage_and_a_database_that_is_down_is_one() -> None:
    (port,) = free_ports(1)
    with pytest.raises(WarehouseUnreachable) as down:
        open_warehouse(f"postgresql+psycopg://a:b@{LOOPBACK}:{port}/c")
    assert is_outage(down.value)
    with pytest.raises(WarehouseUnreachable) as wrong:
        open_warehouse("nonsense")
    assert not is_outage(wrong.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TrackingUnreachable("x"), True),
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (psycopg.OperationalError("connection refused"), True),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="s3"), True),
        (psycopg.errors.UniqueViolation("x"), False),
        (botocore.exceptions.ClientError({}, "PutObject"), False),
        (ArtifactDamaged("x"), False),
        (ValueError("loss is NaN"), False),
        (FileNotFoundError("x"), False),
        (None, False),
    ],
)
def test_errors_of_the_world_are_told_from_all_others(error: BaseException | None, expected: bool) -> None:
    assert is_outage(error) is expected
    assert TRIED_AGAIN["retry_condition_fn"](None, None, Failed(data=error)) is expected


def this_flow_run() -> str:
    return str(runtime.flow_run.id)


def task_runs(flow_run: str) -> list[TaskRun]:
    with get_client(sync_client=True) as client:
        return _task_runs(client, flow_run)


def _task_runs(client: SyncPrefectClient, flow_run: str) -> list[TaskRun]:
    return client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])))


@contextmanager
def repaired_after(failures: int, begun: list[str], port: int, server: str) -> Iterator[None]:
    """Open the road from `port` to a server once the flow's task waits after so many failures."""
    stop = threading.Event()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not stop.wait(0.1):
                runs = _task_runs(client, begun[0]) if begun else []
                if any(run.run_count >= failures and run.state_name == AwaitingRetry().name for run in runs):
                    break
        _forward(port, server, stop)

    here = contextvars.copy_context()  # Prefect's settings of this test
    watcher = threading.Thread(target=here.run, args=(watch,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _forward(port: int, server: str, stop: threading.Event) -> None:
    """Bytes from a port to a server and back, until stopped; MLflow takes no Host but its own."""
    target = urlsplit(server)
    host = (f"Host: {LOOPBACK}:{port}".encode(), f"Host: {target.netloc}".encode())
    with socket.create_server((LOOPBACK, port)) as listening:
        listening.settimeout(0.1)
        while not stop.is_set():
            try:
                ours, _ = listening.accept()
            except TimeoutError:
                continue
            theirs = socket.create_connection((target.hostname, target.port))
            for one, other in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_pump, args=(one, other, *host), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket, host: bytes, own_host: bytes) -> None:
    try:
        while data := one.recv(65536):
            other.sendall(data.replace(host, own_host))
    except OSError:
        return
    finally:
        for end in (one, other):
            end.close()
