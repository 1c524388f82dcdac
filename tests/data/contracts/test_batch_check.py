"""Contracts, in the real Great Expectations: every bad row is found, named, and nothing is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from components.data.batch import EVENT_COLUMNS, Batch, DataContractError
from components.data.batch_digest import batch_digest
from components.data.contracts.batch_check import ContractConfig, TooMuchBad, check_batch
from components.data.contracts.validation import data_docs_index
from components.data.sources.poison import KINDS, poisoned
from tests.data.contracts.rows import SOUND, batch_of, events_of, items_of

AS_OF = datetime(2020, 1, 1, tzinfo=UTC)
ANY_SHARE = ContractConfig(max_bad_event_share=1.0, max_bad_item_share=1.0)
# what is changed in a sound event -> the reasons it is quarantined for
BAD_EVENTS = [
    ({"user_id": None}, "missing_user"),
    ({"user_id": "  "}, "missing_user"),
    ({"item_id": None}, "missing_item"),
    ({"item_id": "i9"}, "unknown_item"),
    ({"timestamp": None}, "bad_timestamp"),
    ({"timestamp": "yesterday"}, "bad_timestamp"),
    ({"timestamp": 20190601}, "bad_timestamp"),
    ({"timestamp": "2019-06-01T12:00:00"}, "naive_timestamp"),
    ({"timestamp": "2020-01-01T00:00:00.000001Z"}, "future_timestamp"),
    ({"event_type": None}, "bad_event_type"),
    ({"event_type": "Drop Table; <b>"}, "bad_event_type"),
    ({"event_type": "\ud800"}, "bad_event_type"),
    ({"value": None}, "bad_value"),
    ({"value": float("nan")}, "bad_value"),
    ({"value": "four"}, "bad_value"),
    ({"value": float("inf")}, "bad_value"),
    ({"value": float("-inf")}, "bad_value"),
    ({"value": 1e308}, "bad_value"),
    ({"value": -0.5}, "bad_value"),
    ({"event_type": "purchase", "value": "NaN"}, "bad_value"),
    ({"user_id": "u\x00"}, "bad_id"),
    ({"user_id": "\ud800"}, "bad_id"),
    ({"user_id": "u" * 257}, "bad_id"),
    ({"user_id": "u" * 1_000_000}, "bad_id"),
    ({"event_id": "e\x00"}, "bad_id"),
    ({"user_id": None, "timestamp": None, "value": "?"}, "bad_timestamp|bad_value|missing_user"),
]
SOUND_EVENTS = [
    {"user_id": "😀"},
    {"user_id": "مستخدم"},
    {"user_id": "=1+1"},
    {"user_id": "'; DROP TABLE events; --"},
    {"user_id": "<script>alert(1)</script>"},
    {"user_id": "u" * 256},
    {"user_id": 42},
    {"timestamp": "2020-01-01T00:00:00Z"},
    {"event_type": "purchase", "value": None},
    {"event_type": "purchase", "value": -12.5},
    {"value": "4.5"},
]


def checked(batch, gx_root, *, config=ANY_SHARE, known_items=()):
    return check_batch(batch, as_of=AS_OF, known_items=known_items, gx_root=gx_root, config=config)


def found(result, kind="event") -> dict[int, str]:
    rows = result.quarantined[result.quarantined["kind"] == kind]
    return dict(zip(rows["source_row"], rows["reasons"], strict=True))


def test_every_kind_of_bad_event_is_found_and_no_sound_one(gx_root):
    changes = [change for change, _ in BAD_EVENTS] + SOUND_EVENTS
    result = checked(batch_of(changes), gx_root)
    expected = {100 + at: reason for at, (_, reason) in enumerate(BAD_EVENTS)}
    assert found(result) == expected
    assert result.events["source_row"].tolist() == [
        100 + len(BAD_EVENTS) + at for at in range(len(SOUND_EVENTS))
    ]


def test_good_events_come_out_typed(gx_root):
    events = checked(batch_of([{}, {"user_id": 42, "value": "4.5"}]), gx_root).events
    assert list(events.columns) == [*EVENT_COLUMNS, "source_row"]
    assert str(events["timestamp"].dtype) == "datetime64[us, UTC]"
    assert events["value"].tolist() == [4.0, 4.5]
    assert events["user_id"].tolist() == ["u1", "42"]
    assert events["event_id"].str.len().tolist() == [64, 64]


def test_every_kind_of_bad_item_is_found_and_its_events_with_it(gx_root):
    bad = [
        ({"item_id": None}, "missing_item"),
        ({"item_id": "i\x00"}, "bad_id"),
        ({"item_id": "i" * 257}, "bad_id"),
        ({"item_id": "i1"}, "duplicate_item"),
        ({"title": "\ud800"}, "bad_text"),
        ({"description": "d" * 1_000_000}, "bad_text"),
        ({"available_at": "someday"}, "bad_timestamp"),
        ({"available_at": "2019-01-01"}, "naive_timestamp"),
        ({"available_at": "2021-01-01T00:00:00Z"}, "future_timestamp"),
    ]
    changes = [{}, *(change for change, _ in bad), {"available_at": 1546300800, "title": None}]
    result = checked(batch_of([{}, {"item_id": "i6"}], changes), gx_root)
    assert found(result, "item") == {1 + at: reason for at, (_, reason) in enumerate(bad)}
    assert result.items["item_id"].tolist() == ["i1", "i11"]
    assert found(result) == {101: "unknown_item"}  # i6 arrived with a title that is no text


def test_items_known_from_earlier_batches_count(gx_root):
    result = checked(batch_of([{"item_id": "old"}, {"item_id": "new"}]), gx_root, known_items=["old"])
    assert found(result) == {101: "unknown_item"}


def test_a_correction_under_a_known_id_is_a_conflict_and_an_exact_repeat_is_not(gx_root):
    event = {"event_id": "e1", "timestamp": "2019-06-01T12:00:00Z"}
    result = checked(batch_of([event, event, {**event, "value": 2.0}]), gx_root)
    assert found(result) == {102: "conflicting_payload"}
    assert result.events["event_id"].tolist() == ["e1", "e1"]  # the warehouse counts the repeat


def test_quarantine_keeps_the_row_as_received(gx_root):
    result = checked(batch_of([{}, {"user_id": "u\x00\ud800", "value": float("inf")}]), gx_root)
    [payload] = result.quarantined["payload"]
    assert payload.isascii()
    assert json.loads(payload) == {
        **SOUND,
        "user_id": "u\x00\ud800",
        "value": "inf",
        "timestamp": "2019-06-01T12:00:01Z",
    }


def test_poison_is_found_by_kind(gx_root):
    batch = batch_of([{"user_id": f"u{n}"} for n in range(40)])
    result = checked(poisoned(batch, seed=3, count=2 * len(KINDS), as_of=AS_OF), gx_root)
    expected = {-1 - at: reason for at, reason in enumerate([*KINDS.values()] * 2)}
    assert found(result) == expected
    assert len(result.events) == 40
    assert result.events["event_id"].tolist() == checked(batch, gx_root).events["event_id"].tolist()


def test_poison_is_found_in_a_source_with_ids_of_its_own(gx_root):
    batch = batch_of([{"event_id": f"e{n}", "event_type": "view", "value": None} for n in range(5)])
    result = checked(poisoned(batch, seed=0, count=len(KINDS), as_of=AS_OF), gx_root)
    assert list(found(result).values()) == list(KINDS.values())


cells = {
    "event_id": [None, "e1", "e2"],
    "user_id": [None, "u1", "\x00", 7],
    "item_id": [None, "i1", "i2", "\ud800"],
    "event_type": [None, "rating", "view", "?!"],
    "timestamp": [None, 1546300800, "2019-01-01T00:00:00Z", "2019-01-01", "x", 1e12, AS_OF],
    "value": [None, 1, "2", "x", float("nan"), float("inf"), 1e308],
}


@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    st.lists(
        st.fixed_dictionaries({name: st.sampled_from(values) for name, values in cells.items()}),
        min_size=15,
    )
)
def test_received_is_good_and_quarantined(gx_root, rows):
    """Whatever the cells hold, every row comes out once, on one side."""
    sound = {"event_id": None, "user_id": "u", "event_type": "view", "value": None}
    batch = batch_of([sound, *rows], [{}, {}])
    result = checked(batch, gx_root)
    sides = [*result.events["source_row"], *result.quarantined["source_row"]]
    assert sorted(sides) == batch.events["source_row"].tolist()
    assert (result.quarantined["reasons"] != "").all()
    good = result.events
    assert good[["event_id", "user_id", "item_id", "event_type", "timestamp"]].notna().all(axis=None)
    assert np.isfinite(good["value"].dropna()).all()
    assert set(good["item_id"]) <= {"i1", "i2"}


def test_circuit_breaker(gx_root):
    """2 of 10 bad: a limit of 20 % lets them pass, one just below does not, and the rows come with it."""
    batch = batch_of([{}] * 8 + [{"user_id": None}, {"value": 99}])
    at_limit = replace(ANY_SHARE, max_bad_event_share=0.2)
    assert len(checked(batch, gx_root, config=at_limit).quarantined) == 2
    with pytest.raises(
        TooMuchBad,
        match=r"2 of 10 events are bad \(20\.0%, limit 19\.9%\).*row 108.* a higher --max-bad-share",
    ) as caught:
        checked(batch, gx_root, config=replace(ANY_SHARE, max_bad_event_share=0.199))
    assert (len(caught.value.checked.events), len(caught.value.checked.quarantined)) == (8, 2)
    assert caught.value.shares == {"event": 0.2, "item": 0.0}


def test_circuit_breaker_of_items(gx_root):
    with pytest.raises(
        TooMuchBad, match=r"1 of 2 items are bad.*duplicate_item.*--map repeats=first.*--max-bad-item-share"
    ):
        checked(batch_of([{}], [{}, {"item_id": "i1"}]), gx_root, config=ContractConfig())


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (Batch(source="s", events=events_of([]), items=items_of([]), event_key=()), "the batch is empty"),
        (batch_of([]), "0 events, at least 1 expected.*--since, --as-of"),
        (replace(batch_of([{}]), events=events_of([{}]).drop(columns="user_id")), "no column 'user_id'"),
        (replace(batch_of([{}]), items=items_of([{}]).drop(columns="title")), "no column 'title'"),
        (batch_of([{"user_id": None}] * 3), "user_id is null in all 3 events"),
        (batch_of([{}], [{"title": None}]), "title is null in all 1 items"),
        (replace(batch_of([{}]), event_key=("session",)), "event_key names 'session'"),
    ],
)
def test_a_batch_that_cannot_be_checked_is_refused(batch, says, gx_root):
    with pytest.raises(DataContractError, match=says):
        checked(batch, gx_root)


def test_a_batch_of_items_alone_and_one_of_events_alone(gx_root):
    only_items = checked(batch_of([]), gx_root, config=ContractConfig(min_events=0))
    assert (len(only_items.events), len(only_items.items)) == (0, 1)
    assert Path(only_items.data_docs).exists()
    only_events = checked(batch_of([{}], []), gx_root, known_items=["i1"])
    assert (len(only_events.events), len(only_events.items)) == (1, 0)


def test_data_docs_name_failing_rows_but_no_value_of_them(gx_root):
    bad = [{"user_id": "someone-private\x00"}, {"event_type": "<img src=x onerror=alert(1)>"}]
    page = Path(checked(batch_of([{}, *bad]), gx_root).data_docs).read_text()
    assert "2 of 3 events quarantined" in page
    assert (
        page.count("<code>bad_id</code>") == page.count("<code>bad_event_type</code>") == 2
    )  # why, and which row
    assert "someone-private" not in page
    assert "onerror=alert" not in page
    assert data_docs_index(gx_root).exists()


def test_the_digest_names_the_rows():
    batch = batch_of([{}, {"user_id": "u2"}])
    assert batch_digest(batch) == batch_digest(batch_of([{}, {"user_id": "u2"}]))
    assert batch_digest(batch) != batch_digest(batch_of([{}, {"user_id": "u3"}]))
    assert batch_digest(batch) != batch_digest(replace(batch, source="t"))
