"""What is expected: asked of columns that typed rows have, each with a reason code, and once for the table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from components.data.contracts.expectations import event_suite, item_suite, vector_suite
from components.data.contracts.typed import typed_events, typed_items
from tests.data.contracts.rows import events_of, items_of

AS_OF = datetime(2020, 1, 1, tzinfo=UTC)
EVENTS = event_suite(as_of=AS_OF, num_rows=1, value_ranges={"rating": (0.0, 10.0), "price": (0.0, 99.0)})
ITEMS = item_suite(as_of=AS_OF, num_rows=1)
VECTORS = vector_suite(
    ["image", "text"], num_rows=1, max_zero_share=0.1, max_duplicate_share=0.9, norms=(0.0, 1e4)
)


def _reasons(suite) -> set[str]:
    return {expectation.meta["reason"] for expectation in suite if expectation.meta}


@pytest.mark.parametrize("suite", [EVENTS, ITEMS, VECTORS], ids=["events", "items", "vectors"])
def test_only_the_count_of_rows_is_of_the_table_and_has_no_reason(suite):
    of_the_table = [type(e).__name__ for e in suite if not (e.meta or {}).get("reason")]
    assert of_the_table == ["ExpectTableRowCountToEqual"]


def test_the_columns_asked_about_are_those_of_typed_rows():
    events = typed_events(events_of([{}]), source="s", event_key=("user_id",), known_items=())
    for suite, typed in ((EVENTS, events), (ITEMS, typed_items(items_of([{}])))):
        assert {e.column for e in suite if hasattr(e, "column")} <= set(typed.columns)


def test_the_reason_codes():
    assert _reasons(EVENTS) == {
        "missing_user", "missing_item", "bad_id", "unknown_item", "bad_timestamp", "naive_timestamp",
        "future_timestamp", "bad_event_type", "bad_value", "conflicting_payload",
    }  # fmt: skip
    assert _reasons(ITEMS) == {
        "missing_item", "bad_id", "duplicate_item", "bad_text", "bad_timestamp", "naive_timestamp", "future_timestamp",
    }  # fmt: skip
    assert _reasons(VECTORS) == {"non-finite", "too long", "too short", "zero", "duplicates"}


def test_every_event_type_with_a_range_needs_a_value_in_it():
    """Two expectations a type, asked of its own rows alone."""
    plain = event_suite(as_of=AS_OF, num_rows=1, value_ranges={})
    assert len(EVENTS) == len(plain) + 4
    ranges = [
        (e.min_value, e.max_value)
        for e in EVENTS
        if getattr(e, "column", "") == "value" and hasattr(e, "max_value")
    ]
    assert ranges == [(0.0, 99.0), (0.0, 10.0)]


def test_shares_of_vectors_become_what_must_at_least_hold():
    """At most a tenth zero: 90 % at least have something; at most 90 % repeats: a tenth at least are the first."""
    mostly = {e.meta["reason"]: e.mostly for e in VECTORS if e.meta}
    whole = dict.fromkeys(("non-finite", "too long", "too short"), 1)
    assert mostly == whole | {"zero": pytest.approx(0.9), "duplicates": pytest.approx(0.1)}
