"""After any users are erased no byte of them is in a home, and what is there of the others is what was there."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from components.artifact import ArtifactRef, publish
from components.data.artifact_erasure import successor_of
from components.data.batch import write_checked
from components.data.erased_users import ERASED_USER
from components.data.erasure import Place, erase_user
from components.data.ingest import land_batch
from components.data.recommendations import publish_run, record_list, write_lists
from components.data.served_runs import ScoringRun
from components.data.snapshot import read_events, take_snapshot
from components.data.warehouse import Engine, open_warehouse
from components.features.graph import item_graph
from components.features.sequences import in_order, user_sequences
from components.features.store.erasure import count_user
from components.features.store.erasure import erase_user as erase_from_store
from components.features.store.offline import lay_out, write_user_sequences
from components.features.store.opening import OpenStore, apply_definitions, open_store
from tests.data.erasing import places_but_feast
from tests.data.landing import at, bad, batch, event, item
from tests.data.test_erasure import holding
from tests.data.test_recommendations import lists
from tests.faults.home import rows_of
from tests.faults.property import Property

_NAMES = (
    "",
    "A",
    "a",
    "%",
    "_",
    "o'b",
    'q"',
    "b\\",
    "é",
    "e\u0301",
    "😀",
    "a b",
    "{",
    "&<",
    "*?[",
    "001",
    "x" * 300,
)
_END = 24.0 * 4  # hours


@dataclass(frozen=True, kw_only=True)
class _People:
    """Users by what stands before their mark, their events (user, day), and who of them is erased."""

    users: list[str]
    events: list[tuple[int, int]]
    erased: list[int]


def properties(folder: Path) -> Iterator[Property]:
    open_warehouse(f"sqlite:///{folder}/empty.db").dispose()
    store = open_store(folder / "feast")
    apply_definitions(store, feature_set="f" * 12)
    yield Property(
        name="erase complete", where="erase_user, every place of a home",
        holds="no byte of the erased is left, and the others' rows are as they were",
        examples=_people(), check=partial(_check, folder, store), at_once=25,
    )  # fmt: skip


@st.composite
def _people(draw: st.DrawFn) -> _People:
    users = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3))
    places = st.integers(0, len(users) - 1)
    return _People(
        users=users, events=draw(st.lists(st.tuples(places, st.integers(0, 3)), min_size=1, max_size=4)),
        erased=draw(st.lists(places, unique=True, max_size=len(users))),
    )  # fmt: skip


def _mark(group: int, place: int) -> str:
    return f"zq{group}-{place}qz"


def _check(folder: Path, store: OpenStore, examples: list[_People]) -> None:
    """In one home, the users of one example after those of the other."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        home = Path(scratch)
        shutil.copy(folder / "empty.db", home / "warehouse.db")
        engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        try:
            made = _build(engine, home, store, examples)
            for n, people in enumerate(examples):
                gone = {_mark(n, place): people.users[place] + _mark(n, place) for place in people.erased}
                _erase(engine, home, store, made, gone)
        finally:
            engine.dispose()


def _build(engine: Engine, home: Path, store: OpenStore, examples: list[_People]) -> list[ArtifactRef]:
    """Events, quarantine, lists, day files, a checked batch, features and a store, of all users; the artifacts."""
    root = home / "artifacts"
    users = [
        name + _mark(n, place) for n, people in enumerate(examples) for place, name in enumerate(people.users)
    ]
    rows = [
        event(
            f"{n}-{k}", user=people.users[place] + _mark(n, place), item=f"i{k % 2}", hours=24 * day + k / 9
        )
        for n, people in enumerate(examples)
        for k, (place, day) in enumerate(people.events)
    ]
    refused = [
        bad("bad_value", payload=json.dumps({"user_id": f" {user} "}), row=n) for n, user in enumerate(users)
    ]
    told = batch(*rows, items=(item("i0", "0"), item("i1", "1")), quarantined=tuple(refused))
    land_batch(engine, told)
    write_lists(engine, ScoringRun(run="r", model_version="1", bundle="", feature_set=""), lists(*users))
    publish_run(engine, "r")
    record_list(engine, user_id=users[0], item_ids=["i1"], scores=[1.0], model_version="1")
    made = [
        take_snapshot(engine, root, end=at(_END)),
        publish(root, "checked_batch", lambda folder: write_checked(told, folder), parents={}, config={}),
    ]
    log = read_events(made[0])
    sequences = user_sequences(log, cutoff=at(_END))
    made.append(publish(root, "feature_set", partial(_features, log, sequences), parents={}, config={}))
    shutil.rmtree(store.home / "offline", ignore_errors=True)
    lay_out(store.home)
    write_user_sequences(store.home, sequences)
    return made


