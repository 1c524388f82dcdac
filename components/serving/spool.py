"""Posted events on disk until they are ingested: one folder a day, each a source that `recloop ingest` reads.

    SPOOL/2026-11-29/events.csv     event_id, user_id, item_id, event_type, timestamp, value
    SPOOL/2026-11-29/recloop.yaml   items: known, so the events may speak of every item of the warehouse

    recloop ingest --source SPOOL/2026-11-29

The day is that of arrival (UTC), so a folder of a past day grows no more, and a late event lies in the folder of
the day it came on. Ingesting a folder again changes nothing: the event ids are in it.
"""

from __future__ import annotations

import csv
import io
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.serving.line_file import LineFile

if TYPE_CHECKING:
    import pandas as pd

EVENT_COLUMNS = ("event_id", "user_id", "item_id", "event_type", "timestamp", "value")
_MAP_FILE, _ITEMS_ARE_KNOWN = "recloop.yaml", "items: known\n"


@dataclass(frozen=True, kw_only=True)
class SpooledEvent:
    """One event as it was posted."""

    event_id: str
    user_id: str
    item_id: str
    event_type: str
    timestamp: datetime
    value: float | None = None


def users_of(folder: Path) -> set[str]:
    """Everybody who has an event in the spool; a line that a crash cut short is passed over."""
    users: set[str] = set()
    place = EVENT_COLUMNS.index("user_id")
    for path in sorted(folder.glob("*/events.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows, None)  # the header
            users.update(row[place] for row in rows if len(row) == len(EVENT_COLUMNS))
    return users


class EventSpool:
    """Appends events durably; one process writes to a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._day = ""
        self._file: LineFile | None = None

    def append(self, event: SpooledEvent, *, arrived_at: datetime) -> Path:
        """The event is on disk when this returns. Returns the day's folder; raises OSError."""
        line = _line(
            event.event_id,
            event.user_id,
            event.item_id,
            event.event_type,
            event.timestamp.astimezone(UTC).isoformat(timespec="microseconds"),
            "" if event.value is None else repr(event.value),
        )
        day = f"{arrived_at.astimezone(UTC):%Y-%m-%d}"
        with self._lock:
            self._of(day).append(line, durable=True)
        return self.folder / day

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._day, self._file = "", None

    def _of(self, day: str) -> LineFile:
        if self._file is None or self._day != day:
            if self._file is not None:
                self._file.close()
                self._file = None
            folder = self.folder / day
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / _MAP_FILE).exists():
                (folder / _MAP_FILE).write_text(_ITEMS_ARE_KNOWN)
            self._file, self._day = LineFile(folder / "events.csv", header=_line(*EVENT_COLUMNS)), day
        return self._file


def read_spooled(folder: Path) -> pd.DataFrame:
    """EVENT_COLUMNS of every day under `folder`, `timestamp` in UTC; a line that a crash cut short is passed over."""
    import pandas as pd  # whoever asks only for users has no need of it

    rows: list[list[str]] = []
    for path in sorted(folder.glob("*/events.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += [
                row for row in csv.reader(file) if len(row) == len(EVENT_COLUMNS) and row[0] != "event_id"
            ]
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS), dtype=object)
    moments = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601", errors="coerce").dt.as_unit("us")
    frame = frame.assign(timestamp=moments, value=pd.to_numeric(frame["value"]).astype("float64"))
    return frame[frame["timestamp"].notna()].reset_index(drop=True)


def _line(*values: str) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
