"""Files of an arm: weights.safetensors, arm.json (name and config), item_ids.parquet (ids and codes)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

REMOVE = "remove the artifact's folder and run the same command again, which makes it anew"
WEIGHTS, ARM, ITEMS = "weights.safetensors", "arm.json", "item_ids.parquet"


class CheckpointMismatch(Exception):
    """The files of an arm do not belong together, or not to this code."""


def write_arm(folder: Path, name: str, config: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARM).write_text(json.dumps({"name": name, "config": config}, indent=1, sort_keys=True))


def read_arm(folder: Path) -> tuple[str, dict[str, Any]]:
    """Name and config of a saved arm. Raises CheckpointMismatch."""
    try:
        saved = json.loads((folder / ARM).read_text())
        return saved["name"], saved["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointMismatch(f"{folder / ARM}: not a saved arm ({error}); {REMOVE}") from error


def write_weights(folder: Path, module: torch.nn.Module) -> None:
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, folder / WEIGHTS)


def read_weights(folder: Path, module: torch.nn.Module) -> None:
    """Fill the module. Raises CheckpointMismatch naming the first tensor that does not fit."""
    path = folder / WEIGHTS
    try:
        saved = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointMismatch(f"{path}: cannot be read ({error}); {REMOVE}") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in saved.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise CheckpointMismatch(
                f"{path}: {name} is {found.get(name, 'missing')}, {ARM} and {ITEMS} beside it ask for "
                f"{wanted.get(name, 'none')}. Weights, config and items ship as one set: "
                f"{REMOVE}"
            )
    module.load_state_dict(saved)


def write_items(
    folder: Path, item_ids: np.ndarray, columns: dict[str, np.ndarray], codes: Int[np.ndarray, "item level"]
) -> None:
    """One row an item: its id, the given columns, and its codes as code_0, code_1, …"""
    table = {"item_id": pa.array(item_ids.tolist(), pa.string())}
    table |= {name: pa.array(values) for name, values in columns.items()}
    table |= {f"code_{level}": pa.array(codes[:, level]) for level in range(codes.shape[1])}
    pq.write_table(pa.table(table), folder / ITEMS)


def read_items(folder: Path) -> tuple[np.ndarray, dict[str, np.ndarray], Int[np.ndarray, "item level"]]:
    """What `write_items` wrote. Raises CheckpointMismatch for a missing or unreadable file."""
    path = folder / ITEMS
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise CheckpointMismatch(f"{path}: cannot be read ({error}); {REMOVE}") from error
    levels = [name for name in table.column_names if name.startswith("code_")]
    others = [name for name in table.column_names if name != "item_id" and name not in levels]
    codes = np.zeros((table.num_rows, len(levels)), dtype=np.int64)
    for level, name in enumerate(levels):
        codes[:, level] = table[name].to_numpy()
    item_ids = np.array(table["item_id"].to_pylist(), dtype=object)
    return item_ids, {name: table[name].to_numpy().copy() for name in others}, codes
