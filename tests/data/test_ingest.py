from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, func, select

from components.data.ingest import DatasetMismatch, batch_results, land_batch, stop_batch
from components.data.schema import batches, events, items, quarantine
from components.data.warehouse import open_warehouse, reading
from tests.data.landing import NOON, bad, batch, event, item


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def rows(engine: Engine, table: Table, *but: str) -> list[dict[str, Any]]:
    """All rows without the columns `but`, sorted."""
    with reading(engine) as connection:
        found = [dict(row) for row in connection.execute(select(table)).mappings()]
    kept = [{k: v for k, v in row.items() if k not in but} for row in found]
    return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))


def test_worked_example(engine: Engine):
    """Six events: one quarantined by the contracts, one repeat within the batch, one contradiction,
    so 3 accepted + 2 quarantined + 1 duplicate = 6."""
    checked = batch(
        event("a"),
        event("b", item="i2"),
        event("a"),
        event("b", item="i3"),
        event("c"),
        items=(item("i1", "One"),),
        quarantined=(bad("naive_timestamp", payload='{"user_id": "u9"}', row=7),),
    )
    result = land_batch(engine, checked)
    assert (result.accepted, result.quarantined, result.duplicates, result.received) == (3, 2, 1, 6)
    assert (result.items_new, result.items_received, result.state) == (1, 1, "landed")
    assert [row["event_id"] for row in rows(engine, events)] == ["a", "b", "c"]
    contract, conflict = sorted(rows(engine, quarantine), key=lambda row: row["id"])
    assert (contract["reasons"], contract["source_row"], contract["state"]) == ("naive_timestamp", 7, "open")
    assert (conflict["reasons"], conflict["source_row"]) == ("conflicting_payload", 3)
    assert json.loads(conflict["payload"])["item_id"] == "i3"
    assert json.loads(conflict["payload"])["timestamp"] == NOON.isoformat()


def test_the_same_batch_again_changes_nothing(engine: Engine):
    checked = batch(event("a"), items=(item("i1"),), quarantined=(bad("x"),))
    first = land_batch(engine, checked)
    before = [rows(engine, table) for table in (events, items, quarantine, batches)]
    assert land_batch(engine, checked) == replace(first, repeated=True)
    assert [rows(engine, table) for table in (events, items, quarantine, batches)] == before


