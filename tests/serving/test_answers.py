"""Lists over HTTP: from the online store, from a history, filtered; with what made them and how old that is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from tests.serving.world import HOUR, ITEMS, NOW, World, ask, items_of, serving


@pytest.fixture(scope="module")
def shared_world(serving_mlflow: str, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(home=tmp_path_factory.mktemp("answers"), tracking_uri=serving_mlflow, model_name="answers")


@pytest.fixture(scope="module")
def client(shared_world: World) -> Iterator[httpx.Client]:
    """Popularity i00, i01, …; ada saw i00 and i02 and her features are 3 hours old, bob's likewise."""
    world = shared_world
    world.register("one", champion=True)
    early = NOW - 10 * HOUR
    world.go_online(
        ("ada", "i00", early), ("ada", "i02", early + HOUR), ("bob", "i01", early), cut=NOW - 3 * HOUR
    )
    with serving(world.config()) as opened:
        yield opened


def test_a_user_gets_a_list_from_her_features_and_is_told_their_age(
    client: httpx.Client, shared_world: World
):
    answer = ask(client, user_id="ada", k=3)
    assert items_of(answer) == ["i01", "i03", "i04"]
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert answer["items"][0]["title"] == "Film i01 one"
    assert answer["fallback"] is None
    features = answer["features"]
    assert (features["source"], features["feature_set"]) == ("online", "f" * 12)
    assert (features["num_events"], features["stale"]) == (2, False)
    assert features["age_seconds"] == pytest.approx(3 * 3600, abs=1)
    assert features["as_of"].startswith("2026-11-29T08:59:59.999999")
    model, registered = answer["model"], shared_world.client.get_model_version(shared_world.model_name, "1")
    assert (model["name"], model["version"]) == (shared_world.model_name, "1")
    assert model["bundle"] == registered.tags["recloop.bundle"]
    assert (model["arm"], model["feature_set"]) == ("popularity", "f" * 64)


def test_a_history_is_scored_as_given_and_strangers_in_it_are_named(client: httpx.Client):
    answer = ask(client, history=["i01", "never heard of", "i00"], times=[1, 2, 2], k=2)
    assert items_of(answer) == ["i02", "i03"]
    assert answer["unknown_items"] == ["never heard of"]
    assert answer["features"]["source"] == "request"
    assert answer["features"]["as_of"] is None


def test_a_given_history_goes_before_the_users_own(client: httpx.Client):
    assert items_of(ask(client, user_id="ada", history=["i01"], k=2)) == ["i00", "i02"]


def test_an_unknown_user_gets_the_list_of_an_empty_history_and_it_says_so(client: httpx.Client):
    answer = ask(client, user_id="nobody", k=3)
    assert items_of(answer) == items_of(ask(client, history=[], k=3)) == ["i00", "i01", "i02"]
    assert answer["fallback"] == "new_user"
    assert answer["features"]["source"] == "none"


def test_filters_leave_only_what_was_asked_for(client: httpx.Client):
    assert items_of(ask(client, user_id="ada", k=3, categories=["Comedy"])) == ["i04", "i06", "i08"]
    assert items_of(ask(client, user_id="ada", k=3, exclude=["i01", "i04"])) == ["i03", "i05", "i06"]
    assert items_of(ask(client, user_id="ada", k=2, exclude_seen=False)) == ["i00", "i01"]
    assert len(items_of(ask(client, user_id="ada", k=100))) == len(ITEMS) - 2


def test_excluding_many_still_fills_the_list(client: httpx.Client):
    answer = ask(client, user_id="bob", k=5, exclude=ITEMS[:12])
    assert items_of(answer) == ITEMS[12:17]


def test_seen_items_stay_where_the_version_was_judged_with_them(world: World):
    world.register("kept", champion=True, tags={"recloop.filter_seen": "false"})
    with serving(world.config()) as client:
        assert items_of(ask(client, history=["i00"], k=2)) == ["i00", "i01"]
        assert items_of(ask(client, history=["i00"], k=2, exclude_seen=True)) == ["i01", "i02"]


