"""An id is itself everywhere: warehouse, day files, ID table, vocabulary, lists that are served, exports.

What no file can hold (a lone surrogate, NUL) and what is no id (blanks) is refused with the name of the column.
"""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from components.artifact import publish
from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch
from components.data.contracts.batch_check import check_batch
from components.data.csv_file import write_csv
from components.data.ingest import land_batch
from components.data.quarantine import list_quarantine
from components.data.recommendations import lists_of, publish_run, write_lists
from components.data.served_runs import ScoringRun
from components.data.snapshot import read_events, read_items, take_snapshot
from components.data.warehouse import Engine, open_warehouse
from components.features.sequences import user_sequences
from components.recommender.codes.vocabulary import vocabulary_of
from components.recommender.sequences import TrainingSequences
from components.tokenizer.id_table import publish_id_table, read_id_table
from components.tokenizer.ids import append, with_collision_tokens
from tests.data.landing import at
from tests.data.test_quarantine import LIMITS
from tests.faults.property import Property

_BY_HAND = (
    "007", "7", "07", "7.0", "+7", "-0", "1e3", "1E3", "0x10", "A", "a", "ß", "SS", "ss", "é", "e\u0301", "ﬁ", "İ", "i",
    "a ", " a", "a\t", "\u00a0a", "\u200ba", "true", "True", "null", "None", "nan", "NaN", "inf", "2024-01-01", "a,b",
    'a"b', "a'b", "a\\b", "a|b", "a\nb", "😀", "אב", "\ufeffa", "=1+1", "\ud800", "a\udfff", "a\x00", "", " ",
)  # fmt: skip
Pair = tuple[str, str]  # user id, item id


def properties(folder: Path) -> Iterator[Property]:
    open_warehouse(f"sqlite:///{folder}/empty.db").dispose()
    text = st.one_of(st.sampled_from(_BY_HAND), st.text(max_size=12), st.text("0123456789. +-eE", max_size=6))
    yield Property(
        name="id round trip", where="from a source to a list that is served",
        holds="the id is exactly itself, or is refused by the name of its column",
        examples=st.tuples(text, text), check=partial(_check, folder), at_once=25,
    )  # fmt: skip


def _check(folder: Path, pairs: list[Pair]) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as home:
        shutil.copy(folder / "empty.db", f"{home}/warehouse.db")
        engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        try:
            _round(engine, Path(home), folder / "gx", pairs)
        finally:
            engine.dispose()


def _round(engine: Engine, home: Path, gx: Path, pairs: list[Pair]) -> None:
    checked = check_batch(_batch(pairs), as_of=at(1_000), known_items=set(), gx_root=gx, config=LIMITS)
    land_batch(engine, checked)
    kept = _kept(engine, pairs)
    if not kept:
        return
    ref = take_snapshot(engine, home / "artifacts", end=at(1_000))
    events, items = read_events(ref), read_items(ref)
    ours = sorted(
        (int(name), user, item) for name, user, item in events[["event_id", "user_id", "item_id"]].to_numpy()
    )
    _same(ours, sorted((n, *pairs[n]) for n in kept), "the snapshot's events")
    known = sorted(set(items["item_id"]))
    assert {pairs[n][1] for n in kept} <= set(known), "an item of an event is not in the snapshot"
    _same(
        user_sequences(events, cutoff=at(1_000))["user_id"].to_pylist(),
        sorted({pairs[n][0] for n in kept}),
        "sequences",
    )
    _in_codes(home, known)
    _in_lists(engine, home, sorted({pairs[n][0] for n in kept}), known)


def _kept(engine: Engine, pairs: list[Pair]) -> list[int]:
    """The rows that were taken in; every other one is in quarantine, for its user or its item."""
    refused = {row.source_row: row.reasons for row in list_quarantine(engine, kind="event")}
    for n, (user, item) in enumerate(pairs):
        cannot_be = [name for name in (user, item) if not name.strip() or not _is_text(name)]
        if cannot_be:
            assert n in refused, f"{cannot_be!a} was taken in as an id"
        if n in refused:
            wanted = {"bad_id", "missing_user", "missing_item", "unknown_item"}
            assert cannot_be, f"{(user, item)!a} was refused for {refused[n]}"
            assert set(refused[n]) <= wanted, f"{(user, item)!a} was refused for {refused[n]}"
    return [n for n in range(len(pairs)) if n not in refused]


