"""What was ingested since the last cycle is in the histories that lists are made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.data.ingest import land_batch
from components.data.queries import told_until
from components.data.snapshot import take_snapshot
from components.features.store.live import user_states
from components.features.store.offline import latest_sequences
from components.features.store.opening import apply_definitions, open_store
from flows.features import refresh_features
from flows.settings import load_settings
from flows.warehouse import warehouse
from tests.data.landing import at, batch, event


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path))
    apply_definitions(open_store(load_settings().feast_home), feature_set="f" * 12)
    return warehouse()


def histories(*users: str) -> list[int]:
    """Events of each user that are online."""
    store = open_store(load_settings().feast_home)
    return [state.sequence().num_events for state in user_states(store, users)]


def test_a_new_user_and_a_new_event_are_online_before_anybody_is_scored(engine: Engine):
    root, home = load_settings().artifacts, load_settings().feast_home
    assert told_until(engine) is None
    land_batch(engine, batch(event("e1", user="ada", hours=1), event("e2", user="bob", hours=2)))
    first = take_snapshot(engine, root, end=at(10))
    refresh_features.fn("run", first)
    assert histories("ada", "bob", "eve") == [1, 1, 0]
    before = latest_sequences(home)
    land_batch(engine, batch(event("e3", user="eve", hours=11), event("e4", user="ada", hours=12)))
    end = told_until(engine)
    assert end is not None
    assert end > at(12)
    later = take_snapshot(engine, root, end=end)
    assert not refresh_features.fn("run", later).reused
    assert histories("ada", "bob", "eve") == [2, 1, 1]
    newest = latest_sequences(home)
    assert newest != before
    assert refresh_features.fn("run", later).reused
    refresh_features.fn("run", take_snapshot(engine, root, end=at(10.5)))  # of the past: what is online stays
    assert (latest_sequences(home), histories("ada")) == (newest, [2])
