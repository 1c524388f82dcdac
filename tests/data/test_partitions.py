"""Day partitions by themselves: which stretches a cut has, and files that are named by their bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Engine

from components.artifact import ArtifactDamaged
from components.data import partitions
from components.data.ingest import land_batch
from components.data.moments import DAY_US
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import NOON, batch, event

DAY = NOON.value // 1000 // DAY_US * DAY_US  # midnight before the first event


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Two events on the first day (12:00 and 23:00), one on the third (12:00)."""
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    land_batch(engine, batch(event("b", hours=11), event("a"), event("c", hours=48)))
    return engine


def _stretches(engine: Engine, from_at: int | None, until_at: int) -> list[tuple[int, int, int]]:
    with reading(engine) as connection:
        found = partitions.stretches(connection, from_at, until_at, until_at)
    return [(s.from_at - DAY, s.until_at - DAY, s.num_rows) for s in found]


def test_a_cut_has_the_days_that_hold_events_clipped_to_it(engine: Engine):
    """From noon + 1 h of the first day to noon of the third: 23:00 is in, the last event is not."""
    hour = DAY_US // 24
    assert _stretches(engine, None, DAY + 3 * DAY_US) == [(0, DAY_US, 2), (2 * DAY_US, 3 * DAY_US, 1)]
    assert _stretches(engine, DAY + 13 * hour, DAY + 60 * hour) == [(13 * hour, DAY_US, 1)]
    assert _stretches(engine, DAY + DAY_US, DAY + 2 * DAY_US) == []


def test_a_file_is_named_by_its_bytes_and_found_again(engine: Engine, tmp_path: Path):
    with writing(engine, "partitions") as connection:
        wanted = partitions.stretches(connection, None, DAY + 3 * DAY_US, DAY + 3 * DAY_US)
        assert partitions.written_before(connection, wanted, tmp_path) == {}
        written = {
            stretch: partitions.write(connection, stretch, tmp_path, stretch.until_at) for stretch in wanted
        }
        partitions.record(connection, written)
        assert partitions.written_before(connection, wanted, tmp_path) == written
        partitions.sync(tmp_path, list(written.values()))
        first = written[wanted[0]]
        assert hashlib.sha256((tmp_path / f"{first}.parquet").read_bytes()).hexdigest() == first
        table = partitions.read(tmp_path, first, snapshot=tmp_path / "s")
        assert table["event_id"].to_pylist() == ["a", "b"]  # by time, however they arrived
        (tmp_path / f"{first}.parquet").unlink()
        assert list(partitions.written_before(connection, wanted, tmp_path)) == wanted[1:]


def test_a_file_that_is_gone_or_changed_is_named_with_its_fix(engine: Engine, tmp_path: Path):
    with reading(engine) as connection:
        [stretch, _] = partitions.stretches(connection, None, DAY + 3 * DAY_US, DAY + 3 * DAY_US)
        name = partitions.write(connection, stretch, tmp_path, stretch.until_at)
    path = tmp_path / f"{name}.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ArtifactDamaged, match=r"SHA-256 is .* Remove it and .*/s, and run again"):
        partitions.read(tmp_path, name, snapshot=tmp_path / "s")
    path.unlink()
    with pytest.raises(ArtifactDamaged, match=r"missing\. Remove it"):
        partitions.read(tmp_path, name, snapshot=tmp_path / "s")
