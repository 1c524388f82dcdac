"""The folder source: real data read whole, sliced without loss, and refused by name when something lacks."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.data.batch import EVENT_COLUMNS, ITEM_COLUMNS, DataContractError
from components.data.sources import SourceUnavailable
from components.data.sources.folder import read_folder

EVENTS = "user_id,item_id,rating,timestamp\n007,a,4,891388800\nNA,b,5,1998-04-02T00:00:00Z\n7,a,,soon\n"
ITEMS = "item_id,title,genres,tags,year,plot\na,Alpha,X|Y,t,1995,Once\nb,Beta,,,,\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "interactions.csv").write_text(EVENTS)
    (tmp_path / "items.csv").write_text(ITEMS)
    for path in ("images/a.jpg", "images/stranger.png", "audio/b.wav"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    return tmp_path


@pytest.mark.shared_data
def test_real_folder(shared):
    """Counts are those of the data set's own SOURCE.md."""
    batch = read_folder(shared / "data" / "ml-latest-small-multimodal")
    assert (len(batch.events), len(batch.items)) == (100_836, 9_742)
    assert batch.items["image_path"].notna().sum() == 8_607
    assert batch.items["description"].notna().sum() == 4_214
    assert batch.events["user_id"].nunique() == 610
    assert batch.items.iloc[0][["title", "attributes", "image_path"]].tolist() == [
        "Toy Story (1995)",
        "pixar|fun|year:1995",
        "images/1.jpg",
    ]
    cut = datetime(2010, 1, 1, tzinfo=UTC)
    parts = [read_folder(shared / "data" / "ml-latest-small-multimodal", **s).events for s in
             ({"until": cut}, {"since": cut})]  # fmt: skip
    assert sorted(row for part in parts for row in part["source_row"]) == list(range(100_836))


def test_values_stand_as_in_the_file(folder):
    batch = read_folder(folder, source="mine")
    assert (batch.source, batch.event_key) == ("mine", ("user_id", "item_id", "event_type", "timestamp"))
    assert list(batch.events.columns) == [*EVENT_COLUMNS, "source_row"]
    assert batch.events["user_id"].tolist() == ["007", "NA", "7"]
    assert batch.events["event_type"].unique().tolist() == ["rating"]
    assert batch.events["timestamp"].tolist() == ["891388800", "1998-04-02T00:00:00Z", "soon"]
    assert batch.events["source_row"].tolist() == [0, 1, 2]
    assert list(batch.items.columns) == [*ITEM_COLUMNS, "source_row"]
    alpha, beta = batch.items.astype(object).where(batch.items.notna(), None).to_dict("records")
    assert alpha == {
        "item_id": "a", "title": "Alpha", "description": "Once", "categories": "X|Y", "attributes": "t|year:1995",
        "image_path": "images/a.jpg", "audio_path": None, "available_at": None, "source_row": 0,
    }  # fmt: skip
    assert (beta["attributes"], beta["image_path"], beta["audio_path"]) == (None, None, "audio/b.wav")


def test_parquet_says_the_same_as_csv(folder, tmp_path_factory):
    """Ids that parquet keeps as floats (a column with a null) are still whole numbers."""
    other = tmp_path_factory.mktemp("parquet")
    pd.DataFrame({"user": [7.0, None], "item": ["a", "b"], "ts": [891388800, 891388801]}).to_parquet(
        other / "events.parquet"
    )
    pd.DataFrame({"item": ["a"], "name": ["Alpha"]}).to_parquet(other / "items.parquet")
    events = read_folder(other).events
    assert events["user_id"].astype(object).where(events["user_id"].notna(), None).tolist() == ["7", None]
    assert events["event_type"].unique().tolist() == ["interaction"]


@pytest.mark.parametrize(
    ("file", "content", "error", "says"),
    [
        ("interactions.csv", None, SourceUnavailable, "no file of events; one of events.csv"),
        ("items.csv", None, SourceUnavailable, "no file of items"),
        ("interactions.csv", "user,item\n1,2\n", DataContractError,
         "interactions.csv: no column 'timestamp'; found 'user', 'item'"),
        ("items.csv", "item_id\n1\n", DataContractError, "items.csv: no column 'title'; found 'item_id'"),
        ("items.csv", "", DataContractError, "items.csv: cannot be read as csv"),
        ("items.csv", "item_id,title\n1,a\n2,b,c,d\n", DataContractError, "items.csv: cannot be read.*line 3"),
        ("items.csv", b"item_id,title\n1,\xff\xfe\n", DataContractError, "items.csv: cannot be read"),
        ("events.parquet", b"not parquet", DataContractError, "both hold events"),
        ("interactions.csv", "user,user_id,item,ts\n", DataContractError, "'user_id' and 'user' both mean user_id"),
    ],
)  # fmt: skip
def test_what_lacks_is_named(folder, file, content, error, says):
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(error, match=says):
        read_folder(folder)


def test_a_bad_row_group_is_named_with_its_rows(tmp_path):
    """Of four row groups of 250 rows the third holds bytes that are no page."""
    frame = pd.DataFrame(
        {"user": [f"u{n}" for n in range(1000)], "item": "a", "ts": range(891388800, 891389800)}
    )
    frame.to_parquet(tmp_path / "events.parquet", row_group_size=250)
    pd.DataFrame({"item": ["a"], "name": ["Alpha"]}).to_parquet(tmp_path / "items.parquet")
    written = bytearray((tmp_path / "events.parquet").read_bytes())
    at = pq.read_metadata(tmp_path / "events.parquet").row_group(2).column(0).dictionary_page_offset
    written[at : at + 60] = bytes(60)
    (tmp_path / "events.parquet").write_bytes(written)
    with pytest.raises(
        DataContractError, match=r"events.parquet: .*in row group 2 of 4, rows 500 to 749 .*again"
    ):
        read_folder(tmp_path)


def test_a_damaged_parquet_file_is_named(folder):
    (folder / "interactions.csv").unlink()
    (folder / "events.parquet").write_bytes(b"PAR1 and then nothing of the kind")
    with pytest.raises(DataContractError, match=r"events.parquet: cannot be read as parquet"):
        read_folder(folder)