def _features(log: pd.DataFrame, sequences: pa.Table, folder: Path) -> None:
    """The files of a feature set that hold users."""
    graph = item_graph(log, np.array(["i0", "i1"], dtype=object))
    pq.write_table(in_order(sequences), folder / "sequences.parquet")
    pq.write_table(pa.table({"user_id": pa.array(graph.user_ids, pa.string())}), folder / "users.parquet")
    edges = {"user_index": pa.array(graph.user_index), "item_index": pa.array(graph.item_index)}
    pq.write_table(pa.table(edges), folder / "graph.parquet")


def _erase(
    engine: Engine, home: Path, store: OpenStore, made: list[ArtifactRef], gone: dict[str, str]
) -> None:
    before = _others(engine, home, store, made, gone)
    for user in gone.values():
        in_store = Place(
            name="feature store", count=partial(count_user, store, user), erase=partial(erase_from_store, store, user)
        )  # fmt: skip
        erase_user(engine, user, (*places_but_feast(home, engine, user), in_store))
    for mark in gone:
        left = [*holding(home, mark), *holding(store.home, mark)]
        assert not left, f"{gone[mark]!r} is left in {left}"
    after = _others(engine, home, store, made, gone)
    for where, rows in before.items():
        assert after[where] == rows, f"erasing {list(gone.values())} changed others' rows in {where}"


def _others(
    engine: Engine, home: Path, store: OpenStore, made: list[ArtifactRef], gone: dict[str, str]
) -> dict[str, list[str]]:
    """Where -> rows that hold none of these users' marks."""
    found = {
        name: rows
        for name, rows in rows_of(home).items()
        if name in ("events", "quarantine", "recommendations")
    }
    for ref in made:
        folder = home / "artifacts" / ref.kind / _now(engine, ref.digest)[:20]
        found |= _tables(ref, folder)
    for path in sorted((store.home / "offline" / "user_sequence").glob("cut-*.parquet")):
        found[path.name] = _rows(pq.read_table(path).to_pylist())
    not_theirs = (*gone, ERASED_USER)  # of what was refused, the reason stays
    return {
        name: [row for row in rows if not any(mark in row for mark in not_theirs)]
        for name, rows in found.items()
    }


def _now(engine: Engine, digest: str) -> str:
    while (after := successor_of(engine, digest)) not in (None, digest):
        assert after is not None
        digest = after
    return digest


def _tables(ref: ArtifactRef, folder: Path) -> dict[str, list[str]]:
    if ref.kind == "snapshot":
        if not folder.exists():  # of erased users alone
            return {"snapshot": []}
        now = ArtifactRef(kind=ref.kind, digest="", path=str(folder))
        return {"snapshot": _rows(read_events(now).to_dict("records"))}
    found = {
        f"{ref.kind}/{path.name}": path for path in sorted(folder.glob("*.parquet")) if path.stem != "graph"
    }
    told = {name: _rows(pq.read_table(path).to_pylist()) for name, path in found.items()}
    if ref.kind == "feature_set":
        told["feature_set/graph"] = _edges(folder)
    return told


def _edges(folder: Path) -> list[str]:
    """By the users' names: their numbers move up."""
    users, edges = pq.read_table(folder / "users.parquet")["user_id"], pq.read_table(folder / "graph.parquet")
    return _rows(
        [{"user": users[row["user_index"]].as_py(), **row, "user_index": 0} for row in edges.to_pylist()]
    )


def _rows(rows: list[dict[Any, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, default=str, ensure_ascii=False) for row in rows)
