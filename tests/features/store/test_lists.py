"""Lists online: whole, under their run, with what made them; other runs' are untouched, and a user's can go."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from components.features.store.erasure import count_user, erase_user
from components.features.store.lists import (
    PushedList,
    count_lists,
    drop_lists,
    make_lists_ready,
    push_lists,
    pushed_lists,
)
from components.features.store.live import feature_set_online
from components.features.store.opening import OpenStore, apply_definitions
from tests.features.store.test_erasure import files_with

NOW, CUT = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def lists(first: str, *users: str, cut: datetime | None = CUT) -> pa.Table:
    """Two places a user, the first of them `first`."""
    number = 2 * len(users)
    return pa.table(
        {
            "user_id": [user for user in users for _ in range(2)],
            "item_id": [first, "i9"] * len(users),
            "score": [0.5, 0.25] * len(users),
            "model_version": pa.array(["3"] * number).dictionary_encode(),
            "bundle": ["b" * 64] * number,
            "feature_set": ["f" * 64] * number,
            "features_as_of": pa.array([cut] * number, MOMENT),
            "scored_at": pa.array([NOW] * number, MOMENT),
        }
    )


def test_a_list_is_read_for_the_run_that_is_asked_for(store: OpenStore):
    assert push_lists(store, "one", lists("i1", "ada", "bob")) == 2
    push_lists(store, "two", lists("i2", "ada", cut=None))
    push_lists(store, "one", lists("i1", "ada", "bob"))  # again: nothing is doubled
    ada, nobody, bob = pushed_lists(store, "one", ["ada", "nobody", "bob"])
    assert nobody is None
    assert ada == PushedList(
        user_id="ada", item_ids=["i1", "i9"], scores=[0.5, 0.25], model_version="3", bundle="b" * 64,
        feature_set="f" * 64, features_as_of=CUT, scored_at=NOW,
    )  # fmt: skip
    assert bob is not None
    (of_two,) = pushed_lists(store, "two", ["ada"])
    assert of_two is not None
    assert (of_two.item_ids, of_two.features_as_of) == (["i2", "i9"], None)
    assert pushed_lists(store, "one", []) == []


def test_a_run_goes_without_the_others(store: OpenStore):
    for run in ("one", "two"):
        push_lists(store, run, lists("i1", "ada", "bob"))
    assert count_lists(store, {"one", "two"}) == 4
    drop_lists(store, {"one", "never was"})
    assert (count_lists(store, {"one"}), count_lists(store, {"two"})) == (0, 2)
    assert pushed_lists(store, "one", ["ada"]) == [None]


def test_a_users_lists_of_all_runs_are_erased(store: OpenStore):
    user, other = "user-to-erase-4711", "user-to-erase-4711-2"
    for run in ("one", "two"):
        push_lists(store, run, lists("i1", user, other))
    assert (count_user(store, user), count_user(store, other)) == (2, 2)
    assert files_with(store.home, user, but=other)
    for _ in range(2):
        erase_user(store, user)
        assert (count_user(store, user), count_user(store, other)) == (0, 2)
    assert files_with(store.home, user, but=other) == []


def test_an_older_store_learns_of_lists_and_keeps_its_feature_set(store: OpenStore):
    apply_definitions(store, feature_set="f" * 12)
    store.feast.delete_feature_service("recommendations_v1")
    make_lists_ready(store)
    assert push_lists(store, "one", lists("i1", "ada")) == 1
    assert feature_set_online(store) == "f" * 12
