"""The quarantine as a queue, with the real contracts: what goes in comes out once, repaired or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, select, text

from components.data import queries
from components.data.accounts import accept_batches, checked_accounts
from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, Batch, DataContractError
from components.data.chain import LedgerBroken
from components.data.contracts.batch_check import ContractConfig, check_batch
from components.data.ingest import BatchResult, batch_results, land_batch
from components.data.quarantine import (
    QuarantineRefused,
    drop_quarantined,
    export_quarantine,
    list_quarantine,
    read_repaired,
)
from components.data.quarantine_release import release_quarantined
from components.data.schema import events
from components.data.seals import RowChanged
from components.data.snapshot import read_events, take_snapshot
from components.data.warehouse import open_warehouse, reading, writing
from tests.data.landing import at, bad, batch

KEY = ("user_id", "item_id", "timestamp")
LIMITS = ContractConfig(max_bad_event_share=1, max_bad_item_share=1, min_events=0)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_warehouse(f"sqlite:///{tmp_path}/warehouse.db")


@pytest.fixture(scope="module")
def gx_root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("gx")


def raw(user="u1", item="i1", hours: float | str = 1.0, value: object = 3.0, **more) -> dict[str, object]:
    when = hours if isinstance(hours, str) else at(hours).isoformat()
    row = dict.fromkeys(EVENT_COLUMNS) | {"user_id": user, "item_id": item, "event_type": "rating"}
    return row | {"timestamp": when, "value": value} | more


def received(*rows, items=("i1",), source="test") -> Batch:
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS), dtype=object)
    told = pd.DataFrame([{"item_id": i, "title": i} for i in items], columns=list(ITEM_COLUMNS), dtype=object)
    return Batch(
        source=source,
        events=frame.assign(source_row=range(len(frame))),
        items=told.assign(source_row=range(len(told))),
        event_key=KEY,
    )


def ingest(engine: Engine, gx_root: Path, arrived: Batch, as_of: float) -> BatchResult:
    known = queries.item_ids(engine)
    return land_batch(
        engine, check_batch(arrived, as_of=at(as_of), known_items=known, gx_root=gx_root, config=LIMITS)
    )


def states(engine: Engine) -> dict[int, str]:
    return {row.id: row.state for row in list_quarantine(engine, state=None)}


def test_rows_are_listed_by_reason_batch_state_and_kind(engine: Engine):
    first = land_batch(engine, batch(quarantined=(bad("a|b_c"), bad("b_c", kind="item"), bad("bxc"))))
    land_batch(engine, batch(quarantined=(bad("a"),)))

    def ids(**filters) -> list[int]:
        return [row.id for row in list_quarantine(engine, **filters)]

    assert ids() == [1, 2, 3, 4]
    assert (ids(reason="a"), ids(reason="b_c"), ids(reason="b")) == ([1, 4], [1, 2], [])
    assert (ids(batch_id=first.batch_id), ids(kind="item"), ids(limit=2)) == ([1, 2, 3], [2], [1, 2])
    assert drop_quarantined(engine, [1, 1], reason="a test account", now=lambda: at(5)) == 1
    assert drop_quarantined(engine, [1], reason="once more") == 0
    assert (ids(), ids(state="dropped"), ids(state=None)) == ([2, 3, 4], [1], [1, 2, 3, 4])
    (dropped,) = list_quarantine(engine, state="dropped")
    assert (dropped.resolution, dropped.resolved_at) == ("a test account", at(5))
    assert queries.counts(engine).quarantined == 3
    assert queries.quarantine_reasons(engine) == {"a": 1, "b_c": 1, "bxc": 1}


def test_what_cannot_be_dropped_is_named_and_nothing_is(engine: Engine):
    land_batch(engine, batch(quarantined=(bad("a"),)))
    with pytest.raises(QuarantineRefused, match="row 9 is not there"):
        drop_quarantined(engine, [1, 9], reason="x")
    with pytest.raises(QuarantineRefused, match="--reason"):
        drop_quarantined(engine, [1], reason=" ")
    assert states(engine) == {1: "open"}


HOSTILE = [
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "\rx",
    "'quoted",
    "🎬",
    "אבג",
    'a,"b"',
    "line\nline",
    "a\x00b",
    "a|b",
]


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("text", HOSTILE)
def test_received_values_come_back_from_a_file_and_no_cell_is_a_formula(engine, tmp_path, text, format):
    payload = {"user_id": text, "item_id": "i1", "value": -2.5, "timestamp": None}
    land_batch(engine, batch(quarantined=(bad("bad_id", payload=json.dumps(payload), row=7),)))
    path = tmp_path / f"bad.{format}"
    assert export_quarantine(list_quarantine(engine), path, format=format) == 1
    read = read_repaired(path)[1]
    assert (read["user_id"], read["item_id"], read["timestamp"], float(read["value"])) == (
        text,
        "i1",
        None,
        -2.5,
    )
    if format == "csv":
        with path.open(newline="") as file:
            (row,) = csv.DictReader(file)
        assert not row["user_id"].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert (row["quarantine_id"], row["reasons"], row["source_row"]) == ("1", "bad_id", "7")


def test_a_row_that_was_changed_is_marked_and_blocks_no_other(engine: Engine, gx_root: Path, tmp_path: Path):
    """Listed and exported with a mark, neither released nor dropped until a person accepts what lies there."""
    ingest(
        engine,
        gx_root,
        received(raw(), raw(value="bad"), raw(value="bad", hours=2), raw(hours=3, value="x")),
        9,
    )
    ids = list(states(engine))
    with writing(engine, "ingest") as connection:
        connection.execute(text("UPDATE quarantine SET payload = '{' WHERE id = :id"), {"id": ids[0]})
        connection.execute(text("DELETE FROM quarantine WHERE id = :id"), {"id": ids[2]})
    assert [row.told_state for row in list_quarantine(engine)] == ["open, changed", "open"]
    assert export_quarantine(list_quarantine(engine), tmp_path / "rows.csv") == 2
    assert [row["state"] for row in csv.DictReader((tmp_path / "rows.csv").open())] == [
        "open, changed",
        "open",
    ]
    for refused in (
        lambda: drop_quarantined(engine, ids[:2], reason="r"),
        lambda: release_quarantined(engine, ids[:1], gx_root=gx_root, config=LIMITS),
    ):
        with pytest.raises(RowChanged, match=f"quarantine row {ids[0]} is not .* --accept-ledger"):
            refused()
    assert drop_quarantined(engine, ids[1:2], reason="r") == 1
    told = r"batch 1 set 3 rows aside, and 2 are there; row \d+ is another\."
    with pytest.raises(LedgerBroken, match=told):
        checked_accounts(engine)
    assert re.search(told, accept_batches(engine, "by ada"))
    assert checked_accounts(engine).accepted_by
    assert accept_batches(engine, "by ada") == ""
    accepted = batch_results(engine)[-1]
    assert (accepted.state, accepted.quarantined) == ("stopped", 0)
    assert re.search("by ada.* 2 are there", accepted.why)
    assert list_quarantine(engine)[0].payload == {"unreadable": "{"}
    assert drop_quarantined(engine, ids[:1], reason="r") == 1
    with writing(engine, "ingest") as connection:
        connection.execute(text("DELETE FROM quarantine WHERE id = :id"), {"id": ids[1]})
    with pytest.raises(LedgerBroken, match="batch 1 set 3 rows aside, and 1 are there"):
        checked_accounts(engine)


def test_a_file_without_ids_or_with_one_twice_is_refused(tmp_path: Path):
    path = tmp_path / "bad.csv"
    path.write_text("quarantine_id,user_id\n1,a\n1,b\n")
    with pytest.raises(DataContractError, match="line 3 repeats quarantine_id 1"):
        read_repaired(path)
    path.write_text("user_id\na\n")
    with pytest.raises(DataContractError, match="line 2 has no quarantine_id"):
        read_repaired(path)
    path.write_bytes(b"quarantine_id,user_id\n1,\xff\n")
    with pytest.raises(DataContractError, match="cannot be read"):
        read_repaired(path)
    with pytest.raises(DataContractError, match=r"missing\.csv: no such file\. Check the path"):
        read_repaired(tmp_path / "missing.csv")


def test_repaired_rows_land_once_and_only_the_sound_ones(engine: Engine, gx_root: Path, tmp_path: Path):
    """Rows 1 to 3 are bad; 1 is repaired, 2 is repaired badly, 3 is left: 1 lands, 2 and 3 stay open."""
    rows = raw(hours="2024-01-01T14:30:00"), raw(value="inf"), raw(user=None), raw(hours=2)
    first = ingest(engine, gx_root, received(*rows), as_of=10)
    assert (first.accepted, first.quarantined) == (1, 3)
    path = tmp_path / "bad.csv"
    export_quarantine(list_quarantine(engine), path)
    text = path.read_text().replace("T14:30:00", "T14:30:00Z").replace("inf", "99")
    path.write_text(text)
    repaired = read_repaired(path)
    for _ in range(2):
        told = release_quarantined(engine, list(repaired), repaired=repaired, gx_root=gx_root)
        assert told.still_bad == {2: "bad_value", 3: "missing_user"}
        assert states(engine) == {1: "released", 2: "open", 3: "open"}
    assert (told.before, told.released, told.batch) == ((1,), (), None)
    landed = batch_results(engine)[-1]
    assert (landed.batch_id, landed.received, landed.accepted, landed.late) == (2, 1, 1, 1)
    (released,) = list_quarantine(engine, state="released")
    assert released.resolved_batch_id == landed.batch_id
    assert batch_results(engine)[0] == first  # what the first batch was counted as stays
    assert queries.counts(engine).quarantined == 2


def test_an_unknown_item_that_has_come_releases_its_events_as_they_are(engine, gx_root, tmp_path):
    """Known from the release on: the cut at the first batch's now stays as it was."""
    ingest(engine, gx_root, received(raw(), raw(item="i9", hours=2)), as_of=10)
    cut = take_snapshot(engine, tmp_path, end=at(10))
    assert release_quarantined(engine, [1], gx_root=gx_root).still_bad == {1: "unknown_item"}
    ingest(engine, gx_root, received(raw(hours=15), items=("i9",)), as_of=20)
    told = release_quarantined(engine, [1], gx_root=gx_root)
    assert (told.released, told.batch.late) == ((1,), 1)
    assert take_snapshot(engine, tmp_path, end=at(10)) == cut
    assert "i9" in read_events(take_snapshot(engine, tmp_path, end=at(21)))["item_id"].tolist()
    again = ingest(engine, gx_root, received(raw(item="i9", hours=2), items=("i9",)), as_of=30)
    assert (again.duplicates, again.accepted) == (1, 0)  # its id is the one that the source's key gives


