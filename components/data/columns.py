"""Columns of a frame as the database takes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Int


def micros(moments: pd.Series) -> pd.Series:
    """Microseconds since 1970 as int, None where there is no moment."""
    moments = pd.to_datetime(moments, utc=True).dt.as_unit("us")
    return moments.astype("int64").astype(object).where(moments.notna(), None)


def microseconds(moments: pd.Series) -> Int[np.ndarray, "row"]:
    """Microseconds since 1970 of a column of moments that lacks none."""
    return pd.to_datetime(moments, utc=True).dt.as_unit("us").astype("int64").to_numpy()


def nullable(column: pd.Series) -> pd.Series:
    """The same values, with None for every kind of missing one."""
    return column.astype(object).where(column.notna(), None)
