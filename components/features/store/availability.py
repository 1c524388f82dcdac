"""Since when each item is available, from the item views behind the offline store (no Feast needed)."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.features.store.offline import item_view
from components.features.vectors import MODALITIES


def available_since(home: Path) -> dict[str, int]:
    """Item → the earliest moment that any of its rows speaks of, epoch microseconds; empty without rows."""
    found = []
    for modality in MODALITIES:
        for path in sorted((home / "offline" / item_view(modality)).glob("*.parquet")):
            table = pq.read_table(path, columns=["item_id", "event_timestamp"])
            found.append(table.set_column(1, "micros", table["event_timestamp"].cast(pa.int64())))
    if not found:
        return {}
    earliest = pa.concat_tables(found).group_by("item_id").aggregate([("micros", "min")])
    return dict(zip(earliest["item_id"].to_pylist(), earliest["micros_min"].to_pylist(), strict=True))
