"""Nasty strings and numbers through contracts, warehouse and snapshot: they come back as they were, or are told of.

A row is in the snapshot with the value that was received, or in quarantine with a reason; nothing is changed on the
way, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch
from tests.data.landing import at
from tests.faults import nasty, properties
from tests.faults.fault import Fault, Outcome

KIND = "inputs"
OF_EVENTS = ("event_id", "user_id", "item_id", "event_type", "timestamp", "value")
OF_ITEMS = ("item_id", "title", "description", "categories", "attributes", "image_path")
_SHORT = (("event", "user_id"),)
_AS_OF = 24.0 * 60  # hours: after every event


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where the row of each value is now."""

    kept: dict[int, object]  # position -> what the snapshot holds
    refused: dict[int, str]  # position -> reasons


def _columns(scratch: Path, *, short: bool, seed: int) -> Iterator[Fault]:
    columns = [*(("event", name) for name in OF_EVENTS), *(("item", name) for name in OF_ITEMS)]
    for kind, column in _SHORT if short else columns:
        values = [*nasty.strings(seed=seed), *nasty.numbers()]
        found = _through(scratch / f"{kind}-{column}", kind, column, values)
        for position, value in enumerate(values):
            yield Fault(
                kind=KIND, name=ascii(value)[:40], where=f"{column} of an {kind}",
                holds="comes back as it was, or is in quarantine with a reason",
                strike=partial(_judge, found, position, value, column),
            )  # fmt: skip


def _judge(found: Found, position: int, value: object, column: str) -> Outcome:
    if position in found.refused:
        wrong = () if found.refused[position] else ("refused without a reason",)
        return Outcome(fired=True, violations=wrong if position not in found.kept else ("in both places",))
    if position not in found.kept:
        return Outcome(fired=True, violations=("lost",))
    if not _is_same(found.kept[position], value, column):
        return Outcome(fired=True, violations=(f"came back as {ascii(found.kept[position])[:80]}",))
    return Outcome(fired=True)


def _is_same(back: object, value: Any, column: str) -> bool:
    """A number that is taken as text may come back as its digits, a text of digits as a number: of the same value."""
    if column == "timestamp":
        return isinstance(back, pd.Timestamp)  # what is a moment, the tests of timestamps say
    if back is None or back != back:
        return value in (None, "") or value != value  # nothing is nothing
    if column == "event_id" and (value != value or not str(value).strip()):
        return len(str(back)) == 64  # no id: one is made of the event's key
    if column == "value":
        return float(value) == back
    if isinstance(value, str):
        return back == value
    return back in (str(value), str(int(value)) if value == value and abs(value) < 1e300 else "")


def _through(folder: Path, kind: str, column: str, values: Sequence[object]) -> Found:
    """All values in that column of one batch, each in a row that is sound otherwise."""
    from components.data.contracts.batch_check import ContractConfig, check_batch
    from components.data.ingest import land_batch
    from components.data.quarantine import list_quarantine
    from components.data.snapshot import read_events, read_items, take_snapshot
    from components.data.warehouse import open_warehouse

    folder.mkdir(parents=True)
    received = _batch(kind, column, values)
    limits = ContractConfig(max_bad_event_share=1, max_bad_item_share=1, min_events=0)
    checked = check_batch(received, as_of=at(_AS_OF), known_items=set(), gx_root=folder / "gx", config=limits)
    engine = open_warehouse(f"sqlite:///{folder}/warehouse.db")
    land_batch(engine, checked)
    ref = take_snapshot(engine, folder / "artifacts", end=at(_AS_OF))
    refused = {row.source_row: "|".join(row.reasons) for row in list_quarantine(engine, kind=_as_kind(kind))}
    if kind == "event":
        back = read_events(ref)
        where = back["timestamp"] if column != "timestamp" else back["event_id"]
        kept = {_position_of(place): own for place, own in zip(where, back[column], strict=True)}
    else:
        back = read_items(ref)
        named = back["item_id"] if column != "item_id" else back["title"]
        kept = {
            int(name[4:]): own
            for name, own in zip(named, back[column], strict=True)
            if str(name).startswith("mark")
        }
    engine.dispose()
    return Found(
        kept=kept, refused={row: why for row, why in refused.items() if row is not None and row < len(values)}
    )


def _as_kind(kind: str) -> Any:
    return kind


def _position_of(place: Any) -> int:
    if isinstance(place, pd.Timestamp):
        return round((place - pd.Timestamp(at(0))) / pd.Timedelta(minutes=1))
    return int(place[4:])


def _batch(kind: str, column: str, values: Sequence[object]) -> Batch:
    """Row n is marked with n: an event by its minute, an item by its id, or where that is struck by another column."""
    of_events, of_items = [], []
    if kind == "event":
        for n, value in enumerate(values):
            row = {
                "event_id": f"mark{n}",
                "user_id": "u1",
                "item_id": "i1",
                "event_type": "view",
                "value": None,
            }
            of_events.append(
                row | {"timestamp": (at(0) + timedelta(minutes=n)).isoformat()} | {column: value}
            )
        of_items = [{"item_id": "i1", "title": "One"}]
        if column == "item_id":  # what an event is of has to be known
            of_items += [{"item_id": value, "title": "Nasty"} for value in values]
    else:
        sound = {"event_id": "e", "user_id": "u1", "item_id": "i1", "event_type": "view", "value": None}
        of_events = [sound | {"timestamp": at(0).isoformat()}]
        of_items = [
            {"item_id": f"mark{n}", "title": f"mark{n}", "available_at": at(0).isoformat()} | {column: v}
            for n, v in enumerate(values)
        ]
        of_items.append({"item_id": "i1", "title": "One"})
    events = pd.DataFrame(of_events, columns=list(EVENT_COLUMNS), dtype=object)
    items = pd.DataFrame(of_items, columns=list(ITEM_COLUMNS), dtype=object)
    return Batch(
        source="test",
        events=events.assign(source_row=range(len(events))),
        items=items.assign(source_row=range(len(items))),
        event_key=("user_id", "item_id", "timestamp"),
    )


PARTS = {"columns": _columns, **properties.PARTS}
