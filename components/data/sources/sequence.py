"""Sequence files of the S3-Rec format: one user a line, the user id and then item ids, oldest first.

Without timestamps nothing can be said about "before" across users, so these are for benchmarks only.

Source: Zhou et al. 2020, arXiv:2008.07873 (the files of its repository).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from jaxtyping import Int

from components.data.batch import DataContractError
from components.data.sources import SourceUnavailable


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Ragged sequences in columns: user u has `items[start[u]:start[u + 1]]`, oldest first."""

    name: str
    user_ids: np.ndarray  # [user] str
    items: np.ndarray  # [event] item ids, str
    start: Int[np.ndarray, "user_plus_1"]
    attributes: dict[str, tuple[str, ...]]  # item id -> opaque tokens; empty without an attribute file


def read_sequences(path: Path, attributes: Path | None = None) -> Sequences:
    """Read a sequence file, and the JSON file of item attributes beside it if named.

    Raises SourceUnavailable for a missing file, DataContractError for a malformed line.
    """
    users: list[str] = []
    items: list[str] = []
    start = [0]
    for number, line in enumerate(_text(path).splitlines(), start=1):
        user, *sequence = line.split() or [""]
        if not sequence:
            raise DataContractError(
                f"{path}: line {number} is {line[:80]!r}; a line is a user id and at least one item id, "
                "separated by blanks. Remove the line or fix it."
            )
        users.append(user)
        items.extend(sequence)
        start.append(len(items))
    if not users:
        raise DataContractError(f"{path}: no line in it. Export the sequences again.")
    if repeated := len(users) - len(set(users)):
        raise DataContractError(
            f"{path}: {repeated:,} of {len(users):,} lines repeat a user. Join each user's lines into one."
        )
    return Sequences(
        name=path.stem,
        user_ids=np.array(users, dtype=object),
        items=np.array(items, dtype=object),
        start=np.array(start, dtype=np.int64),
        attributes=_attributes(attributes) if attributes else {},
    )


def as_batch(sequences: Sequences) -> NoReturn:
    """Refuse: a batch has timestamps, and inventing them would make every replay of it a fiction."""
    raise DataContractError(
        f"{sequences.name}: a sequence file has no timestamps, so it cannot enter the loop. Use it for "
        "benchmarks, or export the events with their times as a folder source."
    )


def _attributes(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        return {item: tuple(map(str, tokens)) for item, tokens in json.loads(_text(path)).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataContractError(
            f"{path}: not a JSON object of item id to list of attributes ({error}). Export it again."
        ) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SourceUnavailable(f"{path}: no such file. Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataContractError(f"{path}: not UTF-8 text ({error}). Save it again as UTF-8.") from error
