"""Online: the same as offline at the same moment, in any order of loading, with its age told."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.features.sequences import last_instant, training_spine, user_sequences
from components.features.store.loading import first_needed, online_now, tell_fresh
from components.features.store.offline import USER_SEQUENCE, write_user_sequences
from components.features.store.online import BEGINNING, materialize, online_sequences
from components.features.store.opening import OpenStore, apply_definitions, open_store
from components.features.store.retrieval import training_rows
from tests.features.rows import at, events, in_frame

DAY = timedelta(days=1)
LOG = events(("a", "x", 1), ("b", "y", 2), ("a", "y", 6), ("b", "x", 8), ("c", "z", 7))
SAME = ["item_ids", "event_types", "times", "num_events", "cut_at"]


def read(store: OpenStore, *users: str, second: float = 9, max_age: timedelta = DAY):
    return online_sequences(store, list(users), as_of=at(second), max_age=max_age)


def test_online_and_offline_agree_at_the_same_moment(store: OpenStore, capsys):
    """1,200 users, so that a read takes two batches and a load three; sequences of up to 40."""
    rng = np.random.default_rng(0)
    pairs = zip(
        rng.integers(0, 1200, 6000), rng.integers(0, 50, 6000), rng.integers(0, 90, 6000), strict=True
    )
    log = events(*((f"u{u}", f"i{i}", float(t)) for u, i, t in pairs))
    for cut in (50, 80):
        write_user_sequences(store.home, user_sequences(log, cutoff=at(cut), max_length=40))
        materialize(store, end=at(cut))
    users = [*sorted(log["user_id"].unique(), reverse=True), "nobody"]
    offline = in_frame(training_rows(store, training_spine(np.array(users, dtype=object), at(80))))
    online = read(store, *users, second=80)
    pd.testing.assert_frame_equal(online[SAME], offline[SAME])
    assert online["user_id"].tolist() == users
    assert online["num_events"].max() > 5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("order", list(itertools.permutations([5, 7.5, 9])))
def test_any_order_of_cuts_leaves_the_latest_online(store: OpenStore, order):
    for cut in order:
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
        materialize(store, end=at(cut))
    rows = read(store, "a", "b", "c")
    assert rows["item_ids"].tolist() == [["x", "y"], ["y", "x"], ["z"]]
    assert (rows["cut_at"] == at(9) - timedelta(microseconds=1)).all()


def test_an_earlier_end_does_not_bring_the_past_back(store: OpenStore):
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    assert materialize(store, end=at(9)).end == at(9)
    assert materialize(store, end=at(5)).end == at(9)
    assert read(store, "b")["item_ids"].tolist() == [["y", "x"]]


def test_the_end_is_exclusive(store: OpenStore):
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    materialize(store, end=at(9) - timedelta(microseconds=1))
    assert read(store, "b")["item_ids"].tolist() == [["y"]]


def test_a_late_event_is_served_after_the_next_cut_though_the_load_starts_after_it(store: OpenStore):
    """The trap of a watermark: b's w at second 3 arrives after 5 was loaded; loading [5, 9) brings it."""
    write_user_sequences(store.home, user_sequences(events(("b", "y", 2)), cutoff=at(5)))
    materialize(store, end=at(5))
    late = events(("b", "y", 2), ("b", "w", 3))
    write_user_sequences(store.home, user_sequences(late, cutoff=at(9)))
    materialize(store, start=at(5), end=at(9))
    assert read(store, "b")["item_ids"].tolist() == [["y", "w"]]


def test_age_staleness_and_strangers(store: OpenStore):
    """Cut at 5 s, limit one hour: fresh at 5 s + 1 h − 1 µs (age exactly the limit), stale a moment later."""
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(5)))
    materialize(store, end=at(5))
    hour = timedelta(hours=1)
    edge = 5 + 3600 - 1e-6
    fresh = read(store, "a", "nobody", second=edge, max_age=hour)
    assert fresh["age"].tolist()[0] == hour
    assert fresh["stale"].tolist() == [False, False]
    assert fresh["known"].tolist() == [True, False]
    assert fresh["item_ids"].tolist() == [["x"], []]
    assert fresh["num_events"].tolist() == [1, 0]
    assert read(store, "a", second=edge + 1, max_age=hour)["stale"].tolist() == [True]
    assert read(store, "a", second=3, max_age=hour)["stale"].tolist() == [True]  # cut after that moment


def test_state_outlives_the_process_and_the_next_apply(store: OpenStore):
    """A second store on the same folder serves, and remembers how far it was loaded after an apply."""
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    materialize(store, end=at(9))
    again = open_store(store.home)
    apply_definitions(again, feature_set="another")
    assert read(again, "c")["item_ids"].tolist() == [["z"]]
    assert materialize(again, end=at(5)).end == at(9)


def test_two_stores_in_one_process_do_not_mix(store: OpenStore, tmp_path: Path):
    other = open_store(tmp_path / "other")
    apply_definitions(other, feature_set="g" * 12)
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(9)))
    for one in (store, other):
        materialize(one, end=at(9))
    assert read(store, "a")["known"].tolist() == [True]
    assert read(other, "a")["known"].tolist() == [False]


