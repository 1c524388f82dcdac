"""Columns of a frame as the database takes them."""

from __future__ import annotations

import pandas as pd


def micros(moments: pd.Series) -> pd.Series:
    """Microseconds since 1970 as int, None where there is no moment."""
    moments = pd.to_datetime(moments, utc=True).dt.as_unit("us")
    return moments.astype("int64").astype(object).where(moments.notna(), None)


def nullable(column: pd.Series) -> pd.Series:
    """The same values, with None for every kind of missing one."""
    return column.astype(object).where(column.notna(), None)
