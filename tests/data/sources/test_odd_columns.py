"""Columns as people have them: ids, times and lists that are read right, counted, or refused by name."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.data.batch import DataContractError
from components.data.sources.folder import read_folder
from components.data.timestamps import read_timestamps

NUM = 12
SECONDS = [1704067200 + 977 * n for n in range(NUM)]
CLOCK = [datetime.fromtimestamp(second, UTC) for second in SECONDS]


def folder_of(path: Path, events: dict, items: dict | None = None) -> Path:
    """A source of parquet files with these columns in place of sound ones."""
    base = {"user_id": [f"u{n}" for n in range(NUM)], "item_id": ["10", "11", "12"] * 4, "timestamp": SECONDS}
    pq.write_table(pa.table(base | events), path / "events.parquet")
    pq.write_table(
        pa.table({"item_id": ["10", "11", "12"], "title": ["a", "b", "c"]} | (items or {})),
        path / "items.parquet",
    )
    return path


def remarks(batch) -> str:
    return "\n".join(remark for read in batch.readings for remark in read.remarks)


# --- ids ---------------------------------------------------------------------------------------------------

IDS = [1007, 101, *range(200, 200 + NUM - 2)]
TEXTS = list(map(str, IDS))
UUIDS = [uuid.UUID(int=n + 2**100) for n in IDS]


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array(IDS, pa.int32()), TEXTS),
        (pa.array([2**60 + 1, None, *IDS[2:]], pa.int64()), [str(2**60 + 1), None, *map(str, IDS[2:])]),
        (pa.array([2**63 + 1, *IDS[1:]], pa.uint64()), [str(2**63 + 1), *map(str, IDS[1:])]),
        (pa.array([None, *map(float, IDS[1:])]), [None, *map(str, IDS[1:])]),
        (pa.array([float("inf"), *map(float, IDS[1:])]), [None, *map(str, IDS[1:])]),
        (pa.array(TEXTS).dictionary_encode(), TEXTS),
        (pa.array([str(n).encode() for n in IDS]), TEXTS),
        (pa.array([one.bytes for one in UUIDS], pa.binary(16)), list(map(str, UUIDS))),
        (pa.array([f" {n}\t" for n in IDS]), TEXTS),
        (pa.array(["NULL", "\\N", "None", "nan", "NaN", "<NA>", *TEXTS[6:]]), [None] * 6 + TEXTS[6:]),
        (pa.array(IDS, pa.int64()).cast(pa.decimal128(30, 2)), TEXTS),
    ],
    ids=["int32", "int64 with a null", "uint64", "float with a null", "float with inf", "dictionary", "bytes",
         "uuid", "blanks", "words for none", "decimal"],
)  # fmt: skip
def test_ids_are_what_they_were(tmp_path: Path, column, found) -> None:
    ids = read_folder(folder_of(tmp_path, {"user_id": column})).events["user_id"]
    assert ids.astype(object).where(ids.notna(), None).tolist() == found


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([None, *(7.6561198e16 + 16 * n for n in range(NUM - 1))]), "from 9,007,199,254,740,992 on"),
        (pa.array(np.arange(NUM, dtype=np.float32) + 2**24), "float numbers, and from 16,777,216 on"),
        (pa.array([f"7.65612E+{n}" for n in range(NUM)]), "scientific notation, such as 7.65612E"),
        (pa.array([1.5] * NUM), "numbers with fractions"),
        (pa.array([bytes([200 + n, 1, 2]) for n in range(NUM)]), "neither text nor UUIDs"),
        (pa.array([[1]] * NUM), "type list<.*holds no ids"),
        (pa.array([{"id": 1}] * NUM), "holds no ids"),
        (pa.array([True] * NUM), "holds no ids"),
        (pa.array([datetime(2024, 1, 1)] * NUM), "holds no ids"),
    ],
    ids=["huge floats", "float32", "scientific", "fractions", "bytes", "lists", "structs", "truths", "times"],
)  # fmt: skip
def test_ids_that_have_lost_something_are_refused_by_column(tmp_path: Path, column, says: str) -> None:
    with pytest.raises(DataContractError, match=rf"events\.parquet: column 'user_id'.*{says}"):
        read_folder(folder_of(tmp_path, {"user_id": column}))


def test_what_was_changed_or_looks_odd_is_counted(tmp_path: Path) -> None:
    users = ["00012", "12", "NULL", " a", "A", "b", "b.0", "7", "7.0", "NA", "é", "e\u0301"]
    told = remarks(read_folder(folder_of(tmp_path, {"user_id": users})))
    assert "blanks around 1 ids were removed" in told
    assert "1 ids say that there is none ('NULL' once)" in told
    assert "'NA' once" in told
    assert "8 of 11 ids differ only in leading zeros, case, accents or a trailing .0" in told
    assert "'00012' and '12'" in told


# --- times -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array(np.array(SECONDS, dtype=np.float32)), "type float, which rounds epoch seconds"),
        (pa.array([s * 1000 for s in SECONDS]), r"milliseconds \(13 digits\).*time=timestamp:ms"),
        (pa.array([str(s * 1000) for s in SECONDS]), r"milliseconds \(13 digits\)"),
        (pa.array([s * 10**6 for s in SECONDS]), r"microseconds \(16 digits\).*time=timestamp:us"),
        (pa.array([s * 10**9 for s in SECONDS]), r"nanoseconds \(19 digits\).*time=timestamp:ns"),
        (pa.array([20240101 + n for n in range(NUM)]), r"digits \(YYYYMMDD\).*time=timestamp:%Y%m%d"),
        (pa.array([f"2401{1 + n // 4:02d}{n:02d}00" for n in range(NUM)]), r"digits \(YYMMDDHHMM\)"),
        (pa.array([20240101000000 + n for n in range(NUM)]), r"digits \(YYYYMMDDHHMMSS\)"),
        (pa.array([202401010000 + n for n in range(NUM)]), r"digits \(YYYYMMDDHHMM\)"),
        (pa.array([45292.5 + n for n in range(NUM)]), "day numbers of a spreadsheet"),
        (pa.array([5 * n + 1000 for n in range(NUM)]), "seconds from some start"),
        (pa.array([[1]] * NUM), "holds no moments"),
    ],
)
def test_times_of_another_unit_are_refused_with_what_to_say(tmp_path: Path, column, says: str) -> None:
    with pytest.raises(DataContractError, match=rf"column 'timestamp'.*{says}"):
        read_folder(folder_of(tmp_path, {"timestamp": column}))


def test_epoch_seconds_that_look_like_a_date_for_an_hour_are_epoch_seconds(tmp_path: Path) -> None:
    """1704062200 to 1704062211: as digits 2017-04-06 22:00 and so on, and 31 December 2023 as seconds."""
    column = pa.array([1704062200 + n for n in range(NUM)])
    assert len(read_folder(folder_of(tmp_path, {"timestamp": column})).events) == NUM


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([s * 1000 for s in SECONDS]), "time=timestamp:ms"),
        (pa.array([str(s * 10**6) for s in SECONDS]), "time=timestamp:us"),
        (pa.array([float(s) * 1e9 for s in SECONDS]), "time=timestamp:ns"),
        (pa.array([s - SECONDS[0] for s in SECONDS]), "time=timestamp:s,start=2024-01-01T00:00:00Z"),
        (pa.array([f"{t:%y%m%d%H%M%S}" for t in CLOCK]), "time=timestamp:%y%m%d%H%M%S,zone=UTC"),
        (pa.array([t.replace(tzinfo=None) for t in CLOCK], pa.timestamp("ns")), "zone=UTC"),
        (pa.array([f"{t + timedelta(hours=1):%Y-%m-%d %H:%M:%S}" for t in CLOCK]), "zone=Europe/Berlin"),
        (pa.array(CLOCK, pa.timestamp("ms", "UTC")), ""),
        (pa.array([f"{t:%Y-%m-%dT%H:%M:%S}Z" for t in CLOCK]).dictionary_encode(), ""),
    ],
)  # fmt: skip
def test_a_unit_that_is_told_is_used(tmp_path: Path, column, said: str) -> None:
    times = read_folder(folder_of(tmp_path, {"timestamp": column}), mapping=said).events["timestamp"]
    moments = read_timestamps(times).moments
    assert [round(moment.timestamp()) for moment in moments] == SECONDS


def test_values_that_have_no_time_in_the_unit_stay_to_be_quarantined(tmp_path: Path) -> None:
    column = pa.array([str(s * 1000) for s in SECONDS[:-2]] + ["1704067200", "soon"])
    times = read_folder(folder_of(tmp_path, {"timestamp": column}), mapping="time=timestamp:ms").events[
        "timestamp"
    ]
    assert read_timestamps(times).form.tolist() == ["moment"] * (NUM - 2) + ["unreadable"] * 2
    assert times.tolist()[-2:] == ["1704067200 (no time in ms)", "soon (no time in ms)"]


def test_every_form_of_a_time_has_one_lower_bound() -> None:
    """Before March 1973 nothing was logged; what may be older says so."""
    old = [datetime(1970, 1, 1, tzinfo=UTC), "1970-01-01T00:00:00Z", 0, "0", 99_999_999]
    assert set(read_timestamps(pd.Series(old, dtype=object)).form) == {"unreadable"}
    aware = pd.Series(pd.to_datetime(["1970-01-01", "2024-01-01"], utc=True))
    assert read_timestamps(aware).form.tolist() == ["unreadable", "moment"]
    assert read_timestamps(aware, dated_back=True).form.tolist() == ["moment", "moment"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["1950-05-01", "2023-05-01", None]),
        pa.array([date(1950, 5, 1), date(2023, 5, 1), None]),
        pa.array(
            [datetime(1950, 5, 1, tzinfo=UTC), datetime(2023, 5, 1, tzinfo=UTC), None],
            pa.timestamp("us", "UTC"),
        ),
    ],
)
def test_an_item_may_be_available_since_any_day(tmp_path: Path, column) -> None:
    items = read_folder(folder_of(tmp_path, {}, {"available_at": column})).items
    read = read_timestamps(items["available_at"], dated_back=True)
    assert read.form.tolist() == ["moment", "moment", "missing"]
    assert read.moments[1] == pd.Timestamp("2023-05-01", tz="UTC")


# --- texts and lists ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array([["Action", "Drama"], ["Jazz"], None]), ["Action|Drama", "Jazz", None]),
        (pa.array([[{"id": 1, "name": "Action"}], [], None]), ["Action", None, None]),
        (pa.array([{"genre": "Drama", "sub": "Noir"}] * 3), ["genre:Drama|sub:Noir"] * 3),
        (pa.array([[("genre", "Drama")], [], None], pa.map_(pa.string(), pa.string())), ["genre:Drama", None, None]),
        (pa.array(["['Action' 'Drama']", "['A', 'B']", '["It\'s", "Jazz"]']), ["Action|Drama", "A|B", "It's|Jazz"]),
        (pa.array(["[{'id': 1, 'name': 'Action'}]", "[]", "[Action, Drama]"]), ["Action", None, "Action|Drama"]),
        (pa.array(["Action| Drama", "NULL", ""]), ["Action|Drama", None, None]),
        (pa.array([["a|b"], ["c"], ["d"]]), ["a/b", "c", "d"]),
        (pa.array(["x", "y", "z"]).dictionary_encode(), ["x", "y", "z"]),
        (pa.array([1.0, 2.5, None]), ["1", "2.5", None]),
    ],
)  # fmt: skip
def test_members_of_lists_in_any_form(tmp_path: Path, column, found) -> None:
    values = read_folder(folder_of(tmp_path, {}, {"genres": column})).items["categories"]
    assert values.where(values.notna(), None).tolist() == found


def test_a_year_is_a_year_however_it_is_kept(tmp_path: Path) -> None:
    for column in (
        pa.array([1990.0, 1990.0, None]),
        pa.array(["1990.0", "1990", None]),
        pa.array(["1990-05-01", "1990", ""]),
    ):
        attributes = read_folder(folder_of(tmp_path, {}, {"year": column})).items["attributes"]
        assert attributes.where(attributes.notna(), None).tolist() == ["year:1990", "year:1990", None]


def test_a_printed_list_of_a_million_characters_is_no_work(tmp_path: Path) -> None:
    column = pa.array(["['" + "a\\" * 500_000 + "']", "[" * 9_000 + "]" * 9_000, "('" * 9_000])
    assert len(read_folder(folder_of(tmp_path, {}, {"genres": column})).items) == 3


def test_titles_that_lack_are_allowed_and_counted(tmp_path: Path) -> None:
    batch = read_folder(folder_of(tmp_path, {}, {"title": pa.array(["a", None, ""])}))
    assert "title: 2 of 3 items have no title, which is allowed" in remarks(batch)


def test_event_types_become_short_words_and_repeats_are_counted(tmp_path: Path) -> None:
    same = {"user_id": ["u"] * NUM, "item_id": ["10"] * NUM, "timestamp": [SECONDS[0]] * NUM}
    batch = read_folder(folder_of(tmp_path, same | {"event": ["Add to Cart"] * NUM}))
    assert batch.events["event_type"].unique().tolist() == ["add_to_cart"]
    assert "'Add to Cart' is 'add_to_cart'" in remarks(batch)
    assert "11 rows repeat another one exactly" in remarks(batch)


# --- parquet in parts --------------------------------------------------------------------------------------


def test_a_folder_of_parts_keeps_what_its_folders_say(tmp_path: Path) -> None:
    """`user_id=00012` is a column, and its zeros are its own."""
    folder_of(tmp_path, {})
    whole = pq.read_table(tmp_path / "events.parquet").drop_columns(["user_id"])
    (tmp_path / "events.parquet").unlink()
    for user in ("00012", "12"):
        part = tmp_path / "events" / f"user_id={user}"
        part.mkdir(parents=True)
        pq.write_table(whole, part / "part-0.parquet")
    (tmp_path / "events" / "_SUCCESS").write_text("")
    events = read_folder(tmp_path).events
    assert events["user_id"].value_counts().to_dict() == {"00012": NUM, "12": NUM}
    pq.write_table(whole.drop_columns(["item_id"]), tmp_path / "events" / "user_id=12" / "part-1.parquet")
    with pytest.raises(DataContractError, match=r"part-1\.parquet: lacks the column 'item_id'"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "kind", [pa.uint32(), pa.int32(), pa.uint64(), pa.int64(), pa.float64(), pa.string()]
)
def test_counts_of_any_type_are_counted(tmp_path: Path, kind) -> None:
    column = pa.array([s - SECONDS[0] for s in SECONDS]).cast(kind)
    said = "time=timestamp:s,start=2024-01-01T00:00:00Z"
    times = read_folder(folder_of(tmp_path, {"timestamp": column}), mapping=said).events["timestamp"]
    assert [round(moment.timestamp()) for moment in read_timestamps(times).moments] == SECONDS


def test_a_count_beyond_all_times_does_not_wrap_around(tmp_path: Path) -> None:
    column = pa.array([*(s * 1000 for s in SECONDS[:-1]), 2**62])
    times = read_folder(folder_of(tmp_path, {"timestamp": column}), mapping="time=timestamp:ms").events[
        "timestamp"
    ]
    assert times.iloc[-1] == f"{2**62} (no time in ms)"
