"""Where a training stopped: everything that its continuation needs to end in the same weights.

A checkpoint is written whole or not at all (a new file takes the old one's place), and belongs to one training:
its key names data, config, seed and shapes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from components.recommender.sequences import TrainingSequences
from components.recommender.weights import CheckpointMismatch


def write_checkpoint(path: Path, key: str, state: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save({"key": key, "torch_rng": torch.get_rng_state(), **state}, unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def read_checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """What was written under this key, torch's random state restored; None where there is no file.

    Raises CheckpointMismatch for a file that cannot be read or belongs to another training.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        found = state.pop("key")
        random = state.pop("torch_rng")
    except Exception as error:  # torch and pickle raise what they like for a damaged file
        raise CheckpointMismatch(
            f"{path}: not a readable checkpoint ({error}); remove it to train from the start"
        ) from error
    if found != key:
        raise CheckpointMismatch(
            f"{path}: belongs to another training (its key is {found}, this one's {key}): data, config, seed or "
            "shapes differ. Remove it to train from the start"
        )
    torch.set_rng_state(random)
    return state


def training_key(
    network: nn.Module,
    sequences: TrainingSequences,
    settings: object,
    begin: Mapping[str, Tensor] | None = None,
) -> str:
    """Digest of what a training's result depends on: data, settings, the network's own, codes included.

    `begin`: the weights that it begins at, where it does not draw them.
    """
    content = hashlib.sha256(repr((settings, torch.get_num_threads())).encode())
    content.update(repr([(name, tuple(w.shape)) for name, w in network.state_dict().items()]).encode())
    for name, module in network.named_modules():
        own = {
            key: value
            for key, value in sorted(vars(module).items())
            if key == "config" or (key != "training" and isinstance(value, (int, float, str, tuple)))
        }
        content.update(repr((name, type(module).__name__, own)).encode())
    for buffer in network.buffers():
        content.update(buffer.cpu().numpy().tobytes())
    for column in (sequences.items, sequences.times, sequences.offsets, sequences.weights, sequences.types):
        if column is not None:
            content.update(np.ascontiguousarray(column).tobytes())
    for name, weight in sorted((begin or {}).items()):
        content.update(repr((name, tuple(weight.shape), str(weight.dtype))).encode())
        content.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:16]
