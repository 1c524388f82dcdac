from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, text

from components.artifact import ArtifactDamaged, ArtifactRef
from components.data.chain import LedgerBroken
from components.data.ingest import land_batch
from components.data.moments import NaiveMoment
from components.data.schema import day_partitions, events, snapshots
from components.data.snapshot import (
    SnapshotEmpty,
    read_categories,
    read_events,
    read_items,
    rebuild_snapshot,
    snapshot_facts,
    take_snapshot,
)
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import NOON, batch, event, item


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def at(hours: float) -> datetime:
    return (NOON + pd.Timedelta(hours=hours)).to_pydatetime()


def partition_files(root: Path) -> dict[str, int]:
    """Name -> time of the last write."""
    return {path.name: path.stat().st_mtime_ns for path in (root / "partitions").iterdir()}


def test_of_batches_that_were_changed_not_even_a_day_is_written(tmp_path: Path):
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    land_batch(engine, batch(event("e1", hours=1)))
    with writing(engine, "ingest") as connection:
        connection.execute(text("UPDATE batches SET accepted = 0, duplicates = 1"))
    with pytest.raises(LedgerBroken, match="ledger batches is broken"):
        take_snapshot(engine, tmp_path / "artifacts", end=at(10))
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


def test_worked_example(engine: Engine, tmp_path: Path):
    """Events at 0 h, 1 h, 30 h; the cut [1 h, 30 h) holds the second only, items up to 30 h are known."""
    told = (item("i1", "One"), item("new", available_hours=29), item("later", available_hours=30))
    land_batch(
        engine,
        batch(
            event("a"),
            event("b", user="u2", value=None, hours=1),
            event("c", item="i3", hours=30),
            items=told,
        ),
    )
    ref = take_snapshot(engine, tmp_path, start=at(1), end=at(30))
    assert ref.kind == "snapshot"
    frame = read_events(ref)
    assert frame.dtypes.astype(str).to_dict() == {
        "event_id": "object",
        "user_id": "object",
        "item_id": "object",
        "event_type": "object",
        "timestamp": "datetime64[us, UTC]",
        "value": "float64",
    }
    assert frame["event_id"].tolist() == ["b"]
    assert (frame["timestamp"][0], pd.isna(frame["value"][0])) == (NOON + pd.Timedelta(hours=1), True)
    known = read_items(ref)
    assert known["item_id"].tolist() == ["i1", "new"]
    assert known["title"].tolist() == ["One", None]
    assert known["available_at"].tolist() == [NOON, NOON + pd.Timedelta(hours=29)]
    assert known["first_event_at"][0] == NOON
    assert pd.isna(known["first_event_at"][1])
    facts = snapshot_facts(ref)
    assert (facts.start, facts.end) == (at(1), at(30))
    assert (facts.num_events, facts.num_users, facts.num_items) == (1, 1, 2)


def test_an_event_makes_its_item_known_before_its_stated_moment_and_without_a_description(engine, tmp_path):
    told = (item("early", available_hours=5),)
    land_batch(
        engine, batch(event("a", item="early", hours=2), event("b", item="untold", hours=3), items=told)
    )
    known = read_items(take_snapshot(engine, tmp_path, end=at(4)))
    assert known["item_id"].tolist() == ["early", "untold"]
    assert known["available_at"].tolist() == [NOON + pd.Timedelta(hours=h) for h in (2, 3)]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-60, 60), st.sampled_from("uvé🎬"), st.sampled_from("ij")),
        min_size=1,
        max_size=25,
    ),
    st.integers(-60, 60),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_a_snapshot_is_the_half_open_cut_sorted_however_it_arrived(happened, first, length, seed):
    """Against pandas over the same rows, for arrival in one batch and in three shuffled ones."""
    rows = [event(f"e{n}", user=u, item=i, hours=h / 2) for n, (h, u, i) in enumerate(happened)]
    shuffled = pd.Series(rows).sample(frac=1, random_state=seed).tolist()
    start, end = NOON + pd.Timedelta(hours=first / 2), NOON + pd.Timedelta(hours=(first + length) / 2)
    whole = pd.DataFrame(rows)
    whole = whole.sort_values(["timestamp", "user_id", "item_id", "event_id"])
    expected = whole[(whole["timestamp"] >= start) & (whole["timestamp"] < end)]
    digests = set()
    for batches in ([rows], [shuffled[0::3], shuffled[1::3], shuffled[2::3]]):
        with tempfile.TemporaryDirectory() as folder:
            engine = open_warehouse(f"sqlite:///{folder}/warehouse.db")
            for some in batches:
                land_batch(engine, batch(*some))
            if expected.empty:
                with pytest.raises(SnapshotEmpty):
                    take_snapshot(engine, Path(folder), start=start, end=end)
            else:
                ref = take_snapshot(engine, Path(folder), start=start, end=end)
                assert read_events(ref)["event_id"].tolist() == expected["event_id"].tolist()
                digests.add(ref.digest)
            engine.dispose()
    assert len(digests) == (not expected.empty)