def test_a_release_tells_of_no_stretch_of_time(engine, gx_root):
    ingest(engine, gx_root, received(raw(), raw(user=None, hours=2)), as_of=10)
    release_quarantined(engine, [1], repaired={1: {"user_id": "u5"}}, gx_root=gx_root, as_of=at(30))
    assert ingest(engine, gx_root, received(raw(hours=15), items=()), as_of=20).late == 0


def test_a_row_that_contradicts_a_known_event_stays(engine, gx_root):
    ingest(engine, gx_root, received(raw(event_id="e1"), raw(event_id="e2", value="x")), as_of=10)
    told = release_quarantined(engine, [1], repaired={1: {"event_id": "e1", "value": 5}}, gx_root=gx_root)
    assert (told.still_bad, told.batch) == ({1: "conflicting_payload"}, None)
    assert states(engine) == {1: "open"}


def test_items_are_released_with_the_events_that_waited_for_them(engine, gx_root):
    arrived = received(raw(), raw(item="i\x009", hours=2), items=("i1", "i\x009"))
    ingest(engine, gx_root, arrived, as_of=10)
    rows = list_quarantine(engine)
    assert sorted(row.kind for row in rows) == ["event", "item"]
    repaired = {row.id: {"item_id": "i9", "title": "Nine"} for row in rows}
    told = release_quarantined(engine, [row.id for row in rows], repaired=repaired, gx_root=gx_root)
    assert (told.still_bad, told.batch.accepted, told.batch.items_new) == ({}, 1, 1)
    assert queries.titles(engine, ["i9"]) == {"i9": "Nine"}


