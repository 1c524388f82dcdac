"""What an encoder sees of each item, and what every encoder offers.

Reading and encoding are apart: reading gives each item's content and its hash, so that content which has
been encoded before is looked up rather than encoded again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from jaxtyping import Float

from components.features.vectors import Unreadable
from components.within import path_within

OnStep = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True)
class Content:
    """Row i belongs to item i of the frame that was read; None where the item has nothing to encode."""

    values: list[Any]  # what the encoder takes: a text, a path, a tuple of tokens
    keys: list[str | None]  # SHA-256 of the content
    unreadable: list[Unreadable] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Vectors of the values that were given; rows named in `failed` are zeros."""

    vectors: Float[np.ndarray, "value dim"]
    failed: Mapping[int, str] = field(default_factory=dict)  # row → why


class Encoder(Protocol):
    """A frozen map from content to vectors. Holds: equal content, equal vector, whatever else is encoded.

    `id` names the space: vectors of equal id may be compared. `kept_as` is the name that they are
    kept under; None where encoding costs less than looking up.
    """

    @property
    def id(self) -> str: ...

    @property
    def dim(self) -> int: ...

    @property
    def kept_as(self) -> str | None: ...

    def read(self, items: pd.DataFrame, root: Path | None) -> Content: ...

    def encode(self, values: Sequence[Any], on_step: OnStep | None = None) -> Encoded: ...

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What was fitted, as JSON values and as arrays."""
        ...


def text_content(texts: Sequence[str]) -> Content:
    """Each text as an item's content; an empty one is nothing."""
    return Content(
        values=[text or None for text in texts],
        keys=[hashlib.sha256(text.encode()).hexdigest() if text else None for text in texts],
    )


def file_content(items: pd.DataFrame, column: str, root: Path | None) -> Content:
    """The files that `column` names, relative to `root`, hashed by their bytes.

    A file that is absent, outside the root or not readable is nothing, and is told in `unreadable`.
    """
    values: list[Path | None] = []
    keys: list[str | None] = []
    unreadable: list[Unreadable] = []
    for item_id, name in zip(items["item_id"], items[column], strict=True):
        path, key = None, None
        if isinstance(name, str) and name:
            try:
                path = path_within(root, name)
                key = hashlib.sha256(path.read_bytes()).hexdigest()
            except (OSError, ValueError) as error:
                path = None
                unreadable.append(Unreadable(item_id=item_id, path=name, why=_reason(error)))
        values.append(path)
        keys.append(key)
    return Content(values=values, keys=keys, unreadable=unreadable)


def _reason(error: Exception) -> str:
    """The message without the path, which is told beside it."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
