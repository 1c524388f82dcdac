"""Item vectors of every modality, with masks for what is missing and figures of their health.

Shapes: item = items in ascending order of id, dim = width of one modality's encoder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from safetensors.numpy import load_file, save_file

from components.content_vectors import ContentVectors, content_vectors

_DIM = re.compile(r"/(\d+)")
MODALITIES = ("audio", "embedding", "image", "metadata", "text")  # embedding: see encoders/precomputed.py


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that an item names and that could not be encoded; its vector is missing."""

    item_id: str
    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ModalityHealth:
    """What a look at one modality's vectors tells; the shares are of all items and of present items."""

    items: int
    missing: int  # items without content of this modality
    zero: int  # present, yet all zeros: content in which the encoder knows nothing
    non_finite: int  # rows with NaN or infinity
    duplicate_share: float  # of present rows, those that repeat another row exactly

    def to_dict(self) -> dict[str, float]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class ItemVectors:
    """Rows of `vectors[m]` and `present[m]` belong to `item_ids`, which ascend. Missing rows are zeros."""

    item_ids: np.ndarray  # [item] str objects, ascending, no duplicates
    vectors: Mapping[str, Float[np.ndarray, "item dim"]]  # modality → float32
    present: Mapping[str, Bool[np.ndarray, "item"]]
    encoders: Mapping[str, str]  # modality → id of the encoder, which names the space
    health: Mapping[str, ModalityHealth]
    unreadable: tuple[Unreadable, ...] = ()

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(sorted(self.vectors))

    @property
    def content(self) -> ContentVectors:
        """All modalities of each item as one vector."""
        return content_vectors(len(self), self.vectors, self.present, self.encoders)

    def __len__(self) -> int:
        return len(self.item_ids)


def encoder_dims(encoders: Mapping[str, str]) -> dict[str, int]:
    """Modality → width, where the encoder's id states it: "name/256" and whatever follows."""
    stated = {modality: _DIM.search(name) for modality, name in encoders.items()}
    return {modality: int(found[1]) for modality, found in stated.items() if found}


def modality_health(
    vectors: Float[np.ndarray, "item dim"], present: Bool[np.ndarray, "item"]
) -> ModalityHealth:
    """Count what is missing, zero, non-finite, or the same as another row."""
    rows = np.ascontiguousarray(vectors[present])
    # bit by bit: two vectors that differ by rounding are of different content
    distinct = len({row.tobytes() for row in rows})
    return ModalityHealth(
        items=len(vectors),
        missing=int((~present).sum()),
        zero=int((rows == 0).all(axis=1).sum()),
        non_finite=int((~np.isfinite(vectors)).any(axis=1).sum()),
        duplicate_share=float((len(rows) - distinct) / len(rows)) if len(rows) else 0.0,
    )


def unit_rows(x: Float[np.ndarray, "item dim"]) -> Float[np.ndarray, "item dim"]:
    """Each row scaled to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)  # 1e30 squared is no float32
    return (x / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def save_vectors(vectors: ItemVectors, path: Path) -> None:
    """Write the matrices and masks as one safetensors file (ids and words are the caller's to keep)."""
    tensors = {f"vectors.{m}": np.ascontiguousarray(v) for m, v in vectors.vectors.items()}
    tensors |= {f"present.{m}": p for m, p in vectors.present.items()}
    save_file(tensors, path)


def load_matrices(path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The vectors and masks of `save_vectors`, each by modality."""
    tensors = load_file(path)
    halves: dict[str, dict[str, np.ndarray]] = {"vectors": {}, "present": {}}
    for name in sorted(tensors):
        half, modality = name.split(".", 1)
        halves[half][modality] = tensors[name]
    return halves["vectors"], halves["present"]
