"""Rows that a stray quote has swallowed: the lines inside a quoted field look like rows of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from components.data.batch import DataContractError

_ROWS_LEARNED = 1000
_MAX_LINES = 1000  # of one field


class Swallowed:
    """Learns how the last key of a row looks (its time, or an item's id), and finds it in fields of several lines."""

    def __init__(self, path: Path, names: Sequence[str], keys: Sequence[int]):
        self._path, self._width, self._keys = path, len(names), keys
        self._known: set[str] = set()
        self._num_learned = 0

    def learn(self, record: Sequence[str]) -> None:
        """How the last key of this row looks, for the first rows of the file."""
        if self._keys and self._num_learned < _ROWS_LEARNED:
            self._num_learned += 1
            self._known.add(_look(record[self._keys[-1]]))

    def refuse(self, span: Sequence[str], first: int, delimiter: str) -> None:
        """Raise DataContractError if one of the lines after the first looks like a row, or there are too many."""
        if len(span) > _MAX_LINES:
            raise DataContractError(
                f"{self._path}: a quoted field opens in line {first:,} and spans {len(span):,} lines. "
                "Close the quote there, or remove it."
            )
        for number, line in enumerate(span[1:], start=first + 1):
            fields = line.rstrip("\r\n").replace('"', "").split(delimiter)
            if len(fields) == self._width and self._looks_like_a_row(fields):
                raise DataContractError(
                    f"{self._path}: a quote opens in line {first:,} ({span[0].strip()[:120]!r}) and line {number:,}, "
                    f"inside it, looks like a row of its own: the rows up to line {first + len(span) - 1:,} would be "
                    "lost. Remove the stray quote, write it twice inside a quoted field, or say --map quotes=no if "
                    "nothing in the file is quoted."
                )

    def _looks_like_a_row(self, fields: Sequence[str]) -> bool:
        if not self._keys or not all(fields[n].strip() for n in self._keys):
            return False
        return not self._known or _look(fields[self._keys[-1]]) in self._known


def _look(text: str) -> str:
    """Digits and letters by their kind alone: "m12" and "x4" look alike."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text[:100]))
