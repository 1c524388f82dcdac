"""Pushed events: with the cuts, in any order of arrival, the sequence that `user_sequences` makes of them all."""

from __future__ import annotations

import itertools
import threading

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.features.sequences import sequence_frame, user_sequences
from components.features.store.erasure import count_user, erase_user
from components.features.store.live import (
    EventConflict,
    knows_event,
    make_ready,
    push_event,
    user_states,
)
from components.features.store.live_merge import CutSequence, LiveEvent, merged, settled
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize
from components.features.store.opening import OpenStore, open_store
from tests.features.rows import at, events

LOG = events(("a", "x", 1), ("b", "q", 2), ("a", "y", 4), ("a", "x", 4), ("a", "z", 6), ("a", "y", 8))
LISTS = ["item_ids", "event_types", "times"]


def live(row: pd.Series) -> LiveEvent:
    return LiveEvent(
        event_id=row["event_id"],
        item_id=row["item_id"],
        event_type=row["event_type"],
        micros=row["timestamp"].value // 1000,
    )


def offline(log: pd.DataFrame, cut: float = 100, max_length: int = 512) -> CutSequence:
    """What `user_sequences` makes of user a."""
    rows = sequence_frame(user_sequences(log[log["user_id"] == "a"], cutoff=at(cut), max_length=max_length))
    return CutSequence(**rows.iloc[0][[*LISTS, "num_events"]].to_dict()) if len(rows) else CutSequence()


def same(found: CutSequence, expected: CutSequence) -> None:
    assert [list(getattr(found, name)) for name in LISTS] == [list(getattr(expected, name)) for name in LISTS]
    assert found.num_events == expected.num_events


def test_any_order_of_pushes_and_cuts_leaves_what_is_made_offline(store: OpenStore):
    """Two pushed, one of them late; one ingested before it is pushed, one after; both cuts: all 120 orders."""
    pushed = LOG[(LOG["user_id"] == "a") & (LOG["timestamp"] >= at(4))]
    late, both = pushed[pushed["item_id"] == "x"], pushed[pushed["item_id"] == "z"]
    last = pushed[pushed["timestamp"] == at(8)]

    def push(rows: pd.DataFrame, user: str) -> None:
        for _, row in rows.iterrows():
            push_event(store, user, live(row))

    def cut(second: float, known: pd.DataFrame, user: str) -> None:
        write_user_sequences(
            store.home, user_sequences(known.replace({"user_id": {"a": user}}), cutoff=at(second))
        )
        materialize(store, end=at(second))

    ingested = LOG[~LOG["event_id"].isin({*late["event_id"], *last["event_id"]})]
    for number, order in enumerate(itertools.permutations(range(5))):
        if number % 10:  # a tenth of them through the store; all of them by the merge alone, below
            continue
        user = f"a{number}"
        steps = [
            lambda user=user: push(late, user),
            lambda user=user: push(both, user),
            lambda user=user: push(last, user),
            lambda user=user: cut(5, ingested, user),
            lambda user=user: cut(7, ingested, user),
        ]
        for step in order:
            steps[step]()
            if step < 3:
                steps[step]()  # sent again: nothing changes
        same(user_states(store, [user])[0].sequence(), offline(LOG))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 6)), max_size=14, unique=True),
    st.data(),
)
def test_cut_and_pushed_make_one_sequence(rows: list[tuple[str, int]], data: st.DataObject):
    """Random events; the cut knows some of those before it, the pushes the rest and any of the others."""
    log = events(*(("a", item, float(second)) for item, second in rows))
    cut = data.draw(st.integers(0, 8))
    max_length = data.draw(st.integers(1, 20))
    in_cut = [data.draw(st.booleans()) for _ in rows]
    is_ingested = (log["timestamp"] < at(cut)).to_numpy() & pd.Series(in_cut, dtype=bool).to_numpy()
    is_pushed = ~is_ingested | pd.Series([data.draw(st.booleans()) for _ in rows], dtype=bool).to_numpy()
    pushed = [live(row) for _, row in log[is_pushed].iterrows()]
    known = offline(log[is_ingested], max_length=max_length)
    found = merged(known, data.draw(st.permutations(pushed)), max_length=max_length)
    expected = offline(log, max_length=max_length)
    assert list(found.item_ids) == list(expected.item_ids)
    assert list(found.times) == list(expected.times)


def test_worked_example_within_a_second():
    """x at 4.2 s and y at 4.7 s are cut as x, y of second 4; w at 4.5 s was pushed, and so was y."""
    known = CutSequence(item_ids=["x", "y"], event_types=["r", "r"], times=[4, 4], num_events=2)
    pushed = [
        LiveEvent(event_id=f"e-{item}", item_id=item, event_type="r", micros=micros)
        for item, micros in (("y", 4_700_000), ("w", 4_500_000))
    ]
    found = merged(known, pushed, max_length=10)
    assert (found.item_ids, found.num_events) == (["x", "w", "y"], 3)


