"""What was known when: late events, items described anew, and digests that neither of them moves."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from components.data import queries
from components.data.ingest import land_batch
from components.data.knowledge import Knowledge, knowledge_of
from components.data.moments import to_micros
from components.data.schema import events
from components.data.snapshot import left_out_of, read_events, read_items, snapshot_facts, take_snapshot
from components.data.warehouse import open_warehouse, reading
from tests.data.landing import at, batch, event, item

# Three slices of a world that tells everything in time, and the digests of its cuts as they were before the
# warehouse kept knowledge times. They hold for the pyarrow of infra/constraints.txt, whose name is in every file.
PINNED = {
    (None, 20): "6c7c976b1361223d",
    (None, 24): "b2fd9886903e38a4",
    (None, 48): "a43394071c85e2e7",
    (None, 72): "be30690eb12f21bc",
    (24, 48): "652abf231b64f217",
    (24, 60): "144a0874474d3540",
}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


def ids(engine: Engine, root: Path, end: float, **more) -> list[str]:
    return read_events(take_snapshot(engine, root, end=at(end), **more))["event_id"].tolist()


def in_time(which: int):
    """Events every 5 hours over three days; slice n is day n; i0 and i1 are told of at once, i2 on its day."""
    rows = [
        event(f"e{n}", user=f"u{n % 3}", item=f"i{n % 3 if n >= 5 else n % 2}", hours=5 * n)
        for n in range(14)
        if 24 * which <= 5 * n < 24 * (which + 1)
    ]
    told = [item("i0", "Zero"), item("i1", "One", available_hours=-100)]
    if which:
        told.append(item("i2", "Two", available_hours=24))
    return batch(*rows, items=tuple(told))


CUTS = [(None, 20), (None, 24), (None, 48), (None, 72), (24, 48), (24, 60)]


def test_data_that_is_told_in_time_has_the_digests_it_always_had(tmp_path: Path):
    """In one go with the first batch's now after every cut, in slices in any order, with and without a now."""
    slices = [
        replace(in_time(n), as_of=at(24 * (n + 1)), since=None if n == 0 else at(24 * n)) for n in range(3)
    ]
    whole = batch(
        *(row for n in range(3) for row in in_time(n).events.drop(columns="source_row").to_dict("records")),
        items=(
            item("i0", "Zero"),
            item("i1", "One", available_hours=-100),
            item("i2", "Two", available_hours=24),
        ),
        as_of_hours=500,
    )
    arrivals = [[whole], [in_time(0), in_time(1), in_time(2)]]
    arrivals += [list(order) for order in itertools.permutations(slices)]
    for number, arriving in enumerate(arrivals):
        root = tmp_path / str(number)
        engine = open_warehouse(f"sqlite:///{root}/warehouse.db")
        assert sum(land_batch(engine, checked).late for checked in arriving) == 0
        found = {}
        for start, end in CUTS:
            ref = take_snapshot(engine, root, start=None if start is None else at(start), end=at(end))
            found[start, end] = ref.digest[:16]
        assert found == PINNED
        engine.dispose()


def test_a_late_event_never_enters_a_cut_that_lies_before_it_was_known(engine: Engine, tmp_path: Path):
    """Batch 1 tells of the time before 10 h; batch 2, of 20 h, adds an event of 3 h."""
    land_batch(engine, batch(event("a"), event("b", hours=9), as_of_hours=10))
    before = take_snapshot(engine, tmp_path, end=at(10))
    second = land_batch(engine, batch(event("late", hours=3), event("c", hours=15), as_of_hours=20))
    assert (second.accepted, second.late) == (2, 1)
    assert take_snapshot(engine, tmp_path, end=at(10)) == before
    assert left_out_of(engine, before) == 1
    assert ids(engine, tmp_path, 5) == ["a"]
    assert ids(engine, tmp_path, 16) == ["a", "b", "c"]  # a moment at which it had not been told of yet
    after = take_snapshot(engine, tmp_path, end=at(20))
    assert read_events(after)["event_id"].tolist() == ["a", "late", "b", "c"]
    assert (snapshot_facts(after).num_late, left_out_of(engine, after)) == (1, 0)
    assert (snapshot_facts(before).num_late, snapshot_facts(before).known_by) == (0, at(10))
    assert queries.counts(engine).late == 1