def test_an_overlapping_batch_adds_only_what_is_new(engine: Engine):
    land_batch(engine, batch(event("a"), event("b")))
    result = land_batch(engine, batch(event("b"), event("c"), event("a", value=5.0)))
    assert (result.accepted, result.duplicates, result.quarantined) == (1, 1, 1)
    assert {row["event_id"]: row["value"] for row in rows(engine, events)} == {"a": 1.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize(
    "other",
    [
        event("a", user="u2"),
        event("a", item="i2"),
        event("a", hours=1),
        event("a", value=None),
        event("a", hours=1 / 3_600_000_000),
        event("a", user="u", item="1i1"),
        event("a") | {"event_type": "view"},
    ],
)
def test_any_other_payload_under_a_known_id_is_a_conflict(engine: Engine, other: dict[str, Any]):
    land_batch(engine, batch(event("a")))
    assert land_batch(engine, batch(other)).quarantined == 1


def test_a_missing_value_is_the_same_value_twice(engine: Engine):
    land_batch(engine, batch(event("a", value=None)))
    assert land_batch(engine, batch(event("a", value=None), event("b"))).duplicates == 1
    assert rows(engine, events)[0]["value"] is None


def test_moments_keep_their_microsecond(engine: Engine):
    land_batch(engine, batch(event("a", hours=1 / 3_600_000_000)))
    assert rows(engine, events)[0]["occurred_at"] == NOON.value // 1000 + 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 11), max_size=6), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(0, 3), max_size=4, unique=True), min_size=4, max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_order_of_arrival_gives_the_same_events_and_items(event_ids, item_ids, random):
    """Batches overlap as they like; each reaches its own distance in time and describes items its own way."""
    arriving = []
    for number, (some, described) in enumerate(zip(event_ids, item_ids, strict=False)):
        here = [event(f"e{n}", item=f"i{n % 4}", hours=n) for n in some]
        last = event(f"last{number}", hours=100 + number)
        told = [item(f"i{n}", f"title {n + number}", available_hours=(7 * n + number) % 5) for n in described]
        arriving.append(batch(*here, last, items=tuple(told)))
    shuffled = random.sample(arriving, len(arriving))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        states = []
        for folder, order in ((one, arriving), (two, shuffled)):
            engine = open_warehouse(f"sqlite:///{folder}/warehouse.db")
            received = [land_batch(engine, checked) for checked in order]
            for result in received:
                assert result.accepted + result.quarantined + result.duplicates == result.received
            found = rows(engine, events, "batch_id"), rows(engine, items, "batch_id")
            assert len(found[0]) == sum(result.accepted for result in received)
            states.append(found)
            engine.dispose()
    assert states[0] == states[1]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_an_item_the_latest_description_and_the_earliest_availability_stand(engine: Engine, order):
    told = [
        batch(event("a", hours=1), items=(item("i1", "old", available_hours=5),)),
        batch(event("b", hours=2), items=(item("i1", "newer", available_hours=3),)),
        batch(event("c", hours=3), items=(item("i1", "newest"),)),
    ]
    for n in order:
        land_batch(engine, told[n])
    (row,) = rows(engine, items)
    assert row["title"] == "newest"
    assert row["available_at"] == (NOON.value // 1000) + 3 * 3_600_000_000


def test_items_are_counted_by_what_became_of_them(engine: Engine):
    land_batch(engine, batch(event("a", hours=2), items=(item("i1", "A"), item("i2", "B"), item("i3", "C"))))
    later = batch(event("b", hours=3), items=(item("i1", "A!"), item("i2", "B"), item("i4", "D")))
    result = land_batch(engine, later)
    assert (result.items_new, result.items_updated, result.items_unchanged) == (1, 1, 1)
    late = land_batch(engine, batch(event("c", hours=1), items=(item("i1", "ancient"),)))
    assert (late.items_updated, late.items_unchanged) == (0, 1)


def test_a_batch_of_items_alone_corrects_what_is_known(engine: Engine):
    land_batch(engine, batch(event("a", hours=2), items=(item("i1", "Tpyo"),)))
    assert land_batch(engine, batch(items=(item("i1", "Typo"),))).items_updated == 1
    assert rows(engine, items)[0]["title"] == "Typo"


def test_a_stopped_batch_leaves_no_rows_and_may_land_later(engine: Engine):
    checked = batch(event("a"), quarantined=(bad("x"), bad("y", kind="item")))
    stopped = stop_batch(engine, checked, "67% of 2 events are bad; the limit is 5%")
    assert (stopped.state, stopped.received, stopped.accepted, stopped.quarantined) == ("stopped", 2, 0, 1)
    assert not any(rows(engine, table) for table in (events, items, quarantine))
    assert stop_batch(engine, checked, "still").why == "still"
    landed = land_batch(engine, checked)
    assert (landed.state, landed.accepted, landed.repeated) == ("landed", 1, False)
    assert landed.batch_id > stopped.batch_id
    assert stop_batch(engine, checked, "too late").state == "landed"
    assert [result.state for result in batch_results(engine)] == ["stopped", "landed"]


def test_another_dataset_is_refused_and_nothing_of_it_lands(engine: Engine):
    land_batch(engine, batch(event("a")))
    with pytest.raises(DatasetMismatch, match="RECLOOP_HOME"):
        land_batch(engine, batch(event("b"), source="other"))
    assert len(rows(engine, events)) == 1


@pytest.mark.parametrize(
    "text", ["🎬", "אבג", "'; DROP TABLE events; --", "<script>", "=1+1", "x" * 1_000_000, "%s", "a|b"]
)
def test_hostile_text_comes_back_as_it_went_in(engine: Engine, text: str):
    refused = json.dumps({"user_id": "\ud800\x00" + text})
    land_batch(engine, batch(event("a", user=text, item=text), quarantined=(bad("r", payload=refused),)))
    (row,) = rows(engine, events)
    assert (row["user_id"], row["item_id"]) == (text, text)
    assert json.loads(rows(engine, quarantine)[0]["payload"])["user_id"] == "\ud800\x00" + text


def test_an_empty_batch_lands_as_nothing(engine: Engine):
    result = land_batch(engine, batch())
    assert (result.received, result.items_received, result.batch_id) == (0, 0, 1)


LAND = """
import sys
from components.data.ingest import land_batch
from components.data.warehouse import open_warehouse
from tests.data.landing import bad, batch, event, item
checked = batch(*(event(f"e{n}") for n in range(500)), items=(item("i1"),), quarantined=(bad("x"),))
print(land_batch(open_warehouse(sys.argv[1]), checked).repeated)
"""


@pytest.mark.parametrize(("point", "landed"), [("ingest:before-commit", 0), ("ingest:after-commit", 500)])
def test_killed_while_landing_all_or_nothing_is_there_and_a_rerun_completes(
    tmp_path: Path, point: str, landed: int
):
    url = f"sqlite:///{tmp_path}/warehouse.db"
    root = Path(__file__).resolve().parents[2]

    def land(**environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LAND, url]
        return subprocess.run(
            command, cwd=root, env={**os.environ, **environment}, capture_output=True, text=True
        )

    def num_rows(table: Table) -> int:
        with reading(open_warehouse(url)) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    assert land(CRASH_AT=point).returncode == -signal.SIGKILL
    assert [num_rows(table) for table in (events, items, quarantine)] == [landed, landed and 1, landed and 1]
    rerun = land()
    assert (rerun.returncode, rerun.stdout.strip()) == (0, str(bool(landed)))
    assert [num_rows(table) for table in (events, items, quarantine, batches)] == [500, 1, 1, 1]
