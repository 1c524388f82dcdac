"""What was shown to whom, by which version, and with what probability: one line of JSON a list.

    EXPOSURES/2026-11-29.jsonl     a line each: an Exposure's fields

`exposure_outcomes.joined` makes a log of them that `recloop replay --logged` reads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.serving.line_file import LineFile
from components.serving.split import Variant, propensities


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One list that was shown, beside the one that the other version would have shown."""

    request_id: str
    user_id: str
    shown_at: str  # ISO 8601, UTC
    variant: Variant
    version: str
    item_ids: Sequence[str]  # best first
    propensities: Sequence[float]  # of each place
    other_version: str | None  # None: no second version was there to ask, or it did not answer
    other_item_ids: Sequence[str]
    share: float  # of the users who get the challenger
    salt: str


def exposure(
    *,
    request_id: str,
    user_id: str,
    shown_at: datetime,
    variant: Variant,
    version: str,
    item_ids: Sequence[str],
    other: tuple[str, Sequence[str]] | None,
    share: float,
    salt: str,
) -> Exposure:
    """`other` is the version that did not answer the user, and its list."""
    probability = share if variant == "challenger" else 1 - share
    return Exposure(
        request_id=request_id,
        user_id=user_id,
        shown_at=shown_at.astimezone(UTC).isoformat(),
        variant=variant,
        version=version,
        item_ids=list(item_ids),
        propensities=propensities(item_ids, other[1] if other else (), probability=probability),
        other_version=other[0] if other else None,
        other_item_ids=list(other[1]) if other else [],
        share=share,
        salt=salt,
    )


class ExposureLog:
    """Appends exposures, a file a day; one process writes to a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: LineFile | None = None

    def append(self, shown: Exposure) -> None:
        """Raises OSError. Not waited for to reach the disk: a power cut may cost the last few."""
        path = self.folder / f"{shown.shown_at[:10]}.jsonl"
        with self._lock:
            if self._file is None or self._file.path != path:
                self._close()
                self._file = LineFile(path)
            self._file.append(json.dumps(asdict(shown), separators=(",", ":")), durable=False)

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def read_exposures(folder: Path) -> Iterator[Exposure]:
    """All of a folder, day by day in their order; a line that a crash cut short is passed over."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield Exposure(**json.loads(line))
            except (ValueError, TypeError):
                continue
