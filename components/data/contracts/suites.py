"""What is expected of events and of items, each expectation with the reason code of a row that fails it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from components.data.contracts.typed import NO_VALUE, NUMBER
from components.data.timestamps import MISSING, NAIVE, UNREADABLE

MAX_ID_LENGTH = 256
MAX_TEXT_LENGTH = 100_000
EVENT_TYPE = r"^[a-z][a-z0-9_.-]{0,63}\Z"


def event_suite(
    *, as_of: datetime, num_rows: int, value_ranges: Mapping[str, tuple[float, float]]
) -> list[Expectation]:
    return [
        gxe.ExpectTableRowCountToEqual(value=num_rows),
        gxe.ExpectColumnValuesToNotBeNull(column="user_id", **_reason("missing_user")),
        gxe.ExpectColumnValuesToNotBeNull(column="item_id", **_reason("missing_item")),
        *_sound_id("user_id"),
        *_sound_id("item_id"),
        *_sound_id("event_id"),
        gxe.ExpectColumnValuesToBeInSet(column="item_is_known", value_set=[True], **_reason("unknown_item")),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="timestamp_form", value_set=[MISSING, UNREADABLE], **_reason("bad_timestamp")
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="timestamp_form", value_set=[NAIVE], **_reason("naive_timestamp")
        ),
        gxe.ExpectColumnValuesToBeBetween(column="timestamp", max_value=as_of, **_reason("future_timestamp")),
        gxe.ExpectColumnValuesToNotBeNull(column="event_type_shown", **_reason("bad_event_type")),
        gxe.ExpectColumnValuesToMatchRegex(
            column="event_type_shown", regex=EVENT_TYPE, **_reason("bad_event_type")
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="value_form", value_set=[NUMBER, NO_VALUE], **_reason("bad_value")
        ),
        *_values_in_range(value_ranges),
        gxe.ExpectColumnValuesToBeInSet(
            column="agrees_with_first", value_set=[True], **_reason("conflicting_payload")
        ),
    ]


def item_suite(*, as_of: datetime, num_rows: int) -> list[Expectation]:
    return [
        gxe.ExpectTableRowCountToEqual(value=num_rows),
        gxe.ExpectColumnValuesToNotBeNull(column="item_id", **_reason("missing_item")),
        *_sound_id("item_id"),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_first_of_item", value_set=[True], **_reason("duplicate_item")
        ),
        gxe.ExpectColumnValuesToBeInSet(column="is_text", value_set=[True], **_reason("bad_text")),
        gxe.ExpectColumnValuesToBeBetween(
            column="text_length", max_value=MAX_TEXT_LENGTH, **_reason("bad_text")
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="available_at_form", value_set=[UNREADABLE], **_reason("bad_timestamp")
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="available_at_form", value_set=[NAIVE], **_reason("naive_timestamp")
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="available_at", max_value=as_of, **_reason("future_timestamp")
        ),
    ]


def _sound_id(column: str) -> Iterator[Expectation]:
    yield gxe.ExpectColumnValuesToBeBetween(
        column=f"{column}_length", max_value=MAX_ID_LENGTH, **_reason("bad_id")
    )
    yield gxe.ExpectColumnValuesToBeInSet(column=f"{column}_is_text", value_set=[True], **_reason("bad_id"))


def _values_in_range(ranges: Mapping[str, tuple[float, float]]) -> Iterator[Expectation]:
    """Events of these types must have a value, and one in this range."""
    for event_type, (low, high) in sorted(ranges.items()):
        of_type = Column("event_type_shown") == event_type
        yield gxe.ExpectColumnValuesToNotBeNull(column="value", row_condition=of_type, **_reason("bad_value"))
        yield gxe.ExpectColumnValuesToBeBetween(
            column="value", min_value=low, max_value=high, row_condition=of_type, **_reason("bad_value")
        )


def _reason(code: str) -> dict[str, Any]:
    return {"meta": {"reason": code}, "notes": f"a row that fails is quarantined as {code}"}