def test_dropped_rows_are_not_released_and_ids_need_a_key(engine, gx_root):
    land_batch(engine, batch(quarantined=(bad("x"), bad("y"))))
    drop_quarantined(engine, [1], reason="a robot")
    with pytest.raises(QuarantineRefused, match=r"row 1 was dropped .*a robot"):
        release_quarantined(engine, [1, 2], gx_root=gx_root)
    with pytest.raises(QuarantineRefused, match="row 2 has no event_id"):
        release_quarantined(engine, [2], gx_root=gx_root)


RELEASE = """
import sys
from pathlib import Path
from components.data.quarantine_release import release_quarantined
from components.data.warehouse import open_warehouse
engine = open_warehouse(f"sqlite:///{sys.argv[1]}/warehouse.db")
print(release_quarantined(engine, [1], repaired={1: {"user_id": "u9"}}, gx_root=Path(sys.argv[2])).released)
"""


def test_killed_while_releasing_nothing_is_released_and_a_rerun_completes(engine, tmp_path, gx_root):
    ingest(engine, gx_root, received(raw(), raw(user=None, hours=2)), as_of=10)

    def release(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", RELEASE, str(tmp_path), str(gx_root)],
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )

    assert release(CRASH_AT="release:before-commit").returncode == -signal.SIGKILL
    assert (states(engine), len(batch_results(engine))) == ({1: "open"}, 1)
    assert release().stdout.strip() == "(1,)"
    with reading(engine) as connection:
        assert sorted(connection.execute(select(events.c.user_id)).scalars()) == ["u1", "u9"]