def _is_text(name: str) -> bool:
    return "\x00" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _in_codes(home: Path, items: Sequence[str]) -> None:
    """Through the ID table, half of it added later, and an arm's vocabulary: an item finds its own codes."""
    ids, half = np.array(items, dtype=object), len(items) // 2
    codes = np.arange(len(ids), dtype=np.int64)[:, None] // 2
    table = with_collision_tokens(ids[half:], codes[half:], np.zeros(len(ids) - half, dtype=np.int64))
    table = append(table, ids[:half], codes[:half])
    tokenizer = publish(home / "artifacts", "tokenizer", lambda folder: None, parents={}, config={})
    back = read_id_table(
        publish_id_table(home / "artifacts", table, tokenizer=tokenizer, table_sizes=[len(ids), 2])
    )
    _same(back.item_ids.tolist(), table.item_ids.tolist(), "the ID table")
    of_item = dict(zip(back.item_ids, back.codes.tolist(), strict=True))
    own = {item: codes[n, 0] for n, item in enumerate(items)}
    assert all(of_item[item][0] == own[item] for item in items), "an item has another one's codes"
    known = TrainingSequences(
        item_ids=ids,
        items=np.zeros(1, dtype=np.int32),
        times=np.zeros(1, dtype=np.int64),
        offsets=np.array([0, 1]),
    )
    in_order = np.array([of_item[item] for item in items])
    vocabulary = vocabulary_of(known, in_order)
    _same(vocabulary.item_ids.tolist(), list(items), "the vocabulary")
    assert (vocabulary.codes == in_order).all(), "the vocabulary's codes"


def _in_lists(engine: Engine, home: Path, users: Sequence[str], items: Sequence[str]) -> None:
    """As batch scoring writes and `recommend` reads them, and as both export them."""
    rows = [(user, rank, item) for user in users for rank, item in enumerate(items[:5], start=1)]
    lists = pd.DataFrame(rows, columns=["user_id", "rank", "item_id"]).assign(
        score=0.5, features_as_of=pd.Timestamp(at(1)), scored_at=pd.Timestamp(at(2))
    )
    write_lists(engine, ScoringRun(run="r", model_version="1", bundle="", feature_set=""), lists)
    publish_run(engine, "r")
    for user in users:
        found = lists_of(engine, user)
        _same(list(found["user_id"]), [user] * len(items[:5]), "a list's user")
        _same(list(found["item_id"]), list(items[:5]), f"the list of {user!a}")
        assert json.loads(json.dumps(found["item_id"].tolist())) == list(items[:5])
    path = home / "lists.csv"
    write_csv(lists, path)
    with path.open(newline="", encoding="utf-8") as file:
        exported = [(row["user_id"], row["item_id"]) for row in csv.DictReader(file)]
    _same(exported, [(user, item) for user, _, item in rows], "an export")


def _same(ours: object, theirs: object, what: str) -> None:
    assert ours == theirs, f"{what}: {ours!a}, not {theirs!a}"


def _batch(pairs: list[Pair]) -> Batch:
    sound = {"event_type": "view", "value": None}
    told = [
        sound | {"event_id": str(n), "user_id": user, "item_id": item, "timestamp": at(n).isoformat()}
        for n, (user, item) in enumerate(pairs)
    ]
    known = [{"item_id": item, "title": "One"} for item in dict.fromkeys(item for _, item in pairs)]
    events = pd.DataFrame(told, columns=list(EVENT_COLUMNS), dtype=object)
    items = pd.DataFrame(known, columns=list(ITEM_COLUMNS), dtype=object)
    return Batch(
        source="test", events=events.assign(source_row=range(len(events))),
        items=items.assign(source_row=range(len(items))), event_key=("user_id", "item_id", "timestamp"),
    )  # fmt: skip
