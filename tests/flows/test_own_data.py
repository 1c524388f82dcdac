"""The folders of odd data beside the checkout, through what `validate` and `ingest` do: right, or refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.data.batch import DataContractError
from components.data.contracts.batch_check import TooMuchBad, check_batch
from components.evaluation.counterfactual.logged import LoggedFeedbackError
from flows.logged_source import read_log
from flows.request import BatchRequest
from flows.settled import settle_batch


@dataclass(frozen=True, kw_only=True)
class Read:
    """What came of a folder: rows that would land, rows quarantined with their reason, and what was said."""

    events: int = 400
    items: int = 30
    quarantined: tuple[str, ...] = ()
    says: str = ""
    is_checked: bool = False  # against the contracts too, which takes seconds


READ = {
    "csv-gz-named": Read(),
    "i-available-day-only": Read(is_checked=True, says="30 values are days alone, and count from 00:00 UTC"),
    "i-available-later": Read(
        is_checked=True, events=355, items=27, says="3 items are available from 2024-01-04"
    ),
    "i-csv-year-float": Read(),
    "i-missing-titles-few": Read(says="2 of 30 items have no title, which is allowed"),
    "i-parquet-category-year": Read(),
    "i-parquet-list-genres": Read(),
    "id-null-words": Read(
        is_checked=True, events=385, quarantined=("missing_user",) * 15, says="15 ids say that there is none"
    ),
    "id-parquet-float-inf": Read(
        is_checked=True, events=399, quarantined=("missing_item",), says="1 ids are infinite"
    ),
    "id-parquet-uuid-bytes": Read(says="written as UUIDs"),
    "id-trailing-space-users": Read(says="blanks around 200 ids were removed"),
    "ids-zeros-mixed": Read(events=1280, items=60, says="differ only in leading zeros"),
    "items-few-categories": Read(events=1280, items=60),
}
REFUSED = {
    "csv-duplicate-header": "the name 'timestamp' stands twice",
    "csv-stray-quotes-events": "a quote opens in line 51",
    "csv-trailing-comma-events": "the row in line 2 has 5 fields, the header 4",
    "csv-truncated-last": r"the last line \(401\) has no newline, and its timestamp '170433210'",
    "id-parquet-huge-float": "column 'user_id' holds ids as double numbers",
    "items-only-header": r"items\.csv has no rows",
    "t-parquet-float32": "column 'timestamp' is of type float, which rounds",
    "t-yymmddhhmm": r"looks like a date written as digits \(YYMMDDHHMM\)",
}
LOGGED = {
    "dup-header": "the name 'propensity' stands twice",
    "null-id": "75 of 3,000 rows have no item_id",
    "trailing-comma": "the row in line 2 has 6 fields, the header 5",
}


@pytest.fixture(scope="module")
def gx_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECLOOP_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.shared_data
def test_every_folder_is_tried(shared: Path) -> None:
    held = {path.name for path in (shared / "cases" / "own_data").iterdir() if path.is_dir()}
    assert held == {*READ, *REFUSED, "logged"}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", READ)
def test_a_folder_that_is_read(shared: Path, home: Path, gx_root: Path, name: str) -> None:
    expected = READ[name]
    request = BatchRequest(source=str(shared / "cases" / "own_data" / name))
    batch = settle_batch(request)
    received = batch.read()
    assert len(received.events) == expected.events + len(expected.quarantined)
    assert len(received.items) == expected.items
    if expected.is_checked:
        found = check_batch(
            received, as_of=batch.as_of, known_items=(), gx_root=gx_root, config=request.contract
        )
        assert (len(found.events), len(found.items)) == (expected.events, expected.items)
        assert tuple(found.quarantined["reasons"]) == expected.quarantined
    remarks = "; ".join(remark for reading in received.readings for remark in reading.remarks)
    assert expected.says in remarks
    assert bool(remarks) == bool(expected.says)  # of a sound folder there is nothing to say


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_refused(shared: Path, home: Path, name: str) -> None:
    with pytest.raises(DataContractError, match=REFUSED[name]):
        settle_batch(BatchRequest(source=str(shared / "cases" / "own_data" / name)))


@pytest.mark.shared_data
@pytest.mark.parametrize("name", LOGGED)
def test_a_log_that_is_refused(shared: Path, name: str) -> None:
    with pytest.raises((DataContractError, LoggedFeedbackError), match=LOGGED[name]):
        read_log(shared / "cases" / "own_data" / "logged" / f"{name}.csv", None)


# --- what needs no folder beside the checkout --------------------------------------------------------------


def shop(folder: Path, *, item: str = "1007", available: str = "1704000000", items: int = 40) -> Path:
    rows = [f"u{n % 9},{item if n % 2 else '1000'},{1704067200 + 900 * n}" for n in range(40)]
    (folder / "events.csv").write_text("user_id,item_id,timestamp\n" + "".join(f"{row}\n" for row in rows))
    held = [f"{1000 + n},Work {n},{available}\n" for n in range(items)]
    (folder / "items.csv").write_text("item_id,title,available_at\n" + "".join(held))
    return folder


def checked(folder: Path, gx_root: Path) -> None:
    request = BatchRequest(source=str(folder))
    batch = settle_batch(request)
    check_batch(batch.read(), as_of=batch.as_of, known_items=(), gx_root=gx_root, config=request.contract)


def test_an_unknown_item_is_named_with_the_nearest_known_one(home: Path, gx_root: Path) -> None:
    with pytest.raises(
        TooMuchBad,
        match=r"1 unknown items, such as '1007\.0' \(20\); the nearest known ids: '1007\.0' → '1007'",
    ):
        checked(shop(home, item="1007.0"), gx_root)


def test_items_are_named_before_the_events_that_speak_of_them(home: Path, gx_root: Path) -> None:
    with pytest.raises(
        TooMuchBad,
        match=r"40 of 40 items are bad .*bad_timestamp.* 40 events are bad too.*--max-bad-item-share",
    ):
        checked(shop(home, available="someday"), gx_root)


def test_limits_are_settings(home: Path, gx_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECLOOP_MAX_BAD_SHARE", "0.5")
    checked(shop(home, item="1007.0"), gx_root)
    monkeypatch.setenv("RECLOOP_VALUE_RANGES", "rating=0:100,view=1")
    with pytest.raises(ValueError, match="'view=1' is no range of values"):
        BatchRequest()
