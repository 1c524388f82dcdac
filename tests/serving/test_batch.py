"""Batch scoring on a real store and registry: what the server would answer, in pieces, the same after a kill."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifact import verified
from components.features.store.live import push_event
from components.features.store.live_merge import LiveEvent
from components.features.store.offline import latest_sequences
from components.features.store.opening import open_store
from components.serving.batch import BatchFigures, BatchRun, read_parts, score_everybody
from components.serving.histories import UserHistories
from components.serving.loaded import LoadedVersion, load_version
from tests.serving.world import HOUR, ITEMS, NOW, World, ask, items_of, serving

ROOT = Path(__file__).resolve().parents[2]
USERS = [f"u{number:03d}" for number in range(230)]


def run_of(version: LoadedVersion, **changes: object) -> BatchRun:
    plain = BatchRun(
        run="nightly", model_version=version.version, bundle=version.digest, feature_set="f" * 12, k=5,
        exclude_seen=version.excludes_seen, users_at_once=50,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def prepared(world: World, **tags: str) -> LoadedVersion:
    """230 users who saw 1 to 8 items each, one of them only what nobody knows; a champion."""
    registered = world.register(
        "one", champion=True, tags={f"recloop.{name}": value for name, value in tags.items()}
    )
    rows = [
        (user, ITEMS[(at * 7 + step) % len(ITEMS)], NOW - 10 * HOUR + timedelta(minutes=step))
        for at, user in enumerate(USERS)
        for step in range(1 + at % 8)
    ]
    rows.append(("stranger", "no item of any catalogue", NOW - 9 * HOUR))
    world.go_online(*rows, cut=NOW - 3 * HOUR)
    return load_version(registered, artifacts=world.home / "fetched", available_since={})


def scored(
    world: World, version: LoadedVersion, pushed: tuple[str, ...] = (), **changes: object
) -> tuple[pd.DataFrame, BatchFigures, Path]:
    store = open_store(world.home / "feast")
    source = UserHistories(store=store, cut=latest_sequences(store.home), pushed=pushed)
    ref, figures = score_everybody(
        version, source, run_of(version, **changes), world.home / "artifacts", now=lambda: NOW,
        parents={"bundle": version.digest},
    )  # fmt: skip
    return pa.concat_tables(read_parts(ref)).to_pandas(), figures, Path(ref.path)


def test_online_and_batch_give_the_same_lists_from_the_same_features(world: World):
    """200 users and more, some with events of a minute ago, one who is new and one with strange items alone."""
    version = prepared(world)
    store = open_store(world.home / "feast")
    live = ("u003", "u120", "only-posted")
    for number, user in enumerate(live):
        event = LiveEvent(
            event_id=f"e{number}", item_id=ITEMS[number], event_type="view", micros=int(NOW.timestamp() * 1e6)
        )
        push_event(store, user, event)
    frame, figures, _ = scored(world, version, pushed=live)
    lists = {user: rows["item_id"].tolist() for user, rows in frame.groupby("user_id")}
    assert lists.keys() == {*USERS, "stranger", "only-posted", ""}
    assert (figures.num_users, figures.num_fallback) == (len(USERS) + 2, 1)
    as_of = dict(zip(frame["user_id"], frame["features_as_of"], strict=True))
    told = frame["fallback"].astype(object).where(frame["fallback"].notna(), None)
    fallbacks = dict(zip(frame["user_id"], told, strict=True))
    with serving(world.config()) as client:
        for user in [*USERS, "stranger", "only-posted"]:
            answer = ask(client, user_id=user, k=5)
            assert items_of(answer) == lists[user], user
            assert answer["features"]["as_of"] == as_of[user].isoformat()
            assert answer["fallback"] == fallbacks[user]
            assert (answer["model"]["bundle"], answer["features"]["feature_set"]) == (
                version.digest,
                "f" * 12,
            )
        new = ask(client, user_id="nobody", k=5)
    assert items_of(new) == lists[""]
    assert new["fallback"] == "new_user"
    assert pd.isna(as_of[""])


def test_a_row_says_what_made_it_and_how_fresh_that_was(world: World):
    version = prepared(world)
    frame, figures, path = scored(world, version)
    assert frame["rank"].tolist()[:7] == [1, 2, 3, 4, 5, 1, 2]
    row = frame[frame["user_id"] == "u000"].iloc[0]
    assert (row["model_version"], row["bundle"], row["feature_set"]) == (
        version.version,
        version.digest,
        "f" * 12,
    )
    assert row["features_as_of"] == pd.Timestamp(NOW - 3 * HOUR) - pd.Timedelta(microseconds=1)
    assert row["scored_at"] == pd.Timestamp(NOW)
    fallbacks = dict(zip(frame["user_id"], frame["fallback"].astype(object), strict=True))
    assert (fallbacks[""], fallbacks["stranger"]) == ("new_user", "no_known_item")
    assert pd.isna(fallbacks["u000"])
    manifest = verified(path)
    assert manifest["config"]["run"] == "nightly"
    assert manifest["parents"] == {"bundle": version.digest}
    assert sorted(manifest["files"]) == ["new-user.parquet", *(f"part-0000{n}.parquet" for n in range(5))]
    assert figures.scored_at == NOW.isoformat()


@pytest.mark.parametrize("judged", ["true", "false"])
def test_seen_items_are_left_out_as_the_version_was_judged(world: World, judged: str):
    """In batch and online alike: all-time popularity, so a user who keeps seen items gets the first of all."""
    version = prepared(world, filter_seen=judged)
    frame, _, _ = scored(world, version)
    with serving(world.config()) as client:
        online = items_of(ask(client, user_id="u000", k=5))
    batch = frame.loc[frame["user_id"] == "u000", "item_id"].tolist()
    assert batch == online == (ITEMS[:5] if judged == "false" else ITEMS[1:6])


def test_nobody_with_features_and_nothing_but_posted_events(world: World):
    registered = world.register("one", champion=True)
    version = load_version(registered, artifacts=world.home / "fetched", available_since={})
    world.go_online(cut=NOW)
    store = open_store(world.home / "feast")
    source = UserHistories(store=store, cut=None, pushed=("unheard of",))
    ref, figures = score_everybody(
        version, source, run_of(version), world.home / "artifacts", now=lambda: NOW, parents={}
    )
    assert figures.num_users == 0
    assert [set(part["user_id"].to_pylist()) for part in read_parts(ref)] == [{""}]


SCORE = """
import os, sys
from datetime import timedelta
from pathlib import Path
import tests.serving.test_batch as module
from components.registry import tracking, versions
from components.serving.loaded import load_version
from tests.serving.world import HOUR, NOW, World
world = World(home=Path(sys.argv[1]), tracking_uri=sys.argv[2], model_name=sys.argv[3])
for hours, point in enumerate(sys.argv[4:]):
    if not (pid := os.fork()):
        os.environ["CRASH_AT"] = point
        tracking.configure(world.tracking_uri)
        champion = versions.require_champion(world.model_name)
        module.NOW = NOW + hours * HOUR
        module.scored(world, load_version(champion, artifacts=world.home / "fetched", available_since={}))
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(status, *sorted(path.name for path in (world.home / "artifacts/recommendations").iterdir()), flush=True)
"""


def test_killed_at_every_step_it_goes_on_and_ends_in_the_same_bytes(world: World):
    """Later runs have a later clock; what is scored says the moment at which the first of them began."""
    version = prepared(world)
    _, _, undisturbed = scored(world, version)
    shutil.rmtree(undisturbed.parent)
    points = [f"scoring:{step}" for step in ("begun", "new-user", "part-00002", "published")]
    told = subprocess.run(
        [sys.executable, "-c", SCORE, str(world.home), world.tracking_uri, world.model_name, *points, "none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.splitlines() == [
        *["-9 .begun-nightly"] * 3,  # nothing is there half
        f"-9 .begun-nightly {undisturbed.name}",
        f"0 {undisturbed.name}",
    ], told.stderr
    verified(undisturbed)


def test_memory_holds_one_chunk_however_the_file_is_laid_out(world: World):
    """Chunks are of the size that was asked for, over row groups of another size, and each user is in one."""
    prepared(world)
    store = open_store(world.home / "feast")
    cut = latest_sequences(store.home)
    assert cut is not None
    pq.write_table(pq.read_table(cut), cut, row_group_size=33)
    chunks = list(UserHistories(store=store, cut=cut).chunks(50))
    assert [len(chunk) for chunk in chunks] == [50, 50, 50, 50, 31]
    assert sorted(pa.concat_tables(chunks)["user_id"].to_pylist()) == sorted([*USERS, "stranger"])


def test_partitions_are_the_chunks_each_read_alone(world: World):
    """Whoever had events pushed comes last in their chunk, whoever is in no cut in chunks at the end."""
    prepared(world)
    store = open_store(world.home / "feast")
    live = ("u003", "u120", "only-posted", "posted-too")
    for number, user in enumerate(live):
        event = LiveEvent(
            event_id=f"e{number}", item_id=ITEMS[number], event_type="view", micros=int(NOW.timestamp() * 1e6)
        )
        push_event(store, user, event)
    cut = world.home / "cut.parquet"
    found = latest_sequences(store.home)
    assert found is not None
    for rows_a_group, size in ((13, 7), (13, 50), (1000, 7), (1000, 500)):
        pq.write_table(pq.read_table(found), cut, row_group_size=rows_a_group)
        source = UserHistories(store=store, cut=cut, pushed=(*live, "of whom nothing is known"))
        whole, partitions = list(source.chunks(size)), source.partitions(size)
        assert len(partitions) == len(whole)
        for number, chunk in enumerate(whole):
            ((found_number, alone),) = partitions.chunks(number, number + 1)
            assert (found_number, alone.to_pylist()) == (number, chunk.to_pylist())
        together = [table.to_pylist() for _, table in partitions.chunks(1, len(whole))]
        assert together == [chunk.to_pylist() for chunk in whole[1:]]
