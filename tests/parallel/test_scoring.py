"""Ray Data itself: the same parts as one process writes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from components.features.store.live import push_event
from components.features.store.live_merge import LiveEvent
from components.features.store.offline import latest_sequences
from components.features.store.opening import open_store
from components.parallel.scoring import write_on_ray
from components.parallel.workers import Workers, WorkersLost
from components.registry import versions
from components.serving.batch import BatchFigures, WriteParts, score_everybody
from components.serving.histories import UserHistories
from components.serving.loaded import LoadedVersion, loaded_version
from tests.serving.conftest import serving_mlflow, world  # noqa: F401
from tests.serving.test_batch import prepared, run_of
from tests.serving.world import ITEMS, NOW, World


def scored(
    home: World, version: LoadedVersion, root: Path, write: WriteParts | None
) -> tuple[Path, BatchFigures, list[int]]:
    store = open_store(home.home / "feast")
    told: list[int] = []
    ref, figures = score_everybody(
        version,
        UserHistories(store=store, cut=latest_sequences(store.home), pushed=("u003", "only-posted")),
        run_of(version, users_at_once=40),
        root,
        now=lambda: NOW,
        parents={"bundle": version.digest},
        on_step=lambda done, total: told.append(done),
        write=write,
    )
    return Path(ref.path), figures, told


def test_two_workers_write_what_one_process_writes(one_ray: Workers, world: World, tmp_path: Path):  # noqa: F811
    """Names, bytes and manifest; each of two workers opens the version for itself."""
    version = prepared(world)
    store = open_store(world.home / "feast")
    for number, user in enumerate(("u003", "only-posted")):
        event = LiveEvent(
            event_id=f"e{number}", item_id=ITEMS[number], event_type="view", micros=int(NOW.timestamp() * 1e6)
        )
        push_event(store, user, event)
    open_version = partial(
        loaded_version,
        versions.get_version(version.name, version.version),
        str(version.bundle.path),
        new=None,
        available_since={},
    )
    one, figures, _ = scored(world, version, tmp_path / "one", None)
    two, again, told = scored(world, version, tmp_path / "two", partial(write_on_ray, open_version, one_ray))
    assert again == figures
    assert told[-1] == figures.num_users
    names = sorted(path.name for path in one.iterdir())
    assert sorted(path.name for path in two.iterdir()) == names
    assert "part-00006.parquet" in names
    for name in names:
        if name.endswith(".parquet"):
            assert (two / name).read_bytes() == (one / name).read_bytes(), name
    with pytest.raises(WorkersLost, match="no such bundle"):
        scored(world, version, tmp_path / "none", partial(write_on_ray, _refusing, one_ray))


def _refusing() -> LoadedVersion:
    raise FileNotFoundError("no such bundle")
