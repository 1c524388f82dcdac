"""Erase a user from what the server keeps on disk: posted events, and exposures. A running server may go on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from components.serving.line_file import keep_lines
from components.serving.spool import EVENT_COLUMNS

_USER = EVENT_COLUMNS.index("user_id")


def forget_user(user_id: str, *, events_spool: Path, exposures: Path) -> int:
    """Drop the user's lines from both folders; returns how many. Again finds none. Raises OSError.

    What is online of the user is erased by `features.store.live.forget_user`.
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
