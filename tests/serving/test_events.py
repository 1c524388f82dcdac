"""Events over HTTP: the next list sees them, repeats change nothing, and the next ingestion finds them all."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest

from components.data import ingest, queries
from components.data.contracts.batch_check import ContractConfig, check_batch
from components.data.sources.folder import read_folder
from components.data.warehouse import open_warehouse
from components.features.sequences import sequence_frame, user_sequences
from components.features.store.live import make_ready, user_states
from components.features.store.opening import open_store
from components.serving.intake import Intake
from components.serving.messages import PostedEvent
from components.serving.spool import EventSpool, SpooledEvent
from tests.registry.crashing import killed_at
from tests.serving.world import HOUR, ITEMS, NOW, World, ask, items_of, serving

MINUTE = timedelta(minutes=1)


def post(client: httpx.Client, user: str, item: str, minutes_ago: float, **more: object) -> httpx.Response:
    moment = (NOW - minutes_ago * MINUTE).isoformat()
    return client.post("/v1/events", json={"user_id": user, "item_id": item, "timestamp": moment, **more})


def ingested(spool: Path, home: Path) -> tuple[ingest.LandedBatch, pd.DataFrame]:
    """What `recloop ingest --source SPOOL/DAY` does with it; the items were known before."""
    (day,) = sorted(spool.iterdir())
    warehouse = open_warehouse(f"sqlite:///{home}/warehouse.db")
    checked = check_batch(
        read_folder(day), as_of=NOW + HOUR, known_items=ITEMS, gx_root=home / "gx", config=ContractConfig()
    )
    assert checked.quarantined.empty
    landed = ingest.land_batch(warehouse, checked)
    users = sorted(set(checked.events["user_id"]))
    log = pd.concat(
        [
            queries.user_history(warehouse, user, before=NOW + HOUR, limit=999).assign(user_id=user)
            for user in users
        ]
    )
    return landed, log


def test_a_list_changes_with_an_event_of_a_minute_ago_without_retraining(world: World):
    world.register("one", champion=True)
    world.go_online(("ada", "i00", NOW - 90 * HOUR), cut=NOW - 80 * HOUR)
    with serving(world.config(events_spool=world.home / "spool")) as client:
        before = ask(client, user_id="ada", k=2)
        assert (items_of(before), before["features"]["stale"]) == (["i01", "i02"], True)
        taken = post(client, "ada", "i01", 1)
        assert (taken.status_code, taken.json()["is_new"], taken.json()["is_known_item"]) == (200, True, True)
        after = ask(client, user_id="ada", k=2)
        assert items_of(after) == ["i02", "i03"]
        features = after["features"]
        assert (features["num_events"], features["stale"]) == (2, False)
        assert features["age_seconds"] == 60
        assert ask(client, user_id="new")["fallback"] == "new_user"
        post(client, "new", "i00", 2)
        newcomer = ask(client, user_id="new", k=1)
        assert (items_of(newcomer), newcomer["fallback"]) == (["i01"], None)
        assert 'recloop_events_total{outcome="new"} 2.0' in client.get("/metrics").text


def test_events_in_any_order_are_one_sequence_and_are_ingested_as_that(world: World):
    """Three events, two of one second, in all six orders, each sent twice; then what ingestion makes of them."""
    world.register("one", champion=True)
    sent = [("i03", 5.0, "view"), ("i01", 5.0, "buy"), ("i02", 30.0, "view")]
    with serving(world.config(events_spool=world.home / "spool")) as client:
        for number, order in enumerate(itertools.permutations(sent)):
            for item, ago, kind in order:
                first = post(client, f"u{number}", item, ago, event_type=kind)
                again = post(client, f"u{number}", item, ago, event_type=kind)
                assert (first.json()["is_new"], again.json()["is_new"]) == (True, False)
                assert first.json()["event_id"] == again.json()["event_id"]
    store = open_store(world.home / "feast")
    states = user_states(store, [f"u{number}" for number in range(6)])
    assert [list(state.sequence().item_ids) for state in states] == [["i02", "i01", "i03"]] * 6
    landed, log = ingested(world.home / "spool", world.home)
    assert (landed.received, landed.accepted, landed.duplicates) == (18, 18, 0)
    offline = sequence_frame(user_sequences(log.assign(event_id=range(len(log))), cutoff=NOW + HOUR))
    for state, (_, row) in zip(states, offline.iterrows(), strict=True):
        found = state.sequence()
        assert [list(found.item_ids), list(found.event_types), list(found.times)] == [
            row["item_ids"],
            row["event_types"],
            row["times"],
        ]


def test_many_at_once_for_one_user_are_all_kept(world: World):
    world.register("one", champion=True)
    with serving(world.config(events_spool=world.home / "spool")) as client, ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda n: post(client, "ada", ITEMS[n % 20], n), range(40)))
        assert {answer.status_code for answer in answers} == {200}
        assert ask(client, user_id="ada")["features"]["num_events"] == 40
    assert ingested(world.home / "spool", world.home)[0].accepted == 40


def test_what_cannot_be_an_event_is_refused_and_kept_nowhere(world: World):
    world.register("one", champion=True)
    spool = world.home / "spool"
    with serving(world.config(events_spool=spool)) as client:
        for minutes_ago, more, status in (
            (-6, {}, 422),  # the future
            (1, {"event_type": "a\nb"}, 422),
            (1, {"value": "NaN"}, 422),
            (1, {"item_id": ""}, 422),
            (1, {"user_id": "a" * 257}, 422),
        ):
            assert post(client, "ada", "i00", minutes_ago, **more).status_code == status
        naive = {"user_id": "ada", "item_id": "i00", "timestamp": "2026-11-29T00:00:00"}
        assert client.post("/v1/events", json=naive).status_code == 422
        assert not spool.exists()
        assert post(client, "ada", "i00", 1, event_id="mine").status_code == 200
        other = post(client, "ada", "i01", 1, event_id="mine")
        assert (other.status_code, other.json()["error"]["code"]) == (409, "event_conflict")
        assert items_of(ask(client, user_id="ada", k=1)) == ["i01"]
    (file,) = spool.glob("*/events.csv")
    assert len(file.read_text().splitlines()) == 2


def test_a_strange_item_is_taken_and_named_as_one(world: World):
    world.register("one", champion=True)
    with serving(world.config(events_spool=world.home / "spool")) as client:
        assert post(client, "ada", "=cmd()|'x'!A1, \"🦊\"", 1).json()["is_known_item"] is False
        assert items_of(ask(client, user_id="ada", k=1)) == ["i00"]
    (day,) = (world.home / "spool").iterdir()
    assert read_folder(day).events["item_id"].tolist() == ["=cmd()|'x'!A1, \"🦊\""]


def spooled(number: int) -> SpooledEvent:
    return SpooledEvent(
        event_id=f"e{number}", user_id="a,b", item_id='"q"', event_type="view", timestamp=NOW, value=0.1
    )


def test_a_line_that_a_crash_cut_short_is_dropped_and_the_rest_stays(tmp_path: Path):
    spool = EventSpool(tmp_path)
    day = spool.append(spooled(0), arrived_at=NOW)
    spool.close()
    with (day / "events.csv").open("ab") as file:
        file.write(b"e1,half a li")
    again = EventSpool(tmp_path)
    again.append(spooled(2), arrived_at=NOW)
    again.append(spooled(3), arrived_at=NOW + timedelta(days=1))
    again.close()
    assert read_folder(day).events[["event_id", "user_id", "item_id"]].to_numpy().tolist() == [
        ["e0", "a,b", '"q"'],
        ["e2", "a,b", '"q"'],
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2026-11-29", "2026-11-30"]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The system call itself is made to fail as a full disk makes it fail: part of the line, then an error."""
    spool = EventSpool(tmp_path)
    day = spool.append(spooled(0), arrived_at=NOW)
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:7]))
    with pytest.raises(OSError, match="part of a line"):
        spool.append(spooled(1), arrived_at=NOW)
    monkeypatch.undo()
    spool.append(spooled(2), arrived_at=NOW)
    assert read_folder(day).events["event_id"].tolist() == ["e0", "e2"]


@pytest.mark.parametrize("point", ["event:on-disk", "event:online"])
def test_an_event_whose_taking_was_killed_is_taken_once_when_it_is_posted_again(tmp_path: Path, point: str):
    """No answer was given, so the client posts it again: one event online, and one for the next ingestion."""
    store = open_store(tmp_path / "feast")
    make_ready(store)
    posted = PostedEvent(user_id="ada", item_id="i01", timestamp=NOW - MINUTE, event_type="view")

    def take() -> None:
        spool = EventSpool(tmp_path / "spool")
        (taken,) = Intake(store=open_store(store.home), spool=spool).take([posted], now=NOW)
        spool.close()
        assert not isinstance(taken, BaseException), taken

    killed_at(point, take)
    take()
    (state,) = user_states(open_store(store.home), ["ada"])
    assert list(state.sequence().item_ids) == ["i01"]
    landed, log = ingested(tmp_path / "spool", tmp_path)
    assert (landed.accepted, log["item_id"].tolist()) == (1, ["i01"])
