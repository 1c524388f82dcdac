"""A table in several files: read as one, held to one header, its odd rows named by part and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from components.data.batch import Batch, DataContractError
from components.data.sources.folder import read_folder
from components.data.sources.map_writing import map_file_text
from components.data.sources.proposing import propose

HEADER = "user_id,item_id,timestamp\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text("item_id,title\na,Hat\nb,Cup\n")
    return tmp_path


def rows(user: str, *items: str) -> str:
    return "".join(f"{user},{item},{1704067200 + n}\n" for n, item in enumerate(items))


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def users(batch: Batch) -> list[str]:
    return batch.events["user_id"].tolist()


@pytest.mark.parametrize(
    "where", ["events/part-{n}.csv", "events-{n}.csv.gz", "events_{n}.csv", "events/{n}/x.csv"]
)
def test_parts_are_one_table(shop: Path, where: str) -> None:
    """Whatever their order in the folder, and whatever engines keep aside there."""
    for n, user in ((2, "v"), (1, "u")):
        put(shop / where.format(n=n), HEADER + rows(user, "a", "b"))
    put(shop / "events" / "_SUCCESS.csv", "")
    batch = read_folder(shop)
    assert users(batch) == ["u", "u", "v", "v"]
    assert batch.events["source_row"].tolist() == [0, 1, 2, 3]


def test_columns_are_taken_by_name_not_by_place(shop: Path) -> None:
    put(shop / "events/1.csv", HEADER + rows("u", "a"))
    put(shop / "events/2.csv", "timestamp,user_id,item_id\n1704067200,v,b\n")
    batch = read_folder(shop)
    assert batch.events[["user_id", "item_id"]].values.tolist() == [["u", "a"], ["v", "b"]]


def test_json_lines_of_two_types_become_one_column(shop: Path) -> None:
    for name, user in (("events-1.jsonl.gz", 7), ("events-2.jsonl", "7")):
        put(shop / name, json.dumps({"user_id": user, "item_id": "a", "timestamp": 1704067200}) + "\n")
    assert users(read_folder(shop)) == ["7", "7"]


def test_what_folders_say_is_a_column(shop: Path) -> None:
    for day in ("2024-01-01", "2024-01-02"):
        put(shop / f"events/day={day}/shop=north%20side/part-0.csv", "user_id,item_id\nu,a\n")
    batch = read_folder(shop, mapping="time=day:date,type=shop,zone=UTC")
    assert [f"{t:%Y-%m-%d}" for t in batch.events["timestamp"]] == ["2024-01-01", "2024-01-02"]
    assert batch.events["event_type"].tolist() == ["north_side", "north_side"]


def test_what_is_odd_is_counted_over_all_parts(shop: Path) -> None:
    for n in range(5):
        put(shop / f"events/{n}.csv", HEADER + (rows("NULL", "a") + rows("u", "a") if n else ""))
    reading = read_folder(shop).readings[0]
    assert reading.file == "0.csv … 4.csv (5 parts)"
    assert "1 of 5 parts have no rows, such as 0.csv" in reading.remarks
    (nameless,) = [remark for remark in reading.remarks if "say that there is none" in remark]
    assert nameless.startswith("user_id: 4 ids")


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ("user_id,item_id,ts\nu,a,1\n", r"2\.csv: its header has 'ts' and lacks 'timestamp', unlike that of 1\.csv"),
        (HEADER + "u,a,1704067200,9\n", r"2\.csv: cannot be read: the row in line 2 has 4 fields, the header 3"),
        (HEADER + 'u,"a\n', r"2\.csv: a quote opens in line 2"),
        (HEADER + rows("u", "a") + "u,a,17040", r"2\.csv: the last line \(3\) has no newline"),
    ],
)  # fmt: skip
def test_a_part_that_is_amiss_is_named(shop: Path, second: str, says: str) -> None:
    put(shop / "events/1.csv", HEADER + rows("u", *"abababab"))
    put(shop / "events/2.csv", second)
    with pytest.raises(DataContractError, match=says):
        read_folder(shop)


def test_parts_of_two_kinds_are_refused(shop: Path) -> None:
    put(shop / "events-1.csv", HEADER + rows("u", "a"))
    put(shop / "events-2.jsonl", "{}\n")
    with pytest.raises(
        DataContractError, match=r"parts of two kinds, such as events-1\.csv and events-2\.jsonl"
    ):
        read_folder(shop)


def test_a_whole_file_beats_parts(shop: Path) -> None:
    put(shop / "events.csv", HEADER + rows("u", "a"))
    put(shop / "events-old.csv", "whatever\n1\n")
    assert users(read_folder(shop)) == ["u"]


def test_items_too(tmp_path: Path) -> None:
    put(tmp_path / "events.csv", HEADER + rows("u", "a"))
    put(tmp_path / "items/1.csv", "item_id,title\na,Hat\n")
    put(tmp_path / "items/2.csv", "item_id,title\nb,Cup\n")
    assert read_folder(tmp_path).items["title"].tolist() == ["Hat", "Cup"]


@pytest.mark.parametrize("where", ["clicks-2024-0{n}.csv", "clicks/day={n}/part.csv", "clicks.{n}.csv"])
def test_init_proposes_them(shop: Path, where: str) -> None:
    (shop / "items.csv").rename(shop / "goods.csv")
    for n in (1, 2, 3):
        put(shop / where.format(n=n), f"visitor,sku,time\nu{n},a,2024-01-01T00:00Z\n")
    put(shop / "clicks-summary.csv", "total\n3\n")
    proposal = propose(shop)
    assert proposal.questions == ()
    (shop / "recloop.yaml").write_text(map_file_text(proposal, {}))
    batch = read_folder(shop)
    assert users(batch) == ["u1", "u2", "u3"]
    assert pd.Series(users(batch)).is_unique
