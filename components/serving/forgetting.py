"""Erase a user from what the server keeps on disk: posted events, and exposures. A running server may go on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from components.serving.line_file import keep_lines
from components.serving.spool import EVENT_COLUMNS

_USER = EVENT_COLUMNS.index("user_id")


def count_user(user_id: str, *, events_spool: Path, exposures: Path) -> int:
    """The user's lines in both folders: what `forget_user` would drop."""
    posted = (
        _user_of_row(line)
        for path in events_spool.glob("*/events.csv")
        for line in path.read_text().splitlines()
    )
    shown = (
        _user_of_exposure(line)
        for path in exposures.glob("*.jsonl")
        for line in path.read_text().splitlines()
    )
    return sum(found == user_id for found in (*posted, *shown))


def forget_user(user_id: str, *, events_spool: Path, exposures: Path) -> int:
    """Drop the user's lines from both folders; returns how many. Again finds none. Raises OSError.

    What is online of the user is erased with the feature store.
    """
    dropped = [
        keep_lines(path, lambda line: _user_of_row(line) != user_id)
        for path in sorted(events_spool.glob("*/events.csv"))
    ]
    dropped += [
        keep_lines(path, lambda line: _user_of_exposure(line) != user_id)
        for path in sorted(exposures.glob("*.jsonl"))
    ]
    return sum(dropped)


def _user_of_row(line: str) -> str | None:
    row = next(csv.reader([line]), [])
    return row[_USER] if len(row) > _USER else None


def _user_of_exposure(line: str) -> str | None:
    try:
        found = json.loads(line)["user_id"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