def test_old_features_are_flagged_or_refused(world: World):
    world.register("one", champion=True)
    world.go_online(("ada", "i00", NOW - 90 * HOUR), cut=NOW - 80 * HOUR)
    with serving(world.config(max_feature_age_hours=48)) as client:
        assert ask(client, user_id="ada")["features"]["stale"] is True
        refused = client.post("/v1/recommendations", json={"user_id": "ada", "refuse_stale": True})
        assert refused.status_code == 409
        assert refused.json()["error"]["code"] == "stale_features"
        assert "80.0 h old, and 48.0 h" in refused.json()["error"]["message"]
        metrics = client.get("/metrics").text
        assert "recloop_stale_answers_total 1.0" in metrics
    with serving(world.config(max_feature_age_hours=81)) as client:
        assert ask(client, user_id="ada", refuse_stale=True)["features"]["stale"] is False


def test_a_store_that_cannot_be_read_costs_only_those_who_need_it(world: World):
    """The online table goes while the server runs, as a store that is down."""
    world.register("one", champion=True)
    world.go_online(("ada", "i00", NOW - 2 * HOUR), cut=NOW - HOUR)
    with serving(world.config()) as client:
        assert ask(client, user_id="ada")["features"]["source"] == "online"
        with closing(sqlite3.connect(world.home / "feast" / "online.db")) as online:
            online.execute("DROP TABLE recloop_user_sequence")
        refused = client.post("/v1/recommendations", json={"user_id": "ada"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "features_unreachable")
        assert items_of(ask(client, user_id="ada", history=["i00"], k=1)) == ["i01"]


def test_features_of_tomorrow_are_stale(world: World):
    world.register("one", champion=True)
    world.go_online(("ada", "i00", NOW), cut=NOW + HOUR)
    with serving(world.config()) as client:
        assert ask(client, user_id="ada")["features"]["stale"] is True


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "give user_id, or history"),
        ({"user_id": "ada", "k": 0}, "k: Input should be greater"),
        ({"user_id": "ada", "k": 101}, "k: 101 asked for, at most 100"),
        ({"user_id": "ada", "colour": "red"}, "colour: Extra inputs"),
        ({"history": ["i00"], "times": [1, 2]}, "times: 2 for 1 items"),
        ({"history": ["i00", "i01"], "times": [2, 1]}, "oldest first"),
        ({"history": ["i00"] * 513}, "history: 513 asked for, at most 512"),
        ({"user_id": "ada", "exclude": ["x"] * 201}, "exclude: 201 asked for"),
        ({"user_id": "ada", "categories": ["Western"]}, "categories: one of them is not known"),
        (
            {"user_id": "ada", "available_at": "2026-01-01T00:00:00"},
            "available_at: Input should have timezone",
        ),
        ({"user_id": "a\0b"}, "control characters"),
        ({"user_id": ""}, "user_id: String should have at least 1"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(client: httpx.Client, asked: dict, told: str):
    answer = client.post("/v1/recommendations", json=asked)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"
    assert told in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "user", ["<script>alert(1)</script>", "🦊", "‮evil", "'; DROP TABLE users; --", "=1+1"]
)
def test_strange_user_ids_are_users_like_others(client: httpx.Client, user: str):
    answer = client.post("/v1/recommendations", json={"user_id": user})
    assert answer.json()["user_id"] == user
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("body", [b"", b"{", b'{"user_id": "\\ud800"}', b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_request_is_refused(client: httpx.Client, body: bytes):
    answer = client.post("/v1/recommendations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"


def test_only_items_that_are_available_by_then(world: World):
    import numpy as np

    from components.features.store.offline import write_item_vectors
    from components.features.store.opening import open_store
    from components.features.vectors import ItemVectors

    world.register("one", champion=True)
    open_store(world.home / "feast")
    vectors = ItemVectors(
        item_ids=np.array(ITEMS, dtype=object),
        vectors={"text": np.ones((len(ITEMS), 2), dtype=np.float32)},
        present={"text": np.ones(len(ITEMS), dtype=bool)},
        encoders={"text": "made-up"},
        health={},
    )
    available = [NOW + timedelta(days=place - 2) for place in range(len(ITEMS))]
    write_item_vectors(world.home / "feast", vectors, available_at=available, known_at=NOW)
    with serving(world.config()) as client:
        assert items_of(ask(client, history=["i01"], only_available=True)) == ["i00", "i02"]
        then = (NOW + timedelta(days=1)).isoformat()
        assert items_of(ask(client, history=["i01"], available_at=then)) == ["i00", "i02", "i03"]
        assert len(items_of(ask(client, history=["i01"]))) == 10