def test_days_before_1970_are_days_too(engine: Engine, tmp_path: Path):
    old = [pd.Timestamp(text, tz="UTC") for text in ("1969-12-30T23:00", "1969-12-31T01:00", "1970-01-01")]
    land_batch(engine, batch(*(event(str(n)) | {"timestamp": when} for n, when in enumerate(old))))
    ref = take_snapshot(engine, tmp_path, end=at(0))
    assert read_events(ref)["timestamp"].tolist() == old
    listed = json.loads((Path(ref.path) / "partitions.json").read_text())
    assert [part["day"] for part in listed] == ["1969-12-30", "1969-12-31", "1970-01-01"]


def test_another_day_costs_a_day(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(*(event(f"e{n}", hours=24 * n) for n in range(5))))
    first = take_snapshot(engine, tmp_path, end=at(24 * 5))
    before = partition_files(tmp_path)
    land_batch(engine, batch(event("new", hours=24 * 5)))
    second = take_snapshot(engine, tmp_path, end=at(24 * 6))
    after = partition_files(tmp_path)
    assert (len(before), len(after)) == (5, 6)
    assert before.items() <= after.items()  # not even written again
    assert first.digest != second.digest
    assert len(read_events(first)) == 5  # the old one is as it was


def test_a_late_event_makes_another_snapshot_of_its_day_only(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a"), event("b", hours=24)))
    old = take_snapshot(engine, tmp_path, end=at(48))
    land_batch(engine, batch(event("late", hours=1)))
    new = take_snapshot(engine, tmp_path, end=at(48))
    assert len(partition_files(tmp_path)) == 3
    assert (len(read_events(old)), read_events(new)["event_id"].tolist()) == (2, ["a", "late", "b"])


def test_a_day_that_lost_a_row_and_gained_another_is_written_anew(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("kept"), event("erased", hours=1)))
    take_snapshot(engine, tmp_path, end=at(3))
    with writing(engine, "events") as connection:
        connection.execute(delete(events).where(events.c.event_id == "erased"))
    land_batch(engine, batch(event("gained", hours=2)))
    assert read_events(take_snapshot(engine, tmp_path, end=at(3)))["event_id"].tolist() == ["kept", "gained"]


