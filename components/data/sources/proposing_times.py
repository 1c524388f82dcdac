"""Which column may hold times, and what its values tell of their unit or form, their zone and start."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from components.data.sources.columns.digits import judge_digits
from components.data.sources.columns.written import written_forms
from components.data.sources.proposing_tables import example_of
from components.data.timestamps import MOMENT, NAIVE, read_timestamps


def like_times(table: pa.Table, *, without: Collection[str]) -> list[str]:
    """Columns, but for these, whose values are written out as times."""
    found = []
    for name in table.column_names:
        column = table.column(name)
        if name in without or pa.types.is_nested(column.type) or pa.types.is_boolean(column.type):
            continue
        if read_timestamps(column.to_pandas()).form.isin([MOMENT, NAIVE]).mean() > 0.9 or _forms(column):
            found.append(name)
    return found


def of_time(file: str, name: str, table: pa.Table) -> tuple[dict[str, str], dict[str, str]]:
    """What the values tell (`unit`), and a question for each word that they do not (`unit`, `zone`, `start`)."""
    column = table.column(name)
    if pa.types.is_nested(column.type):
        return {}, {}
    if any(written := of_written_time(file, name, table)):
        return written
    zone = _zone_of(file, column)
    told = None if pa.types.is_temporal(column.type) else judge_digits(column.cast(pa.string()))
    if told is None:
        naive = (read_timestamps(column.to_pandas()).form == NAIVE).any()
        return {}, zone if naive else {}
    if "%" in told.unit:
        return {"unit": told.unit}, zone
    if told.unit.startswith("s:"):
        start = (
            f"{file}: {name} looks like {told.looks_like}; from which moment on, such as 2024-01-01T00:00Z?"
        )
        return {"unit": "s"}, {"start": start}
    return ({"unit": told.unit} if told.unit else {}), {}


def of_written_time(file: str, name: str, table: pa.Table) -> tuple[dict[str, str], dict[str, str]]:
    """`of_time` of times that are in a form of their own; nothing of others."""
    column = table.column(name)
    if not (forms := _forms(column)):
        return {}, {}
    asked = {} if "%z" in forms[0] else _zone_of(file, column)
    if len(forms) == 1:
        return {"unit": forms[0]}, asked
    which = f"{file}: in which form are times such as {example_of(column)}: {' or '.join(forms)}?"
    return {}, {"unit": which} | asked


def _zone_of(file: str, column: pa.ChunkedArray) -> dict[str, str]:
    return {
        "zone": f"{file}: in which time zone are times such as {example_of(column)} (UTC, Europe/Berlin)?"
    }


def _forms(column: pa.ChunkedArray) -> tuple[str, ...]:
    return written_forms(column.drop_null().to_pylist()) if pa.types.is_string(column.type) else ()
