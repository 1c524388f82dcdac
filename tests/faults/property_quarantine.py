"""Every row that was received lies in exactly one place, and what is released lies in the warehouse."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import select

from components.data import queries
from components.data.contracts.batch_check import check_batch
from components.data.ingest import land_batch
from components.data.quarantine import QuarantinedRow, list_quarantine
from components.data.quarantine_release import release_quarantined
from components.data.schema import events as events_table
from components.data.warehouse import Engine, open_warehouse, reading
from tests.data.landing import at
from tests.data.test_quarantine import LIMITS, raw, received
from tests.faults.property import Property, names

_ITEMS = ("i1", "i2")
_AS_OF = 200.0
_REPAIRED = {"item_id": "i1", "event_type": "rating", "timestamp": at(3).isoformat(), "value": 4.0}


def properties(folder: Path) -> Iterator[Property]:
    open_warehouse(f"sqlite:///{folder}/empty.db").dispose()
    yield Property(
        name="quarantine partition", where="check_batch, land_batch, release_quarantined",
        holds="accepted + quarantined + duplicates = received, each row once, with reasons, and released rows are back",
        examples=_rows(), check=partial(_check, folder), at_once=50,
    )  # fmt: skip


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to six events, sound and broken in every column, some of one id with the same or with another payload."""
    user = st.one_of(st.sampled_from(["u1", "u2", None, "", " ", "\ud800", "a\x00"]), names)
    item = st.sampled_from([*_ITEMS, "unknown", None, ""])
    hours = st.one_of(st.integers(0, 90).map(float), st.sampled_from([_AS_OF + 1, "no time", ""]))
    value = st.one_of(
        st.floats(0, 10), st.sampled_from([None, "3", "x", float("nan"), float("inf"), -1.0, 11.0])
    )
    kind = st.sampled_from(["rating", "view", "View", "", None, "=1+1"])
    ids = st.sampled_from([None, "", "e1", "e2", "e\x00", "x" * 2_000])
    row = st.builds(
        lambda u, i, h, v, k, e: raw(u, i, h, v, event_type=k, event_id=e),
        user,
        item,
        hours,
        value,
        kind,
        ids,
    )
    found = draw(st.lists(row, min_size=1, max_size=5))
    return [*found, draw(st.sampled_from(found))] if draw(st.booleans()) else found


def _check(folder: Path, groups: list[list[dict[str, Any]]]) -> None:
    """As one batch in which no event id stands in two groups."""
    rows = [
        row | {"event_id": f"{row['event_id']}-{n}" if row["event_id"] else row["event_id"]}
        for n, group in enumerate(groups)
        for row in group
    ]
    with tempfile.TemporaryDirectory(dir=folder) as home:
        shutil.copy(folder / "empty.db", f"{home}/warehouse.db")
        engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        try:
            _partitioned(engine, folder / "gx", rows)
        finally:
            engine.dispose()


def _partitioned(engine: Engine, gx: Path, rows: list[dict[str, Any]]) -> None:
    batch = received(*rows, items=_ITEMS)
    checked = check_batch(batch, as_of=at(_AS_OF), known_items=set(), gx_root=gx, config=LIMITS)
    good, bad = set(checked.events["source_row"]), Counter(checked.quarantined["source_row"])
    assert not good & bad.keys(), "a row is in both places"
    assert good | bad.keys() == set(range(len(rows))), "a row is in no place"
    assert len(checked.events) + len(checked.quarantined) == len(rows), "a row is somewhere twice"
    result = land_batch(engine, checked)
    told = f"{result.accepted} + {result.quarantined} + {result.duplicates} of {result.received}"
    assert result.accepted + result.quarantined + result.duplicates == result.received == len(rows), told
    queue = list_quarantine(engine, kind="event")
    landed = _event_ids(engine)
    assert (len(queue), len(landed)) == (result.quarantined, result.accepted), (
        f"{told}, and other rows lie there"
    )
    for row in queue:
        assert row.reasons, f"{row} has no reason"
        assert all(row.reasons), f"{row} has an empty reason"
        _is_as_received(row, rows)
    ids = dict(zip(checked.events["source_row"], checked.events["event_id"], strict=True))
    conflicting = {row.source_row for row in queue} - bad.keys()
    lost = [n for n in good - conflicting if ids[n] not in landed]
    assert not lost, f"rows {lost} were accepted, and are not there"
    _released(engine, gx, queue, landed)


def _is_as_received(row: QuarantinedRow, rows: list[dict[str, Any]]) -> None:
    assert row.source_row is not None
    for name, value in rows[row.source_row].items():
        kept = row.payload.get(name)
        same = kept == value or kept == str(value) or (kept is None and (value is None or value != value))
        assert same, f"{name} was {json.dumps(value, default=str)} and is kept as {json.dumps(kept)}"


def _released(engine: Engine, gx: Path, queue: list[QuarantinedRow], before: set[str]) -> None:
    """Every row, repaired and under a new id: each comes back once, and nothing else changes."""
    if not queue:
        return
    repaired = {
        row.id: _REPAIRED | {"user_id": f"of row {row.id}", "event_id": f"released-{row.id}"} for row in queue
    }
    ids = [row.id for row in queue]
    done = release_quarantined(engine, ids, repaired=repaired, gx_root=gx, as_of=at(_AS_OF))
    assert sorted(done.released) == sorted(ids), f"not released: {dict(done.still_bad)}"
    assert _event_ids(engine) == before | {f"released-{id}" for id in ids}, (
        "what was released is not there, or more is"
    )
    assert not list_quarantine(engine, kind="event"), "what was released is open still"
    back = {f"of row {id}" for id in ids}
    assert back <= set(queries.user_ids(engine)), "a released row came back as another"
    again = release_quarantined(engine, ids, repaired=repaired, gx_root=gx, as_of=at(_AS_OF))
    assert (again.released, sorted(again.before)) == ((), sorted(ids)), "released twice"


def _event_ids(engine: Engine) -> set[str]:
    with reading(engine) as connection:
        return set(connection.execute(select(events_table.c.event_id)).scalars())