def test_batches_after_the_cut_move_the_watermark_and_not_the_digest(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a"), items=(item("i1"),)))
    first = take_snapshot(engine, tmp_path, end=at(1))
    land_batch(engine, batch(event("b", hours=5, item="i2"), items=(item("i2"),)))
    assert take_snapshot(engine, tmp_path, end=at(1)) == first
    with reading(engine) as connection:
        assert connection.execute(select(snapshots.c.digest, snapshots.c.watermark)).all() == [
            (first.digest, 2)
        ]


def test_an_interval_without_events_says_what_there_is(engine: Engine, tmp_path: Path):
    with pytest.raises(SnapshotEmpty, match="recloop ingest"):
        take_snapshot(engine, tmp_path, end=at(0))
    land_batch(engine, batch(event("a"), event("b", hours=2)))
    with pytest.raises(SnapshotEmpty, match=r"2 events from 2024-01-01T12:00:00\+00:00 to 2024-01-01T14"):
        take_snapshot(engine, tmp_path, start=at(2.5), end=at(9))


def test_a_moment_without_a_zone_is_refused(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a")))
    with pytest.raises(NaiveMoment, match="no time zone"):
        take_snapshot(engine, tmp_path, end=datetime(2024, 1, 2))


def test_the_zone_of_the_cut_does_not_matter(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a")))
    abroad = pd.Timestamp("2024-01-01T23:00:00+09:00").to_pydatetime()
    here = datetime(2024, 1, 1, 14, tzinfo=UTC)
    assert take_snapshot(engine, tmp_path, end=abroad) == take_snapshot(engine, tmp_path, end=here)


@pytest.mark.parametrize("what", ["partition", "items"])
def test_one_flipped_byte_is_refused_and_a_lost_file_is_written_anew(
    engine: Engine, tmp_path: Path, what: str
):
    land_batch(engine, batch(event("a"), items=(item("i1"),)))
    ref = take_snapshot(engine, tmp_path, end=at(1))
    (partition,) = (tmp_path / "partitions").iterdir()
    path = partition if what == "partition" else Path(ref.path) / "items.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactDamaged, match=path.name):
        read_events(ref)
    partition.unlink()
    for file in Path(ref.path).iterdir():
        file.unlink()
    assert take_snapshot(engine, tmp_path, end=at(1)) == ref
    assert read_events(ref)["event_id"].tolist() == ["a"]


TAKE = """
import sys
from pathlib import Path
from components.data.ingest import land_batch
from components.data.snapshot import take_snapshot
from components.data.warehouse import open_warehouse
from tests.data.landing import NOON, batch, event
root = Path(sys.argv[1])
engine = open_warehouse(f"sqlite:///{root}/warehouse.db")
land_batch(engine, batch(*(event(f"e{n}", hours=24 * n) for n in range(3))))
print(take_snapshot(engine, root, end=NOON.replace(day=9).to_pydatetime()).path)
"""


@pytest.mark.parametrize("point", ["snapshot:partitions-written", "snapshot:before-record"])
def test_killed_while_taking_it_a_rerun_completes(tmp_path: Path, point: str):
    def take(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", TAKE, str(tmp_path)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )

    assert take(CRASH_AT=point).returncode == -signal.SIGKILL
    path = take().stdout.strip()
    assert len(read_events(ArtifactRef(kind="snapshot", digest="", path=path))) == 3
    assert [p.name for p in (tmp_path / "snapshot").iterdir()] == [Path(path).name]


def test_categories_come_in_the_order_that_is_asked_for(engine: Engine, tmp_path: Path):
    """i1 has two, i2 none, x is in no snapshot; where nobody has any there is nothing to read."""
    told = (item("i1") | {"categories": "A|B"}, item("i2"))
    land_batch(engine, batch(event("a"), items=told))
    ref = take_snapshot(engine, tmp_path, end=at(1))
    assert read_categories(ref, np.array(["i2", "x", "i1"], dtype=object)) == [(), (), ("A", "B")]
    assert read_categories(ref, np.array(["i2"], dtype=object)) is None


def test_a_snapshot_is_made_again_elsewhere_and_nothing_is_recorded(engine: Engine, tmp_path: Path):
    """The same digest from every day written anew; another one once the warehouse tells otherwise."""
    land_batch(engine, batch(*(event(f"e{n}", hours=n * 20) for n in range(4)), items=(item("i1", "One"),)))
    ref = take_snapshot(engine, tmp_path / "home", start=at(1), end=at(50))

    def state() -> list[tuple]:
        with reading(engine) as connection:
            return [
                tuple(row)
                for table in (snapshots, day_partitions)
                for row in connection.execute(select(table))
            ]

    before, files = state(), partition_files(tmp_path / "home")
    again = rebuild_snapshot(engine, tmp_path / "scratch", start=at(1), end=at(50))
    assert (again.digest, Path(again.path).parents[1]) == (ref.digest, tmp_path / "scratch")
    assert partition_files(tmp_path / "scratch").keys() == files.keys()
    with writing(engine, "test") as connection:
        connection.execute(delete(events).where(events.c.event_id == "e1"))
    other = rebuild_snapshot(engine, tmp_path / "scratch", start=at(1), end=at(50))
    assert other.digest != ref.digest
    assert (state(), partition_files(tmp_path / "home")) == (before, files)
