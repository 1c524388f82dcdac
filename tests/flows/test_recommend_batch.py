"""`recloop score` on a real home: killed at every step, served all at once, the same as online, and taken back.

The home is that of the finished demo; the champion moves in the last test, and is put back.
"""

from __future__ import annotations

import json
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pandas as pd
import pytest

from components.artifact import verified
from components.features.store.lists import pushed_lists
from components.features.store.opening import open_store
from tests.flows.worlds import Home

PLACES = 50  # of 60 items: what a user may get is nearly all in the list
KILLS = (
    "identify new items:before-record",
    "refresh features:before-record",
    "scoring:begun",
    "scoring:part-00001",  # of three
    "scoring:published",
    "score users:before-record",
    "recommendations:before-commit",
    "write lists:before-record",
    "push lists:start",
    "push lists:before-record",
    "push lists:after-record",  # everything is written, and the pointer has not moved
)
ASKED = ("score", "-k", str(PLACES))


@dataclass(frozen=True)
class Scored:
    home: Home
    told: str
    run: str
    lists: pd.DataFrame  # from parquet
    folder: Path


@pytest.fixture(scope="module")
def scored(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Killed at each of KILLS, then run to its end: until then nothing is served."""
    at_once = {"RECLOOP_SCORE_USERS_AT_ONCE": "100"}
    for point in KILLS:
        killed = finished.recloop(*ASKED, CRASH_AT=point, **at_once)
        assert killed.returncode == -signal.SIGKILL, f"{point} never fired\n{killed.stderr}"
        assert finished.rows("SELECT * FROM served_runs") == [], point
    done = finished.recloop_afresh(*ASKED, **at_once)
    assert done.returncode == 0, done.stdout + done.stderr
    ((run,),) = finished.rows("SELECT run FROM served_runs")
    # killed between publishing and record, a run publishes anew, scored at another moment: the record tells which
    ((output,),) = finished.rows("SELECT output FROM stage_journal WHERE stage = 'score users'")
    folder = Path(json.loads(output)["lists"]["path"])
    return Scored(finished, done.stdout, run, pd.read_parquet(sorted(folder.glob("*.parquet"))), folder)


def test_the_same_lists_lie_in_parquet_warehouse_and_online_store(scored: Scored) -> None:
    home, frame = scored.home, scored.lists
    manifest = verified(scored.folder)
    assert manifest["config"]["run"] == scored.run
    assert len(sorted(scored.folder.glob("part-*.parquet"))) == 3
    rows = home.rows(
        "SELECT user_id, rank, item_id, score, model_version, features_as_of, scored_at FROM recommendations "
        f"WHERE run = '{scored.run}' ORDER BY user_id, rank"
    )
    frame = frame.sort_values(["user_id", "rank"], kind="stable")
    known = frame["features_as_of"].notna()
    as_of = [
        at if is_known else None
        for at, is_known in zip(frame["features_as_of"].astype("int64"), known, strict=True)
    ]
    expected = zip(
        frame["user_id"], frame["rank"], frame["item_id"], frame["score"], frame["model_version"],
        as_of, frame["scored_at"].astype("int64"), strict=True,
    )  # fmt: skip
    assert rows == [tuple(row) for row in expected]
    users_with_events = {user for (user,) in home.rows("SELECT DISTINCT user_id FROM events")}
    assert set(frame["user_id"]) == users_with_events | {""}
    users = sorted(set(frame["user_id"]))
    pushed = pushed_lists(open_store(home.settings.feast_home), scored.run, users)
    for user, found in zip(users, pushed, strict=True):
        own = frame[frame["user_id"] == user]
        assert found is not None
        assert list(found.item_ids) == own["item_id"].tolist()
        assert {(found.model_version, found.bundle, found.feature_set)} == {
            *zip(own["model_version"], own["bundle"], own["feature_set"], strict=True)
        }


def test_every_row_is_traced_to_what_made_it(scored: Scored) -> None:
    home, champion = scored.home, scored.home.champion()
    tags = home.version_tags()[str(champion)]
    assert set(scored.lists["model_version"]) == {champion}
    assert set(scored.lists["bundle"]) == {tags["recloop.bundle"]}
    (as_of,) = home.rows("SELECT max(as_of) FROM cycles")[0]
    own = scored.lists[scored.lists["user_id"] != ""]
    # this home is shared: whom another test let post an event has features of that later moment
    posted = {
        user
        for spool in home.settings.home.glob("events/*/events.csv")
        for user in pd.read_csv(spool)["user_id"]
    }
    moments = own["features_as_of"].astype("int64")
    assert set(moments[~own["user_id"].isin(posted)]) == {as_of - 1}
    assert (moments[own["user_id"].isin(posted)] > as_of).all()
    (told,) = home.rows(f"SELECT feature_set, is_batch FROM recommendation_runs WHERE run = '{scored.run}'")
    assert told == (home.outputs(1)["encode items"]["feature_set"]["digest"], 1)
    assert set(scored.lists["feature_set"]) == {told[0]}
    row = own.iloc[0]
    traced = home.recloop("lineage", "--user", row["user_id"], "--item", row["item_id"])
    assert traced.returncode == 0, traced.stderr
    for part in (scored.run, told[0], tags["recloop.bundle"], tags["recloop.snapshot"]):
        assert part in traced.stdout


def test_items_that_came_after_the_training_are_in_the_lists(scored: Scored) -> None:
    """By the champion's own tokenizer, beside its bundle; the version is not registered anew."""
    home = scored.home
    (new,) = (home.settings.artifacts / "new_items").iterdir()
    identified = set(pd.read_parquet(new / "semantic_ids.parquet")["item_id"])
    bundle = (
        home.settings.artifacts / "bundle" / home.version_tags()[str(home.champion())]["recloop.bundle"][:20]
    )
    assert identified
    assert not identified & set(pd.read_parquet(bundle / "items.parquet")["item_id"])
    assert identified <= set(scored.lists["item_id"])
    assert len(home.version_tags()) == 2


def test_the_closing_lines_say_what_came_of_it(scored: Scored) -> None:
    told = " ".join(scored.told.split())
    assert re.search(r"version \d: 300 users, \d+ different items, [\d.]+ s", told), told
    assert "0 users with nothing that the version knows" in told
    assert re.search(r"new items \d+ of \d+ items that came after", told)
    assert f"run {scored.run}, served since 20" in told


def test_the_same_command_again_changes_nothing(scored: Scored) -> None:
    tables = ("served_runs", "recommendation_runs", "stage_journal")

    def state() -> list[object]:
        return [
            *(scored.home.rows(f"SELECT count(*) FROM {table}") for table in tables),
            scored.folder.exists(),
        ]

    before = state()
    again = scored.home.recloop(
        *ASKED
    )  # with chunks of another size: the stage is another, and so are its parts
    assert again.returncode == 0, again.stderr
    once_more = scored.home.recloop(*ASKED)
    assert "had been made before" in once_more.stdout
    assert state()[0] == [(before[0][0][0] + 1,)]  # type: ignore[index]


def test_online_gives_the_lists_of_the_batch(scored: Scored) -> None:
    """200 users over HTTP; where scores are equal to rounding, which of two comes first may differ."""
    own = scored.lists[scored.lists["user_id"] != ""]
    users = sorted(set(own["user_id"]))[:200]
    assert len(users) == 200
    equal = 0
    with scored.home.running("serve", "--port", "0") as (child, lines):
        address = next(found[1] for line in lines if (found := re.search(r"at (http://\S+:\d+) ", line)))
        with httpx.Client(base_url=address, timeout=60) as client:
            while client.get("/ready").status_code != 200:
                assert child.poll() is None
                time.sleep(0.1)
            for user in users:
                answer = client.post("/v1/recommendations", json={"user_id": user, "k": PLACES}).json()
                batch = own[own["user_id"] == user].sort_values("rank")
                online = {item["item_id"]: item["score"] for item in answer["items"]}
                assert sorted(online.values(), reverse=True) == pytest.approx(
                    batch["score"].tolist(), abs=1e-4
                )
                assert answer["model"]["bundle"] == batch["bundle"].iloc[0]
                assert answer["features"]["feature_set"] == batch["feature_set"].iloc[0]
                assert pd.Timestamp(answer["features"]["as_of"]) == batch["features_as_of"].iloc[0]
                equal += list(online) == batch["item_id"].tolist()
        child.terminate()
        child.wait(60)
    assert equal >= 198


def test_what_erasure_and_pruning_would_take_of_it(scored: Scored) -> None:
    user = sorted(set(scored.lists["user_id"]) - {""})[0]
    planned = scored.home.recloop("erase", "--user", user, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    words = [line.split(maxsplit=1) for line in planned.stdout.splitlines()]
    counts = {name: int(count.replace(",", "")) for count, name in words if count.replace(",", "").isdigit()}
    assert counts["recommendations in parquet"] >= PLACES / 2
    assert counts["recommendations"] >= PLACES / 2
    pruned = scored.home.recloop("prune", "--older-than", "0", "--dry-run")
    assert pruned.returncode == 0, pruned.stderr
    assert "of batch scoring" in pruned.stdout


def test_a_rollback_serves_the_lists_that_its_version_served(scored: Scored) -> None:
    """Nothing is scored again: the pointer moves back."""
    home, champion = scored.home, str(scored.home.champion())
    (other,) = home.version_tags().keys() - {champion}
    ((before,),) = home.rows("SELECT run FROM served_runs ORDER BY id DESC LIMIT 1")
    assert home.recloop("promote", "--version", other, "--reason", "a drill", "--force").returncode == 0
    done = home.recloop(*ASKED)
    assert done.returncode == 0, done.stderr
    ((newest, version),) = home.rows(
        "SELECT s.run, r.model_version FROM served_runs s JOIN recommendation_runs r ON r.run = s.run "
        "ORDER BY s.id DESC LIMIT 1"
    )
    assert (newest != before, version) == (True, other)
    back = home.recloop("rollback", "--reason", "the drill is over")
    assert back.returncode == 0, back.stderr
    assert f"the lists of version {champion} are served again: run {before}" in " ".join(back.stdout.split())
    assert home.rows("SELECT run, action FROM served_runs ORDER BY id DESC LIMIT 1") == [(before, "restore")]
    assert home.champion() == champion
    assert json.loads((scored.folder / "manifest.json").read_text())["config"]["run"] == scored.run