def own_cuts(store: OpenStore, *users: str) -> list[int | None]:
    """The stamps as they lie in the users' rows, whatever the row of freshness says."""
    keys = [{"user_id": user} for user in users]
    cuts: list[int | None] = store.feast.get_online_features(["user_sequence:cut_us"], keys).to_dict()[
        "cut_us"
    ]
    return cuts


def test_a_second_load_writes_only_who_changed_and_all_are_as_of_it(store: OpenStore):
    """b did something between 5 and 9, c is new, a did nothing: a's row stays, and is known as far as the others'."""
    log = events(("a", "x", 1), ("b", "y", 2), ("b", "x", 8), ("c", "z", 7))
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(log, cutoff=at(cut)))
        materialize(store, end=at(cut))
    assert own_cuts(store, "a", "b", "c") == [4_999_999, 8_999_999, 8_999_999]
    rows = read(store, "a", "b", "c", "nobody")
    assert rows["item_ids"].tolist() == [["x"], ["y", "x"], ["z"], []]
    assert rows["cut_at"].tolist()[:3] == [at(9) - timedelta(microseconds=1)] * 3
    assert rows["known"].tolist() == [True, True, True, False]
    materialize(store, end=at(9))  # once more: nothing is written
    assert own_cuts(store, "a") == [4_999_999]


def test_a_cut_that_was_written_again_is_loaded_whole(store: OpenStore):
    """What is online is of a file that is gone: nothing is assumed of it."""
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(5)))
    materialize(store, end=at(5))
    late = events(("a", "w", 0), ("a", "x", 1), ("b", "y", 2))
    write_user_sequences(store.home, user_sequences(late, cutoff=at(5), known_at=at(6)))
    write_user_sequences(store.home, user_sequences(late, cutoff=at(9)))
    materialize(store, end=at(9))
    assert own_cuts(store, "a", "b") == [8_999_999] * 2
    assert read(store, "a")["item_ids"].tolist() == [["w", "x"]]


def test_who_is_in_no_later_cut_is_not_taken_for_fresh(store: OpenStore):
    """b is in the cut at 5 alone: online as of 5, whatever is loaded after it."""
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(5)))
    materialize(store, end=at(5))
    for cut in (9, 12):
        log = events(("a", "x", 1), ("a", "z", cut - 1))
        write_user_sequences(store.home, user_sequences(log, cutoff=at(cut)))
        materialize(store, end=at(cut))
    rows = read(store, "a", "b", second=12)
    assert rows["cut_at"].tolist() == [at(second) - timedelta(microseconds=1) for second in (12, 5)]


@pytest.mark.parametrize("seed", range(3))
def test_loads_one_after_the_other_leave_what_one_load_does(store: OpenStore, tmp_path: Path, seed: int):
    """Four cuts of random events, one user with a third of them, against a store that is loaded once."""
    rng = np.random.default_rng(seed)
    log = events(
        *(
            ("big" if rng.random() < 0.3 else f"u{rng.integers(12)}", f"i{rng.integers(9)}", float(second))
            for second in rng.integers(0, 40, 60)
        )
    )
    once = open_store(tmp_path / "once")
    apply_definitions(once, feature_set="f" * 12)
    for cut in (10, 20, 30, 40):
        rows = user_sequences(log, cutoff=at(cut), max_length=7)
        write_user_sequences(store.home, rows)
        materialize(store, end=at(cut))
        write_user_sequences(once.home, rows)
    materialize(once, end=at(40))
    users = [*sorted(log["user_id"].unique()), "nobody"]
    pd.testing.assert_frame_equal(read(store, *users, second=40), read(once, *users, second=40))


def test_what_another_machine_told_meanwhile_makes_the_next_load_whole(store: OpenStore):
    """It loads the cut of 9 while ours of 5 is under way, and ours writes its rows over it last."""
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(5)))
    materialize(store, end=at(5))
    ours = first_needed(store.home, BEGINNING, last_instant(at(5)))
    assert ours is not None
    was = online_now(store)
    write_user_sequences(store.home, user_sequences(LOG, cutoff=at(9)))
    materialize(store, end=at(9))
    store.feast.write_to_online_store(USER_SEQUENCE, pq.read_table(ours.newest.path).to_pandas())
    tell_fresh(store, ours, was=was)
    materialize(store, end=at(9))
    assert read(store, "a", "b", "c")["item_ids"].tolist() == [["x", "y"], ["y", "x"], ["z"]]


def test_a_lost_registry_does_not_bring_the_past_back(store: OpenStore):
    for cut in (5, 9):
        write_user_sequences(store.home, user_sequences(LOG, cutoff=at(cut)))
    materialize(store, end=at(9))
    (store.home / "registry.db").unlink()
    anew = open_store(store.home)
    apply_definitions(anew, feature_set="feature-set-1")
    assert materialize(anew, end=at(5)).end == at(9)
    assert read(anew, "b")["item_ids"].tolist() == [["y", "x"]]
