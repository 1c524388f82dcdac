"""Short ways to write events and items in a test."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa


def at(second: float) -> datetime:
    """The moment `second` seconds after 1970, UTC."""
    return datetime.fromtimestamp(second, UTC)


def events(*rows: tuple[str, str, float], event_type: str = "rating") -> pd.DataFrame:
    """(user, item, second) each; event ids are e0, e1, … in the order given."""
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "second"])
    return pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(len(rows))],
            "user_id": frame["user_id"].astype(object),
            "item_id": frame["item_id"].astype(object),
            "event_type": pd.Series([event_type] * len(rows), dtype=object),
            "timestamp": pd.to_datetime(frame["second"].astype(float), unit="s", utc=True).dt.as_unit("us"),
        }
    )


def items(**columns: list[Any]) -> pd.DataFrame:
    """Items "0", "1", … with the columns that are given and nothing in the others."""
    length = len(next(iter(columns.values())))
    names = ("title", "description", "categories", "attributes", "image_path", "audio_path")
    nothing = {name: [None] * length for name in names}
    return pd.DataFrame({"item_id": [str(i) for i in range(length)], **nothing, **columns})


def in_frame(rows: pa.Table) -> pd.DataFrame:
    """Rows of a retrieval as a frame, lists as lists, so that a test can write them out."""
    lists = [field.name for field in rows.schema if pa.types.is_list(field.type)]
    frame = rows.drop_columns(lists).to_pandas()
    for name in lists:
        frame[name] = pd.Series(rows[name].to_pylist(), dtype=object)
    return frame[rows.column_names]
