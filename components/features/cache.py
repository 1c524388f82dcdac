"""Vectors of content that has been encoded before, kept by encoder and by SHA-256 of the content.

A cache and no more: a file that is damaged or missing costs the encoding again, never a wrong vector.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file


class VectorCache:
    """One safetensors file an encoder under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, encoder_id: str) -> dict[str, np.ndarray]:
        """Content hash → vector of everything kept for this encoder."""
        try:
            with safe_open(self._path(encoder_id), framework="numpy") as file:
                keys, vectors = file.get_tensor("keys"), file.get_tensor("vectors")
                announced = (file.metadata() or {}).get("sha256")
        except (FileNotFoundError, SafetensorError):
            return {}
        if announced != _digest(keys, vectors):
            return {}
        return {bytes(key).hex(): vector for key, vector in zip(keys, vectors, strict=True)}

    def keep(self, encoder_id: str, new: Mapping[str, np.ndarray]) -> None:
        """Add vectors; of two writers at once the later keeps its own, which costs the other's again."""
        if not new:
            return
        kept = self.load(encoder_id) | dict(new)
        names = sorted(kept)
        keys = np.frombuffer(bytes.fromhex("".join(names)), dtype=np.uint8).reshape(len(names), -1)
        vectors = np.stack([kept[name] for name in names]).astype(np.float32)
        self._folder.mkdir(parents=True, exist_ok=True)
        # a reader sees the old file or the new one, never half of one
        aside = self._folder / f".{uuid.uuid4().hex}"
        try:
            save_file({"keys": keys, "vectors": vectors}, aside, metadata={"sha256": _digest(keys, vectors)})
            os.replace(aside, self._path(encoder_id))
        finally:
            aside.unlink(missing_ok=True)

    def _path(self, encoder_id: str) -> Path:
        return self._folder / f"{encoder_id.replace('/', '_')}.safetensors"


def _digest(keys: np.ndarray, vectors: np.ndarray) -> str:
    sha = hashlib.sha256(keys.tobytes())
    sha.update(vectors.tobytes())
    return sha.hexdigest()
