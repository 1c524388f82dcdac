"""Items whose properties are told one by one, each from a moment on: what was known of each item by then."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.data.moments import to_micros
from components.data.sources.files.reading import read_file
from components.data.sources.finding import FoundTable
from components.data.sources.mapping import LongTable


def latest_properties(
    found: FoundTable, long: LongTable, until: datetime | None
) -> tuple[pa.Table, list[str]]:
    """A row an item: its id, and of each property that is asked for the value told last before `until`.

    Times are epoch milliseconds. Columns are named like our fields.
    """
    item = found.taken["item_id"]
    wanted = [item, long.name, long.value, long.time]
    parts = []
    for path in found.paths:
        table = read_file(path, found.table.form, wanted=wanted, keys=[item, long.time]).table
        asked = pc.is_in(table.column(long.name), value_set=pa.array(list(long.fields)))
        parts.append(table.filter(asked).to_pandas())
    rows = pd.concat(parts, ignore_index=True)
    rows[long.time] = pd.to_numeric(rows[long.time], errors="coerce")
    if until is not None:
        rows = rows[rows[long.time] < to_micros(until) / 1000]
    rows = rows.sort_values(long.time, kind="stable")
    ids = pd.Index(rows[item].dropna().unique(), name=item)
    columns = {item: pd.Series(ids, index=ids)}
    for name, field in long.fields.items():
        last = rows[rows[long.name] == name].drop_duplicates(item, keep="last").set_index(item)[long.value]
        columns[field] = last.reindex(ids)
    table = pa.table(
        {
            name: pa.array(values.tolist(), type=pa.string(), from_pandas=True)
            for name, values in columns.items()
        }
    )
    return table, [*found.remarks, f"properties of {len(ids):,} items are taken as they were last told"]
