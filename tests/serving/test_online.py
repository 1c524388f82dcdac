"""From a user's id to titles through the real feature store, with unknown users and stale features told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from components.features.sequences import user_sequences
from components.features.store.live import push_event
from components.features.store.live_merge import LiveEvent
from components.features.store.offline import write_user_sequences
from components.features.store.online import materialize
from components.features.store.opening import OpenStore, apply_definitions, open_store
from components.serving.online import StaleFeatures, in_words, recommend_users
from components.serving.scorer import Scorer
from components.serving.unknown_user import UnknownUser
from tests.features.rows import at, events

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> OpenStore:
    """Online are 196 (saw a) and 1960 (saw b, then c), cut at second 100."""
    opened = open_store(tmp_path_factory.mktemp("serving") / "feast")
    apply_definitions(opened, feature_set="f" * 12)
    log = events(("196", "a", 1), ("1960", "b", 2), ("1960", "c", 3))
    write_user_sequences(opened.home, user_sequences(log, cutoff=at(100)))
    materialize(opened, end=at(100))
    return opened


def ask(store: OpenStore, scorer: Scorer, *users: str, second: float = 110, **more):
    settings = {"max_age": MINUTE, "k": 2, "known_users": ["196", "1960", "7"], **more}
    return recommend_users(store, scorer, list(users), as_of=at(second), **settings)


def test_lists_of_users_by_id(store: OpenStore, scorer: Scorer):
    lists = ask(store, scorer, "1960", "196")
    assert lists[["user_id", "rank", "title"]].to_numpy().tolist() == [
        ["1960", 1, "A"],
        ["1960", 2, "d"],
        ["196", 1, "B"],
        ["196", 2, "C"],
    ]
    assert not lists["stale"].any()
    assert lists["age"].iloc[0] == timedelta(seconds=10, microseconds=1)
    assert set(lists["feature_set"]) == {"f" * 12}
    assert set(lists["bundle"]) == {scorer.bundle.digest}
    assert lists["features_as_of"].iloc[0] == at(100) - timedelta(microseconds=1)


def test_an_unknown_user_is_told_the_nearest_ids_or_how_to_come_in(store: OpenStore, scorer: Scorer):
    with pytest.raises(UnknownUser, match=r"no user '19' is known. Nearest known ids: 196, 1960"):
        ask(store, scorer, "196", "19")
    with pytest.raises(UnknownUser, match="recloop ingest"):
        ask(store, scorer, "19", known_users=[])


def test_a_user_who_is_not_online_yet_is_told_so(store: OpenStore, scorer: Scorer):
    with pytest.raises(UnknownUser, match="'7' has events in the warehouse, but no features online"):
        ask(store, scorer, "7")


def test_stale_features_are_flagged_or_refused(store: OpenStore, scorer: Scorer):
    assert ask(store, scorer, "196", second=1000)["stale"].all()
    with pytest.raises(
        StaleFeatures, match=r"user 196: features of 1970-01-01T00:01Z are 15 minutes old.*accepted"
    ):
        ask(store, scorer, "196", second=1000, refuse_stale=True)
    with pytest.raises(StaleFeatures, match=r"are later than 1970-01-01T00:00Z. Pass a later --as-of"):
        ask(store, scorer, "196", second=50, refuse_stale=True)
    assert len(ask(store, scorer, "196", refuse_stale=True)) == 2


def test_a_pushed_event_is_in_the_next_list_and_makes_the_features_younger(store: OpenStore, scorer: Scorer):
    """196 saw a and is offered B; B is pushed a minute later, and is offered no more unless seen items are kept."""
    assert ask(store, scorer, "196", second=170)["stale"].all()
    push_event(store, "196", LiveEvent(event_id="e", item_id="b", event_type="view", micros=160_000_000))
    lists = ask(store, scorer, "196", second=170)
    assert lists["title"].tolist() == ["C", "d"]
    assert not lists["stale"].any()
    assert lists["features_as_of"].tolist() == [at(160)] * 2
    assert "B" in ask(store, scorer, "196", second=170, exclude_seen=False, k=4)["title"].tolist()


def test_ages_in_words():
    ages = (
        timedelta(days=11_000, hours=3),
        timedelta(hours=47),
        timedelta(hours=48),
        timedelta(minutes=90, seconds=9),
    )
    assert [in_words(age) for age in ages] == ["11,000 days", "47 hours", "2 days", "90 minutes"]
