"""Rows as received, typed column by column, with what the expectations ask about each.

Nothing is judged here: a value that cannot be typed becomes null, and a column beside it says in which form
it stood. Of a text only facts are asked (its length, whether it can be stored), so no user and
no malformed text reaches Data Docs; an event type is shown, escaped and cut.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from components.data.event_ids import fill_event_ids
from components.data.timestamps import read_timestamps

NUMBER, NO_VALUE, NOT_A_NUMBER, INFINITE = "number", "none", "not a number", "infinite"

PAYLOAD_COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "value")
TEXT_COLUMNS = ("title", "description", "categories", "attributes", "image_path", "audio_path")

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # NUL and lone surrogates: no UTF-8 text, no PostgreSQL text


def typed_events(
    events: pd.DataFrame, *, source: str, event_key: tuple[str, ...], known_items: Collection[str]
) -> pd.DataFrame:
    """EVENT_COLUMNS and source_row typed, and the columns asked about. One row a row received."""
    times = read_timestamps(events["timestamp"])
    value, value_form = _numbers(events["value"])
    frame = pd.DataFrame(
        {
            "source_row": events["source_row"],
            "user_id": _ids(events["user_id"]),
            "item_id": _ids(events["item_id"]),
            "event_type": _ids(events["event_type"]),
            "timestamp": times.moments,
            "timestamp_form": times.form,
            "value": value,
            "value_form": value_form,
        }
    )
    given = _ids(events["event_id"])
    frame["event_id"] = fill_event_ids(frame, given, source=source, event_key=event_key)
    for name, ids in (("user_id", frame["user_id"]), ("item_id", frame["item_id"]), ("event_id", given)):
        frame[f"{name}_length"], frame[f"{name}_is_text"] = ids.str.len(), _storable(ids)
    frame["event_type_shown"] = frame["event_type"].map(_shown, na_action="ignore")
    known = set(known_items)
    frame["item_is_known"] = [None if item is None else item in known for item in frame["item_id"]]
    frame["agrees_with_first"] = _agrees_with_first(frame)
    return frame


def typed_items(items: pd.DataFrame) -> pd.DataFrame:
    """ITEM_COLUMNS and source_row typed, and the columns asked about. One row a row received."""
    times = read_timestamps(items["available_at"], dated_back=True)
    frame = pd.DataFrame(
        {
            "source_row": items["source_row"],
            "item_id": _ids(items["item_id"]),
            **{name: _texts(items[name]) for name in TEXT_COLUMNS},
            "available_at": times.moments,
            "available_at_form": times.form,
        }
    )
    frame["item_id_length"] = frame["item_id"].str.len()
    frame["item_id_is_text"] = _storable(frame["item_id"])
    texts = frame[list(TEXT_COLUMNS)]
    frame["text_length"] = texts.apply(lambda column: column.str.len()).max(axis=1)
    frame["is_text"] = texts.apply(_storable).ne(False).all(axis=1)
    frame["is_first_of_item"] = ~frame["item_id"].duplicated() | frame["item_id"].isna()
    return frame


def _agrees_with_first(events: pd.DataFrame) -> list[bool]:
    """Whether a row says what the first row of the batch with its event id says."""
    ids = events["event_id"].tolist()
    counts = Counter(ids)  # pandas' groupby takes "a" and "a\0" for one id
    shared = [at for at, event_id in enumerate(ids) if event_id is not None and counts[event_id] > 1]
    agrees = [True] * len(ids)
    first: dict[str, str] = {}
    for at, payload in zip(
        shared, events.loc[shared, list(PAYLOAD_COLUMNS)].itertuples(index=False), strict=True
    ):
        agrees[at] = first.setdefault(ids[at], repr(payload)) == repr(payload)
    return agrees


def _ids(raw: pd.Series) -> pd.Series:
    """Text of every value; null where there is none or only blanks."""
    texts = _texts(raw)
    return texts.where(texts.str.strip() != "", None)


def _texts(raw: pd.Series) -> pd.Series:
    raw = raw.astype(object)
    return raw.map(str, na_action="ignore").where(raw.notna(), None).astype(object)


def _storable(texts: pd.Series) -> pd.Series:
    """True or False for each text, null for none; each distinct text is looked at once."""
    values = texts.where(texts.notna(), None).tolist()
    # a dict of Python's, since Series.map takes "a" and "a\\x00" for one key
    verdicts = {text: None if text is None else _UNSTORABLE.search(text) is None for text in set(values)}
    return pd.Series([verdicts[text] for text in values], index=texts.index, dtype=object)


def _shown(text: str) -> str:
    """Cut, and escaped so that no page that shows it takes it for markup (Data Docs do not escape)."""
    escaped = text[:80].encode("ascii", "backslashreplace").decode()
    return re.sub(r"[^ -~]|[<>&\"']", lambda match: f"\\x{ord(match.group()):02x}", escaped)


def _numbers(raw: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Float64 (null where there is no finite number) and the form in which each value stood."""
    raw = raw.astype(object)
    read = [NO_VALUE if missing else _number(value) for value, missing in zip(raw, raw.isna(), strict=True)]
    form = [NUMBER if isinstance(value, float) else value for value in read]
    numbers = [value if isinstance(value, float) else np.nan for value in read]
    return (
        pd.Series(numbers, index=raw.index, dtype="float64"),
        pd.Series(form, index=raw.index, dtype=object),
    )


def _number(value: Any) -> float | str:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return NOT_A_NUMBER
    if np.isnan(number) or (isinstance(value, str) and "_" in value):
        return NOT_A_NUMBER
    return number if np.isfinite(number) else INFINITE