def test_what_a_full_cut_left_out_does_not_come_back():
    """The cut holds 2 of 5 events, of seconds 8 and 9: a push of second 3 is older than all it kept."""
    known = CutSequence(item_ids=["p", "q"], event_types=["r", "r"], times=[8, 9], num_events=5)
    old = LiveEvent(event_id="e", item_id="x", event_type="r", micros=3_000_000)
    assert merged(known, [old], max_length=2) == CutSequence(
        item_ids=["p", "q"], event_types=["r", "r"], times=[8, 9], num_events=5
    )


def test_settled_are_old_pushes_that_the_cut_holds_as_often():
    known = CutSequence(item_ids=["x", "y"], event_types=["r", "r"], times=[1, 2], num_events=2)

    def pushed(name: str, item: str, second: int) -> LiveEvent:
        return LiveEvent(event_id=name, item_id=item, event_type="r", micros=second * 1_000_000)

    twice = [pushed("a", "x", 1), pushed("b", "x", 1)]
    others = [pushed("c", "y", 2), pushed("d", "z", 2), pushed("e", "y", 9)]
    assert settled(known, [*twice, *others], before=5_000_000) == {"c"}


def test_pushed_rows_do_not_grow_with_what_was_cut_a_week_ago(store: OpenStore):
    week = 7 * 86_400
    log = events(("a", "x", 1), ("a", "y", 2))
    for _, row in log.iterrows():
        push_event(store, "a", live(row))
    write_user_sequences(store.home, user_sequences(log, cutoff=at(week + 10)))
    materialize(store, end=at(week + 10))
    later = events(("a", "z", week + 11)).assign(event_id="later")
    push_event(store, "a", live(later.iloc[0]))
    (state,) = user_states(store, ["a"])
    assert [event.event_id for event in state.live] == ["later"]
    same(state.sequence(), offline(pd.concat([log, later]), cut=week + 100))


def test_only_the_latest_are_kept(store: OpenStore):
    log = events(*(("a", f"i{second}", float(second)) for second in range(6)))
    for _, row in log.sample(frac=1, random_state=0).iterrows():
        push_event(store, "a", live(row), max_length=4)
    assert [event.item_id for event in user_states(store, ["a"])[0].live] == ["i2", "i3", "i4", "i5"]


def test_an_event_is_taken_once_and_another_under_its_id_is_refused(store: OpenStore):
    event = live(LOG.iloc[0])
    assert not knows_event(store, "a", event)
    assert push_event(store, "a", event) is True
    assert knows_event(store, "a", event)
    assert push_event(store, "a", event) is False
    other = LiveEvent(event_id=event.event_id, item_id="other", event_type="rating", micros=5)
    with pytest.raises(EventConflict, match="under an id of its own"):
        push_event(store, "a", other)
    assert len(user_states(store, ["a"])[0].live) == 1


def test_a_forgotten_user_is_not_online_and_may_come_again(store: OpenStore):
    push_event(store, "a", live(LOG.iloc[0]))
    push_event(store, "b", live(LOG.iloc[0]))
    assert count_user(store, "a") == 1
    erase_user(store, "a")
    assert count_user(store, "a") == 0
    forgotten, other = user_states(store, ["a", "b"])
    assert (forgotten.known_until, forgotten.live) == (None, ())
    assert len(other.live) == 1
    assert push_event(store, "a", live(LOG.iloc[0]))


def test_two_writers_of_one_user_lose_nothing(store: OpenStore):
    """Each thread has a store of its own, as two processes would: without the lock pushes overwrite each other."""
    stores = [open_store(store.home) for _ in range(2)]

    def write(number: int) -> None:
        for second in range(15):
            name = f"{number}-{second}"
            push_event(
                stores[number],
                "a",
                LiveEvent(event_id=name, item_id=name, event_type="r", micros=second * 1_000_000),
            )

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(user_states(store, ["a"])[0].live) == 30


def test_a_store_that_was_never_applied_and_one_of_before_are_made_ready(tmp_path, store: OpenStore):
    fresh = open_store(tmp_path / "fresh")
    assert make_ready(fresh) == ""
    assert user_states(fresh, ["a"])[0].known_until is None
    store.feast.registry.delete_feature_service("recommender_live_v1", store.feast.project)
    store.feast.registry.delete_feature_view("user_live", store.feast.project)
    older = open_store(store.home)
    assert make_ready(older) == "f" * 12
    assert push_event(older, "a", live(LOG.iloc[0]))
    assert older.feast.get_feature_service("recommender_v1").tags == {"feature_set": "f" * 12}
