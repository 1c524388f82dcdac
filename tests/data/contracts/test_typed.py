"""Rows typed and described: null where a value is none of its type, and beside it the form it stood in."""

from __future__ import annotations

import pandas as pd

from components.data.contracts.typed import (
    INFINITE,
    NO_VALUE,
    NOT_A_NUMBER,
    NUMBER,
    typed_events,
    typed_items,
)
from tests.data.contracts.rows import events_of, items_of


def _typed(*changes: dict) -> pd.DataFrame:
    return typed_events(
        events_of(changes), source="s", event_key=("user_id", "timestamp"), known_items={"i1"}
    )


def test_values_and_the_form_they_stood_in():
    typed = _typed(
        *({"value": value} for value in (4, "4.5", None, "four", "1_0", float("nan"), float("-inf")))
    )
    assert typed["value"].fillna(-1).tolist() == [4.0, 4.5, -1, -1, -1, -1, -1]
    assert typed["value_form"].tolist() == [
        NUMBER, NUMBER, NO_VALUE, NOT_A_NUMBER, NOT_A_NUMBER, NO_VALUE, INFINITE,
    ]  # fmt: skip


def test_of_ids_only_facts_are_asked():
    """Blanks are no id, and its length says so; a NUL or lone surrogate is no text; a number is its digits."""
    typed = _typed(*({"user_id": user} for user in ("u1", "  ", None, "a\x00", "a", "\ud800", 42)))
    assert typed["user_id_length"].fillna(0).tolist() == [2, 0, 0, 2, 1, 1, 2]
    assert typed["user_id_is_text"].tolist() == [True, True, True, False, True, False, True]
    assert typed["user_id"].tolist()[-1] == "42"


def test_an_event_type_is_shown_without_markup_and_cut():
    typed = _typed(
        {"event_type": "<b>&'\""}, {"event_type": "x" * 99}, {"event_type": "\ud800é"}, {"event_type": None}
    )
    assert typed["event_type_shown"].astype(object).fillna("").tolist() == [
        "\\x3cb\\x3e\\x26\\x27\\x22", "x" * 80, "\\ud800\\xe9", "",
    ]  # fmt: skip


def test_a_row_that_contradicts_the_first_of_its_id_does_not_agree():
    event = {"event_id": "e", "timestamp": "2019-06-01T12:00:00Z"}
    typed = _typed(event, event, {**event, "value": 2}, {"event_id": "f"})
    assert typed["agrees_with_first"].tolist() == [True, True, False, True]


def test_items_and_what_is_asked_of_them():
    typed = typed_items(
        items_of(
            [
                {},
                {"item_id": "i1"},
                {"item_id": None},
                {"item_id": None},
                {"title": "a\x00", "description": "long"},
            ]
        )
    )
    assert typed["is_first_of_item"].tolist() == [
        True,
        False,
        True,
        True,
        True,
    ]  # one without an id repeats nobody
    assert typed["is_text"].tolist() == [True, True, True, True, False]
    assert typed["text_length"].tolist() == [1, 1, 1, 1, 4]
