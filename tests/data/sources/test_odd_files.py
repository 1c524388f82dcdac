"""Files as people have them: each oddity is read right or refused by name, and no row is lost without a word."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.folder import read_folder

HEADER = "user_id,item_id,timestamp,rating\n"
ROWS = [f"{100 + n},{10 + n % 3},{1704067200 + 977 * n},{n % 5 + 1}\n" for n in range(12)]
EVENTS = HEADER + "".join(ROWS)
TIMED = HEADER.replace(",rating", "") + "".join(row[:-3] + "\n" for row in ROWS)  # the time comes last
ITEMS = "item_id,title,genres\n10,Sea,Drama\n11,Sand,Drama|Jazz\n12,Snow,Jazz\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS)
    return tmp_path


def read_events(folder: Path, text: str, name: str = "events.csv", **said: str):
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_folder(folder, **said)


def remarks(batch) -> str:
    return "\n".join(remark for read in batch.readings for remark in read.remarks)


REFUSED = {
    "a name twice": (EVENTS.replace("rating", "timestamp", 1), "'timestamp' stands twice"),
    "a name three times": (EVENTS.replace("rating", " user_id", 1), "'user_id' stands twice"),
    "a field too many": (EVENTS.replace(ROWS[4], "104,11,1704071108,5,more\n"), "line 6 has 5 fields, the header 4"),
    "trailing commas": (HEADER + "".join(r.replace("\n", ",\n") for r in ROWS), "last field is empty"),
    "an index column": (HEADER + "".join(f"{n},{r}" for n, r in enumerate(ROWS)), "line 2 has 5 fields"),
    "a field too few": (EVENTS.replace(ROWS[4], "104,11\n"), "line 6 has 2 fields, the header 4"),
    "cut within a row": (EVENTS[:-12], "file ends within this line"),
    "cut in the last value": (TIMED[:-3], "may have been cut off"),
    "a quote that never closes": (EVENTS.replace(ROWS[3], '"' + ROWS[3]), "quote opens in line 5"),
    "two stray quotes": (
        EVENTS.replace(ROWS[2], '102,12,1704069154,"3\n').replace(ROWS[7], '107,11,1704074039,3"\n'),
        "quote opens in line 4",
    ),
    "quotes that swallow one row": (
        EVENTS.replace(ROWS[2], '102,12,1704069154,"3\n').replace(ROWS[3], '103,10,1704070131,4"\n'),
        "quote opens in line 4 .* line 5, inside it, looks like a row",
    ),
    "quotes that swallow a row of another look": (
        EVENTS.replace(ROWS[2], '102,12,1704069154,"3\n').replace(ROWS[3], 'some body,10,1704070131,4"\n'),
        "quote opens in line 4",
    ),
    "text after a closing quote": (EVENTS.replace(ROWS[2], '"102"x,12,1704069154,3\n'), "quoted field of line 4"),
    "no header": ("".join(ROWS), "no header line"),
    "a header alone": (HEADER, "events.csv: has no rows"),
    "nothing": ("", "is empty, not even a header line"),
    "other names": (EVENTS.replace("user_id,item_id,timestamp", "visitor,itm,when"),
                    "no columns 'user_id', 'item_id', 'timestamp'"),
    "latin-1": (EVENTS.replace("102,", "caf\u00e9,").encode("latin-1"), r"line 4 holds the byte 0xe9.*--encoding"),
    "utf-16": (EVENTS.encode("utf-16"), "is UTF-16.*--encoding utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_lose_or_shift_rows_is_refused_by_its_line(folder: Path, kind: str) -> None:
    text, says = REFUSED[kind]
    with pytest.raises(DataContractError, match=says):
        read_events(folder, text)


def test_all_that_lacks_is_named_at_once_with_what_may_be_meant(folder: Path) -> None:
    (folder / "items.csv").write_text("itm,label\n1,a\n")
    with pytest.raises(DataContractError) as refused:
        read_events(folder, EVENTS.replace("user_id,item_id,timestamp", "visitorId,movieId,created_at"))
    told = str(refused.value)
    assert "events.csv: no columns 'user_id', 'item_id', 'timestamp'" in told
    assert "items.csv: no columns 'item_id', 'title'" in told
    assert "--map user=visitorId" in told
    assert "time=created_at" in told
    assert "lie events.csv, items.csv" in told


SAME = {
    "blank lines": EVENTS.replace(ROWS[3], "\n" + ROWS[3] + "   \n"),
    "a byte order mark": "\ufeff" + EVENTS,
    "blanks in the header": EVENTS.replace("user_id,item_id", "user_id , item_id"),
    "quoted": "".join(
        ",".join(f'"{f}"' for f in line.rstrip().split(",")) + "\n" for line in EVENTS.splitlines()
    ),
    "CRLF": EVENTS.replace("\n", "\r\n"),
    "CR": EVENTS.replace("\n", "\r"),
    "semicolons": EVENTS.replace(",", ";"),
    "tabs": EVENTS.replace(",", "\t"),
    "colons": EVENTS.replace(",", "::"),
    "pipes": EVENTS.replace(",", "|"),
    "no newline at a whole end": EVENTS[:-1],
}


@pytest.mark.parametrize("kind", SAME)
def test_other_ways_of_writing_the_same_table(folder: Path, kind: str) -> None:
    plain = read_events(folder, EVENTS).events
    batch = read_events(folder, SAME[kind])
    assert batch.events.equals(plain)
    assert ("parted by" in remarks(batch)) == (kind in {"semicolons", "tabs", "colons", "pipes"})


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("events.csv.gz", gzip.compress),
        ("events.csv.bz2", bz2.compress),
        ("events.csv.xz", lzma.compress),
        ("events.csv.zst", lambda raw: pa.compress(raw, codec="zstd", asbytes=True)),
        ("interactions.csv.gz", gzip.compress),
    ],
)
def test_packed_files_are_read_and_broken_ones_named(folder: Path, name: str, pack) -> None:
    packed = pack(EVENTS.encode())
    assert len(read_events(folder, packed, name).events) == 12
    with pytest.raises(DataContractError, match=f"{name}: cannot be"):
        read_events(folder, packed[: len(packed) // 2], name)


def test_json_lines_say_the_same(folder: Path) -> None:
    rows = [dict(zip(HEADER.strip().split(","), row.strip().split(","), strict=True)) for row in ROWS]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    plain = read_events(folder, EVENTS).events
    (folder / "events.csv").unlink()
    assert read_events(folder, text, "events.jsonl").events.equals(plain)
    for damaged, says in (
        (text[:-20], "line 12, the last, is cut off"),
        (text.replace('"item_id"', '"user_id"', 1), "line 1 has the key 'user_id' twice"),
        (text.replace('{"user_id": "103"', '["user_id", "103"', 1), "line 4 is no JSON"),
        (json.dumps(rows), "line 1 is no JSON object"),
        (json.dumps(rows, indent=1), "not one object a line.*jq"),
    ):
        with pytest.raises(DataContractError, match=says):
            read_events(folder, damaged, "events.jsonl")


def test_a_field_of_several_lines_is_prose_unless_rows_are_in_it(folder: Path) -> None:
    read_events(folder, EVENTS)
    (folder / "items.csv").write_text(
        'item_id,title,plot\n10,Sea,"Once, upon\na time, there\nwas"\n11,Sand,x\n12,Snow,y\n'
    )
    items = read_folder(folder).items
    assert items["description"].tolist() == ["Once, upon\na time, there\nwas", "x", "y"]
    (folder / "items.csv").write_text('item_id,title,plot\n10,Sea,"7 inch\n11,Sand,x\n12,Snow,"y\n')
    with pytest.raises(DataContractError, match="quote opens in line 2"):
        read_folder(folder)


def test_quotes_may_be_said_to_mean_nothing(folder: Path) -> None:
    (folder / "items.csv").write_text('item_id,title\n10,"7 inch\n11,5" disk\n12,Snow\n')
    batch = read_events(folder, EVENTS, mapping="quotes=no")
    assert batch.items["title"].tolist() == ['"7 inch', '5" disk', "Snow"]


def test_an_encoding_that_is_told_is_used(folder: Path) -> None:
    text = EVENTS.replace("102,", "caf\u00e9,").encode("latin-1")
    assert "café" in read_events(folder, text, mapping="events.encoding=latin-1").events["user_id"].tolist()
    with pytest.raises(DataContractError, match="no encoding is called 'latin-99'"):
        read_events(folder, text, mapping="encoding=latin-99")


def test_a_folder_one_level_deeper_and_an_archive_are_seen(tmp_path: Path) -> None:
    inside = tmp_path / "export"
    inside.mkdir()
    (inside / "events.csv").write_text(EVENTS)
    with pytest.raises(
        SourceUnavailable, match=r"export/events\.csv lies one level deeper: pass --source .*export"
    ):
        read_folder(tmp_path)
    other = tmp_path / "zipped"
    other.mkdir()
    (other / "data.zip").write_bytes(b"")
    with pytest.raises(SourceUnavailable, match=r"Found data\.zip: unpack it"):
        read_folder(other)


def test_items_without_rows_are_named(folder: Path) -> None:
    (folder / "items.csv").write_text("item_id,title\n")
    with pytest.raises(DataContractError, match=r"items\.csv has no rows"):
        read_events(folder, EVENTS)


def test_a_long_stray_quote_ends_soon(folder: Path) -> None:
    """A reader that keeps what an open quote swallows would keep the whole file, and go over it again and again."""
    text = HEADER + '1,10,1704067200,"' + "".join(f"{n},x\n" for n in range(200_000))
    with pytest.raises(DataContractError, match="quote opens in line 2"):
        read_events(folder, text)


def test_a_line_without_end_is_refused_by_its_number(folder):
    """Read no further than 16 million characters, however long it is."""
    with pytest.raises(DataContractError, match=r"events.csv: line 3 has more than 16,000,000 characters"):
        read_events(folder, HEADER + ROWS[0] + "u" * 16_000_001)
