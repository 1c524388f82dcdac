"""Rows as received, typed column by column, with what the expectations ask about each.

Nothing is judged here: a value that cannot be typed becomes null, and a column beside it says in which form
it stood. Of a text only facts are asked (its length, whether it can be stored), so no user and
no malformed text reaches Data Docs; an event type is shown, escaped and cut.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.coded import Coded, coded, renamed
from components.data.contracts.given_ids import are_storable, as_column, given_ids, lengths_of
from components.data.contracts.storable import is_storable
from components.data.event_ids import TypedColumns, fill_event_ids
from components.data.timestamps import read_timestamps

NUMBER, NO_VALUE, NOT_A_NUMBER, INFINITE = "number", "none", "not a number", "infinite"
_FORM_CODES = {form: np.int8(code) for code, form in enumerate((NUMBER, NO_VALUE, NOT_A_NUMBER, INFINITE))}

_WORD = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")

PAYLOAD_COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "value")
TEXT_COLUMNS = ("title", "description", "categories", "attributes", "image_path", "audio_path")


def typed_events(
    events: pd.DataFrame, *, source: str, event_key: tuple[str, ...], known_items: Collection[str]
) -> pd.DataFrame:
    """EVENT_COLUMNS and source_row typed, and the columns asked about. One row a row received, under its place.

    Texts are categoricals and event ids Arrow's text: some 200 bytes an event, 64 of them its id. What is asked of a
    text is asked once for each distinct one.
    """
    times, (value, value_form) = read_timestamps(events["timestamp"]), _numbers(events["value"])
    columns = TypedColumns(
        user_id=_ids(events["user_id"]),
        item_id=_ids(events["item_id"]),
        event_type=_ids(events["event_type"]),
        timestamp=times.moments.astype("int64").to_numpy(),
        value=value,
        is_sound=value_form == _FORM_CODES[NUMBER],
    )
    given = given_ids(events["event_id"])
    ids = fill_event_ids(given, columns, source=source, event_key=event_key)
    frame = {
        "source_row": events["source_row"].to_numpy(),
        "user_id": columns.user_id.column(),
        "item_id": columns.item_id.column(),
        "event_type": columns.event_type.column(),
        "timestamp": times.moments.array,
        "timestamp_form": times.form.array,
        "value": value,
        "value_form": pd.Categorical.from_codes(value_form, categories=list(_FORM_CODES)),
        "event_id": as_column(ids),
    }
    return pd.DataFrame(frame | _facts(columns, given, ids, set(known_items)))


def _facts(
    columns: TypedColumns, given: pa.ChunkedArray, ids: pa.ChunkedArray, known_items: set[str]
) -> dict[str, Any]:
    """What is asked about: of an id that is absent only its length, which is null."""
    return {
        "user_id_length": _lengths(columns.user_id),
        "user_id_is_text": _are_storable(columns.user_id),
        "item_id_length": _lengths(columns.item_id),
        "item_id_is_text": _are_storable(columns.item_id),
        "event_id_length": lengths_of(given),
        "event_id_is_text": are_storable(given),
        "event_type_shown": renamed(
            columns.event_type, [_shown(t) for t in columns.event_type.texts]
        ).column(),
        "event_type_is_word": columns.event_type.each(_is_word, absent=True, dtype=bool),
        "item_is_known": columns.item_id.each(known_items.__contains__, absent=True, dtype=bool),
        "agrees_with_first": _agrees_with_first(ids, given, columns),
    }


def typed_items(items: pd.DataFrame) -> pd.DataFrame:
    """ITEM_COLUMNS and source_row typed, and the columns asked about. One row a row received."""
    times = read_timestamps(items["available_at"], dated_back=True)
    frame = pd.DataFrame(
        {
            "source_row": items["source_row"],
            "item_id": _ids(items["item_id"]).objects(),
            **{name: _texts(items[name]) for name in TEXT_COLUMNS},
            "available_at": times.moments,
            "available_at_form": times.form,
        }
    )
    frame["item_id_length"] = frame["item_id"].str.len()
    frame["item_id_is_text"] = _are_storable(coded(frame["item_id"]))
    texts = [coded(frame[name]) for name in TEXT_COLUMNS]
    frame["text_length"] = np.fmax.reduce([_lengths(column) for column in texts])
    frame["is_text"] = np.logical_and.reduce([_are_storable(column) for column in texts])
    frame["is_first_of_item"] = ~frame["item_id"].duplicated() | frame["item_id"].isna()
    return frame


def _agrees_with_first(ids: pa.ChunkedArray, given: pa.ChunkedArray, columns: TypedColumns) -> np.ndarray:
    """[row] whether a row says what the first row of the batch with its event id says.

    Made ids differ from each other, so only ids that are given somewhere are looked at.
    """
    agrees = np.ones(len(ids), dtype=bool)
    if given.null_count == len(given):
        return agrees
    place = pc.index_in(ids, value_set=pc.unique(given.drop_null()))
    rows = np.flatnonzero(place.is_valid().to_numpy())
    at = place.drop_null().to_numpy()
    first = np.empty(int(at.max(initial=-1)) + 1, dtype=np.int64)
    first[at[::-1]] = rows[::-1]  # of several rows the one written last, which is the first
    for name in PAYLOAD_COLUMNS:
        numbers = columns.numbers(name)
        agrees[rows] &= numbers[rows] == numbers[first[at]]
    return agrees


def _ids(raw: pd.Series) -> Coded:
    """Text of every value; none where there is none or only blanks."""
    column = coded(raw)
    blank = [not text.strip() for text in column.texts]
    if not any(blank):
        return column
    return renamed(column, [None if no else text for text, no in zip(column.texts, blank, strict=True)])


def _lengths(column: Coded) -> np.ndarray:
    return column.each(len, absent=np.nan, dtype=np.float32)


def _are_storable(column: Coded) -> np.ndarray:
    return column.each(is_storable, absent=True, dtype=bool)


def _texts(raw: pd.Series) -> pd.Series:
    raw = raw.astype(object)
    return raw.map(str, na_action="ignore").where(raw.notna(), None).astype(object)


def _is_word(text: str) -> bool:
    return _WORD.match(text) is not None


def _shown(text: str) -> str:
    """Cut, and escaped so that no page that shows it takes it for markup (Data Docs do not escape)."""
    escaped = text[:80].encode("ascii", "backslashreplace").decode()
    return re.sub(r"[^ -~]|[<>&\"']", lambda match: f"\\x{ord(match.group()):02x}", escaped)


def _numbers(raw: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """[row] float64 (NaN where there is no finite number), and the code of the form in which each value stood."""
    if pd.api.types.is_numeric_dtype(raw) and isinstance(raw.dtype, np.dtype):
        numbers = raw.to_numpy(dtype=np.float64)
        form = np.where(np.isnan(numbers), _FORM_CODES[NO_VALUE], _FORM_CODES[NUMBER])
        form[np.isinf(numbers)] = _FORM_CODES[INFINITE]
        return np.where(np.isfinite(numbers), numbers, np.nan), form
    read = [NO_VALUE if missing else _number(value)
            for value, missing in zip(raw.astype(object), raw.isna(), strict=True)]  # fmt: skip
    forms = [_FORM_CODES[NUMBER] if isinstance(value, float) else _FORM_CODES[value] for value in read]
    numbers = [value if isinstance(value, float) else np.nan for value in read]
    return np.array(numbers, dtype=np.float64), np.array(forms, dtype=np.int8)


def _number(value: Any) -> float | str:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return NOT_A_NUMBER
    if np.isnan(number) or (isinstance(value, str) and "_" in value):
        return NOT_A_NUMBER
    return number if np.isfinite(number) else INFINITE