def test_what_is_known_now_of_a_time_that_is_past(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a"), event("b", hours=9), as_of_hours=10))
    land_batch(engine, batch(event("late", hours=3), as_of_hours=20))
    assert ids(engine, tmp_path, 10, known_by=at(19.9)) == ["a", "b"]
    ref = take_snapshot(engine, tmp_path, end=at(10), known_by=at(20))
    assert read_events(ref)["event_id"].tolist() == ["a", "late", "b"]
    facts = snapshot_facts(ref)
    assert (facts.known_by, facts.end, facts.num_late, facts.num_users) == (at(20), at(10), 1, 1)
    assert ids(engine, tmp_path, 10) == ["a", "b"]  # though a file of that day with three rows lies there


def test_a_batch_of_the_same_now_adds_nothing_to_what_was_known_then(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a"), as_of_hours=10))
    assert land_batch(engine, batch(event("a"), event("late", hours=3), as_of_hours=10)).late == 1
    assert ids(engine, tmp_path, 10) == ["a"]
    assert ids(engine, tmp_path, 11) == ["a", "late"]


def test_an_event_before_its_own_batch_begins_is_late(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a", hours=11), event("early", hours=3), since_hours=10, as_of_hours=20))
    assert ids(engine, tmp_path, 12) == ["a"]
    assert ids(engine, tmp_path, 20) == ["early", "a"]


def test_a_stopped_batch_has_told_of_nothing(engine: Engine, tmp_path: Path):
    from components.data.ingest import stop_batch

    stop_batch(engine, batch(event("x"), as_of_hours=30), "too bad")
    assert land_batch(engine, batch(event("a"), as_of_hours=10)).late == 0


def test_a_batch_without_a_now_tells_of_no_stretch(engine: Engine):
    land_batch(engine, batch(event("a", hours=5)))
    assert land_batch(engine, batch(event("b", hours=3), as_of_hours=10)).late == 0
    assert land_batch(engine, batch(event("c", hours=3))).late == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(1, 9), st.lists(st.integers(0, 16), max_size=4)),
        min_size=1,
        max_size=4,
    )
)
def test_landing_changes_nothing_of_what_was_known_by_an_earlier_now_of_a_time_that_was_told_of(arriving):
    """Batches of any overlap, in any order. Against sets: what was there by K, of the time told of, stays."""
    told: list[tuple[int, int]] = []
    rows: list[tuple[int, int | None]] = []  # (moment, known at)
    for since, length, moments in arriving:
        as_of = since + length
        merged = Knowledge(
            since=since, as_of=as_of, told=_merged(told), clock=max((end for _, end in told), default=None)
        )
        new = [(m, merged.of_event(m)) for m in moments if m <= as_of]
        for moment, known_at in new:
            late = moment < since or any(a <= moment < b for a, b in told)
            assert (known_at is not None) == late
            if late:
                assert known_at >= as_of
                assert all(known_at > end for _, end in told)
        rows += new
        told.append((since, as_of))


def _merged(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The slow way: every whole moment for itself."""
    covered = sorted({moment for a, b in spans for moment in range(a, b)})
    return tuple((moment, moment + 1) for moment in covered)


def test_stretches_that_touch_are_one(engine: Engine):
    for since, end in ((20, 30), (0, 10), (10, 20), (50, 60)):
        land_batch(engine, batch(event(f"e{end}", hours=end - 1), since_hours=since, as_of_hours=end))
    with reading(engine) as connection:
        found = knowledge_of(connection, since=None, as_of=at(70))
    assert found.told == ((to_micros(at(0)), to_micros(at(30))), (to_micros(at(50)), to_micros(at(60))))
    assert [found.was_told(to_micros(at(h))) for h in (-1, 0, 29.9, 30, 49, 50, 60)] == [
        False, True, True, False, False, True, False,
    ]  # fmt: skip


def test_a_changed_title_is_read_from_when_it_was_known(engine: Engine, tmp_path: Path):
    """The first title counts from the item's beginning, however late its batch; the second from 20 h on."""
    land_batch(engine, batch(event("a"), items=(item("i1", "Old"),), as_of_hours=10))
    second = land_batch(engine, batch(event("b", hours=15), items=(item("i1", "New"),), as_of_hours=20))
    assert (second.items_updated, second.items_unchanged) == (1, 0)
    land_batch(engine, batch(event("c", hours=25), items=(item("i1", "New"),), as_of_hours=30))
    land_batch(engine, batch(event("d", hours=35), items=(item("i1", "Old"),), as_of_hours=40))

    def title(end: float) -> str:
        return read_items(take_snapshot(engine, tmp_path, end=at(end)))["title"].item()

    assert [title(end) for end in (5, 10, 19, 20, 30, 39, 40)] == [
        "Old", "Old", "Old", "New", "New", "New", "Old",
    ]  # fmt: skip
    assert queries.titles(engine, ["i1"]) == {"i1": "Old"}


def test_an_item_that_is_said_to_have_been_there_before_enters_no_cut_of_then(engine: Engine, tmp_path: Path):
    land_batch(engine, batch(event("a"), items=(item("i1"),), as_of_hours=10))
    before = take_snapshot(engine, tmp_path, end=at(10))
    told = (item("claimed", available_hours=2), item("new", available_hours=12))
    land_batch(engine, batch(event("b", hours=15), items=told, as_of_hours=20))
    assert take_snapshot(engine, tmp_path, end=at(10)) == before
    assert read_items(take_snapshot(engine, tmp_path, end=at(16)))["item_id"].tolist() == ["i1", "new"]
    found = read_items(take_snapshot(engine, tmp_path, end=at(20)))
    assert found["item_id"].tolist() == ["claimed", "i1", "new"]
    assert found["available_at"][0] == pd.Timestamp(at(2))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_slices_in_any_order_give_the_same_knowledge(tmp_path: Path, order):
    told = [
        batch(event("a", hours=5), items=(item("i1", "A"),), as_of_hours=10),
        batch(event("b", hours=15), items=(item("i1", "B"),), since_hours=10, as_of_hours=20),
        batch(event("c", hours=25), items=(item("i1", "C"),), since_hours=20, as_of_hours=30),
    ]
    engine = open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")
    for n in order:
        assert land_batch(engine, told[n]).late == 0
    cuts = [take_snapshot(engine, tmp_path, end=at(end)) for end in (10, 20, 30)]
    assert [read_items(cut)["title"].item() for cut in cuts] == ["A", "B", "C"]
    assert [len(read_events(cut)) for cut in cuts] == [1, 2, 3]


def test_knowledge_times_are_kept_for_late_events_alone(engine: Engine):
    land_batch(engine, batch(event("a"), as_of_hours=10))
    land_batch(engine, batch(event("late", hours=3), event("b", hours=15), as_of_hours=20))
    with reading(engine) as connection:
        found = dict(connection.execute(select(events.c.event_id, events.c.known_at)).tuples().all())
    assert found == {"a": None, "b": None, "late": to_micros(at(20))}
