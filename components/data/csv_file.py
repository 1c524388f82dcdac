"""A table as CSV that any reader takes apart as it was put together."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Without an index. Lines end as RFC 4180 says: where they end in a line feed alone, a carriage return in an id is
    left without quotes, and readers take it for the end of a row."""
    table.to_csv(path, index=False, lineterminator="\r\n")
