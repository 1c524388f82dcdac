"""Any order of arrival gives one state, and so does any repeat."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hypothesis import strategies as st

from components.data.ingest import land_batch
from components.data.warehouse import Engine, open_warehouse
from tests.data.landing import batch, event, item
from tests.faults.home import rows_of
from tests.faults.property import Property, names

Told = list[tuple[dict[str, object], ...]]  # batches


@st.composite
def _told(draw: st.DrawFn) -> Told:
    """Two to four batches that share events: an id always has the same payload, as of a source that does not err."""
    ids = draw(st.lists(names, min_size=1, max_size=8, unique=True))
    known = {
        name: event(
            name, user=draw(names), item=draw(st.sampled_from(["i1", "i2"])), hours=draw(st.integers(0, 99))
        )
        for name in ids
    }
    parts = draw(st.lists(st.lists(st.sampled_from(ids), min_size=1, unique=True), min_size=2, max_size=4))
    return [tuple(known[name] for name in part) for part in parts]


def properties(folder: Path) -> Iterator[Property]:
    open_warehouse(f"sqlite:///{folder}/empty.db").dispose()
    yield Property(
        name="order of arrival", where="land_batch", holds="batches in any order, or all in one, give the same events",
        examples=_ordered(), check=partial(_in_order, folder), at_once=10,
    )  # fmt: skip
    yield Property(
        name="duplicates", where="land_batch", holds="what is told again changes no event and no item, and is counted",
        examples=_told(), check=partial(_again, folder), at_once=10,
    )  # fmt: skip


@st.composite
def _ordered(draw: st.DrawFn) -> tuple[Told, Told]:
    """Batches, and the same in another order."""
    told = draw(_told())
    return told, draw(st.permutations(told))


def _in_order(folder: Path, pairs: list[tuple[Told, Told]]) -> None:
    first, other = (_together([pair[n] for pair in pairs]) for n in (0, 1))
    events = _state(folder, first)["events"]
    assert events == _state(folder, other)["events"], f"{first} and {other} differ"
    named = {str(row["event_id"]): row for batch_ in first for row in batch_}
    assert events == _state(folder, [tuple(named.values())])["events"], f"{first} in one batch differ"


def _again(folder: Path, examples: list[Told]) -> None:
    told = _together(examples)
    once = _state(folder, told)
    assert once == _state(folder, [*told, *told]), f"{told} twice differs"
    named = {row["event_id"] for events in told for row in events}
    assert len(once["events"]) == len(named), f"{told}: an event is not there once"


def _together(examples: list[Told]) -> Told:
    """The n-th batches of all as one, in which no event stands in two of them."""
    told: list[tuple[dict[str, object], ...]] = []
    for at in range(max(map(len, examples))):
        rows = [
            row | {"event_id": f"{n} {row['event_id']}", "user_id": f"{n} {row['user_id']}"}
            for n, batches in enumerate(examples)
            for row in (batches[at] if at < len(batches) else ())
        ]
        told.append(tuple(rows))
    return told


def _state(folder: Path, told: Told) -> dict[str, list[str]]:
    """Events and items after these batches, without the numbers of the batches that brought them."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        shutil.copy(folder / "empty.db", f"{home}/warehouse.db")
        engine: Engine = open_warehouse(f"sqlite:///{home}/warehouse.db")
        for events in told:
            result = land_batch(engine, batch(*events, items=(item("i1", "One"), item("i2", "Two"))))
            assert result.accepted + result.duplicates == result.received == len(events)
        engine.dispose()
        rows = rows_of(Path(home), without=("batch_id",))
    return {name: rows[name] for name in ("events", "items")}
