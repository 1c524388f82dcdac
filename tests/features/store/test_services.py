"""The store on PostgreSQL and, where one is installed, on Redis: same answers as on files, and erased as well."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.features.sequences import training_spine, user_sequences
from components.features.store.erasure import count_user, erase_user
from components.features.store.lists import (
    count_lists,
    drop_lists,
    make_lists_ready,
    push_lists,
    pushed_lists,
)
from components.features.store.live import LiveEvent, push_event
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize, online_sequences
from components.features.store.opening import OpenStore, apply_definitions, open_store
from components.features.store.retrieval import training_rows
from tests.features.rows import at, events, in_frame
from tests.features.store.test_retrieval import ids
from tests.postgresql import Postgresql

USER, OTHER = "user-to-erase-4711", "user-to-erase-4711-2"
LOG = events((USER, "x", 1), ("b", "y", 2), (USER, "y", 6), (OTHER, "z", 7))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def on_postgresql(
    postgresql: Postgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenStore]:
    import psycopg

    url = postgresql.new("feast-store")
    monkeypatch.setenv("RECLOOP_FEAST_REGISTRY_URL", postgresql.url("feast-store", "psycopg"))
    monkeypatch.setenv("RECLOOP_FEAST_OFFLINE_URL", url)
    monkeypatch.setenv("RECLOOP_FEAST_ONLINE_URL", url)
    yield opened(tmp_path)
    with psycopg.connect(postgresql.url("postgres"), autocommit=True) as connection:
        connection.execute('DROP DATABASE "feast-store" WITH (FORCE)')


@pytest.fixture
def on_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenStore]:
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server here: apt-get install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        monkeypatch.setenv("RECLOOP_FEAST_ONLINE_URL", f"redis://127.0.0.1:{port}/0")
        yield opened(tmp_path)
        server.kill()


def opened(folder: Path) -> OpenStore:
    """Two cuts, the later one online; an event pushed since; and lists of two runs."""
    store = open_store(folder / "feast")
    apply_definitions(store, feature_set="f" * 12)
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    materialize(store, end=at(9))
    push_event(store, USER, LiveEvent(event_id="e", item_id="z", event_type="click", micros=10**15))
    make_lists_ready(store)
    for run in ("r1", "r2"):
        assert push_lists(store, run, lists()) == 2
    return store


def lists() -> pa.Table:
    moment = pa.array([NOW, NOW], pa.timestamp("us", tz="UTC"))
    texts = {name: [name, name] for name in ("model_version", "bundle", "feature_set")}
    scores = pa.array([1.0, 2.0], pa.float32())
    return pa.table(
        {"user_id": [USER, OTHER], "item_id": ["x", "y"], "score": scores, **texts}
        | {"features_as_of": moment, "scored_at": moment}
    )


def online(store: OpenStore, *users: str) -> list[list[str]]:
    return online_sequences(store, users, as_of=at(9), max_age=timedelta(days=1))["item_ids"].tolist()


def check(store: OpenStore) -> None:
    """What is read, what is dropped, and what is erased."""
    assert online(store, USER, "b", OTHER, "nobody") == [["x", "y"], ["y"], ["z"], []]
    rows = in_frame(training_rows(store, training_spine(ids(USER, "b"), at(9))))
    assert rows["item_ids"].tolist() == [["x", "y"], ["y"]]
    assert [
        in_frame(training_rows(store, training_spine(ids(USER), at(cut))))["num_events"][0]
        for cut in (3, 5, 9)
    ] == [0, 1, 2]
    assert (count_user(store, USER), count_user(store, "nobody")) == (6, 0)
    assert count_lists(store, {"r1", "r2"}) == 4
    drop_lists(store, {"r2"})
    assert (count_lists(store, {"r1"}), count_lists(store, {"r2"})) == (2, 0)
    others = count_user(store, OTHER)
    for _ in range(2):
        erase_user(store, USER)
        assert (count_user(store, USER), count_user(store, OTHER)) == (0, others)
    assert online(store, USER, "b", OTHER) == [[], ["y"], ["z"]]
    assert in_frame(training_rows(store, training_spine(ids(USER, "b"), at(9))))["item_ids"].tolist() == [
        [],
        ["y"],
    ]
    gone, there = pushed_lists(store, "r1", [USER, OTHER])
    assert gone is None
    assert there is not None
    assert list(there.item_ids) == ["y"]


def test_on_postgresql_and_through_more_outages_than_it_has_connections(
    on_postgresql: OpenStore, postgresql: Postgresql
):
    import psycopg

    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'feast-store'"
    for _ in range(12):
        with psycopg.connect(postgresql.url("postgres")) as connection:
            connection.execute(others)
        assert online(on_postgresql, "b") == [["y"]]
    check(on_postgresql)
    assert not list(on_postgresql.home.glob("*.db"))


def test_another_machine_has_the_files_of_the_database_and_an_old_one_follows(
    on_postgresql: OpenStore, tmp_path: Path
):
    """A second folder on one database is filled from it; what one replaces, the other has when it opens again."""

    def files(store: OpenStore) -> dict[str, list[dict[str, Any]]]:
        folder = store.home / "offline"
        return {path.relative_to(folder).as_posix(): pq.read_table(path).to_pylist()
                for path in sorted(folder.rglob("*.parquet"))}  # fmt: skip

    before = files(on_postgresql)
    assert len([name for name in before if "cut-" in name]) == 2
    there = open_store(tmp_path / "another" / "feast")
    assert files(there) == before
    erase_user(there, USER)
    assert count_user(on_postgresql, USER) > 0  # in this machine's files alone
    open_store(on_postgresql.home)
    assert count_user(on_postgresql, USER) == 0
    assert files(on_postgresql) == files(there) != before


def test_on_redis(on_redis: OpenStore):
    check(on_redis)
    assert not (on_redis.home / "online.db").exists()
