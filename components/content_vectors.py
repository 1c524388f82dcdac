"""What items are, one vector an item: modalities side by side, for the arms that read content.

Each modality is brought to length 1, so that none outweighs another by its scale; where an item lacks one its columns
are zeros, and a row of zeros is an item of which nothing is known but its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from safetensors import safe_open
from safetensors.numpy import save_file

FILE, _VECTORS, _SPACE = "content.safetensors", "vectors", "space"


@dataclass(frozen=True, kw_only=True)
class ContentVectors:
    vectors: Float[np.ndarray, "item dim"]  # float32
    space: str  # the encoders, in the order of the columns: vectors of two spaces say nothing to each other

    @property
    def is_known(self) -> Bool[np.ndarray, "item"]:
        """Which items have any content."""
        return np.asarray(self.vectors.any(axis=1))

    @property
    def width(self) -> int:
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return len(self.vectors)

    def of(self, rows: Int[np.ndarray, "some"] | Bool[np.ndarray, "item"]) -> ContentVectors:
        return ContentVectors(vectors=self.vectors[rows], space=self.space)


def space_of(encoders: Mapping[str, str]) -> str:
    """The name of the space that these encoders make, modality → id."""
    return " ".join(f"{name}={encoders[name]}" for name in sorted(encoders))


def content_vectors(
    num_items: int,
    vectors: Mapping[str, Float[np.ndarray, "item dim"]],
    present: Mapping[str, Bool[np.ndarray, "item"]],
    encoders: Mapping[str, str],
) -> ContentVectors:
    """Modalities by name, side by side. `encoders` is modality → id; without a modality a row has no columns."""
    names = sorted(vectors)
    joined = np.zeros((num_items, sum(vectors[name].shape[1] for name in names)), dtype=np.float32)
    first = 0
    for name in names:
        block = vectors[name]
        lengths = np.linalg.norm(
            block.astype(np.float64), axis=1
        )  # squares of large vectors overflow float32
        scale = np.where(present[name] & (lengths > 0), 1 / np.where(lengths > 0, lengths, 1), 0)
        joined[:, first : first + block.shape[1]] = block * scale[:, None]
        first += block.shape[1]
    return ContentVectors(vectors=joined, space=space_of({name: encoders[name] for name in names}))


def save_content(content: ContentVectors, folder: Path) -> None:
    """Write FILE into the folder; whose rows they are is the caller's to keep."""
    save_file(
        {_VECTORS: np.ascontiguousarray(content.vectors)}, folder / FILE, metadata={_SPACE: content.space}
    )


def read_content(folder: Path) -> ContentVectors | None:
    """What `save_content` wrote; None where it wrote nothing."""
    if not (folder / FILE).is_file():
        return None
    with safe_open(folder / FILE, framework="numpy") as opened:
        return ContentVectors(vectors=opened.get_tensor(_VECTORS), space=opened.metadata()[_SPACE])
