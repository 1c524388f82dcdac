"""What is expected of events and of items, each expectation with the reason code of a row that fails it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from components.data.contracts.typed import NO_VALUE, NUMBER
from components.data.timestamps import MISSING, NAIVE, UNREADABLE

MAX_ID_LENGTH = 256
MAX_TEXT_LENGTH = 100_000
_ELSE = "; else "


def event_suite(
    *, as_of: datetime, num_rows: int, value_ranges: Mapping[str, tuple[float, float]]
) -> list[Expectation]:
    return [
        _every_row(num_rows),
        gxe.ExpectColumnValuesToNotBeNull(
            column="user_id_length", **_else("missing_user", "an event has a user")
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="item_id_length", **_else("missing_item", "an event has an item")
        ),
        *_sound_id("user_id"),
        *_sound_id("item_id"),
        *_sound_id("event_id"),
        gxe.ExpectColumnValuesToBeInSet(
            column="item_is_known",
            value_set=[True],
            **_else("unknown_item", "its item is known, or arrives sound in the same batch"),
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="timestamp_form",
            value_set=[MISSING, UNREADABLE],
            **_else("bad_timestamp", "its timestamp can be read"),
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="timestamp_form", value_set=[NAIVE], **_else("naive_timestamp", "its timestamp has a zone")
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="timestamp",
            max_value=as_of,
            **_else("future_timestamp", f"it is not later than {as_of.isoformat()}"),
        ),
        gxe.ExpectColumnValuesToNotBeNull(
            column="event_type_shown", **_else("bad_event_type", "it has a type")
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="event_type_is_word",
            value_set=[True],
            **_else("bad_event_type", "its type is a short word in lower case"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="value_form",
            value_set=[NUMBER, NO_VALUE],
            **_else("bad_value", "its value is a finite number, or none"),
        ),
        *_values_in_range(value_ranges),
        gxe.ExpectColumnValuesToBeInSet(
            column="agrees_with_first",
            value_set=[True],
            **_else("conflicting_payload", "it does not contradict an earlier row with its id"),
        ),
    ]


def item_suite(*, as_of: datetime, num_rows: int) -> list[Expectation]:
    return [
        _every_row(num_rows),
        gxe.ExpectColumnValuesToNotBeNull(
            column="item_id_length", **_else("missing_item", "an item has an id")
        ),
        *_sound_id("item_id"),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_first_of_item",
            value_set=[True],
            **_else("duplicate_item", "an item comes once in a batch"),
        ),
        gxe.ExpectColumnValuesToBeInSet(
            column="is_text", value_set=[True], **_else("bad_text", "its texts hold no NUL or lone surrogate")
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="text_length",
            max_value=MAX_TEXT_LENGTH,
            **_else("bad_text", f"no text is longer than {MAX_TEXT_LENGTH:,} characters"),
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="available_at_form",
            value_set=[UNREADABLE],
            **_else("bad_timestamp", "available_at can be read, or is null"),
        ),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="available_at_form",
            value_set=[NAIVE],
            **_else("naive_timestamp", "available_at has a zone"),
        ),
        gxe.ExpectColumnValuesToBeBetween(
            column="available_at",
            max_value=as_of,
            **_else("future_timestamp", f"available_at is not later than {as_of.isoformat()}"),
        ),
    ]


def vector_suite(
    modalities: Sequence[str],
    *,
    num_rows: int,
    max_zero_share: float,
    max_duplicate_share: float,
    norms: tuple[float, float],
) -> list[Expectation]:
    """Of the facts about item vectors, one row a present vector (see `vector_check`)."""
    suite: list[Expectation] = [_every_row(num_rows)]
    for modality in modalities:
        of_modality = Column("modality") == modality
        suite += [
            gxe.ExpectColumnValuesToBeBetween(
                column="num_non_finite",
                max_value=0,
                row_condition=of_modality,
                **_else("non-finite", f"{modality}: every number is finite"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="norm",
                max_value=norms[1],
                row_condition=of_modality,
                **_else("too long", f"{modality}: its norm is at most {norms[1]:g}"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="norm",
                min_value=norms[0],
                row_condition=of_modality,
                **_else("too short", f"{modality}: its norm is at least {norms[0]:g}, unless it is zero"),
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="num_non_zero",
                min_value=1,
                mostly=1 - max_zero_share,
                row_condition=of_modality,
                **_else("zero", f"{modality}: at most {max_zero_share:.0%} are zero"),
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="is_duplicate",
                value_set=[False],
                mostly=1 - max_duplicate_share,
                row_condition=of_modality,
                **_else(
                    "duplicates", f"{modality}: at most {max_duplicate_share:.0%} are equal to an earlier one"
                ),
            ),
        ]
    return suite


def _every_row(num_rows: int) -> Expectation:
    return gxe.ExpectTableRowCountToEqual(
        value=num_rows, description=f"all {num_rows:,} rows that were handed over are asked"
    )


def _sound_id(column: str) -> Iterator[Expectation]:
    yield gxe.ExpectColumnValuesToBeBetween(
        column=f"{column}_length",
        max_value=MAX_ID_LENGTH,
        **_else("bad_id", f"{column} has at most {MAX_ID_LENGTH} characters"),
    )
    yield gxe.ExpectColumnValuesToBeInSet(
        column=f"{column}_is_text",
        value_set=[True],
        **_else("bad_id", f"{column} holds no NUL or lone surrogate"),
    )


def _values_in_range(ranges: Mapping[str, tuple[float, float]]) -> Iterator[Expectation]:
    """Events of these types must have a value, and one in this range."""
    for event_type, (low, high) in sorted(ranges.items()):
        of_type = Column("event_type_shown") == event_type
        yield gxe.ExpectColumnValuesToNotBeNull(
            column="value", row_condition=of_type, **_else("bad_value", f"a {event_type} has a value")
        )
        yield gxe.ExpectColumnValuesToBeBetween(
            column="value",
            min_value=low,
            max_value=high,
            row_condition=of_type,
            **_else("bad_value", f"the value of a {event_type} lies in {low:g} to {high:g}"),
        )


def _else(code: str, rule: str) -> dict[str, Any]:
    """What Data Docs say of the rule, and the reason code of a row that breaks it."""
    return {"meta": {"reason": code}, "description": f"{rule}{_ELSE}{code}"}


def rule_of(description: str) -> str:
    """The rule alone, for a table that shows the reason code beside it."""
    return description.partition(_ELSE)[0]
