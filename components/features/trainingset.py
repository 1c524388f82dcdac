"""The training set: what the feature store gave for one cut, frozen, so that a model can be traced to it.

User sequences as they were known at the cut and item vectors as they were available by then, both out of
Feast's point-in-time joins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from components.artifact import ArtifactRef, publish, verified
from components.event_weights import UNSAID
from components.features.vectors import ItemVectors, load_matrices, save_vectors

KIND, TYPES = "training_set", "event_types"


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Users in ascending order; their sequences oldest first; items in ascending order."""

    user_ids: np.ndarray  # [user] str objects
    item_lists: list[list[str]]  # of each user
    time_lists: list[list[int]]  # epoch seconds
    item_ids: np.ndarray  # [item] str objects, of the vectors
    vectors: Mapping[str, Float[np.ndarray, "item dim"]]
    present: Mapping[str, Bool[np.ndarray, "item"]]
    type_lists: list[list[str]] | None = None  # event types; None: a training that does not tell them apart

    def weight_lists(self, weights: Mapping[str, float]) -> list[list[float]] | None:
        """What each event weighs as a target, by its type; None where no type weighs other than 1.

        Raises ValueError where the types are not kept.
        """
        if not weights:
            return None
        if self.type_lists is None:
            raise ValueError(f"this training set keeps no event types, so {dict(weights)} cannot be applied")
        return [[weights.get(name, UNSAID) for name in types] for types in self.type_lists]


def publish_training_set(
    root: Path,
    *,
    rows: pd.DataFrame,
    vectors: ItemVectors,
    parents: Mapping[str, str],
    with_types: bool = False,
) -> ArtifactRef:
    """Publish rows of `training_rows` (user_id, item_ids, times) and the item vectors of the same moment.

    `with_types` keeps the rows' event_types too; without them the bytes are what they were before types counted.
    """
    ordered = rows.sort_values("user_id", kind="stable")

    def write(folder: Path) -> None:
        table = pa.table(
            {
                "user_id": pa.array(ordered["user_id"], pa.string()),
                "item_ids": pa.array(ordered["item_ids"].tolist(), pa.list_(pa.string())),
                "times": pa.array(ordered["times"].tolist(), pa.list_(pa.int64())),
            }
        )
        if with_types:
            types = pa.array(ordered["event_types"].tolist(), pa.list_(pa.string()))
            table = table.append_column(TYPES, types)
        pq.write_table(table, folder / "sequences.parquet")
        pq.write_table(
            pa.table({"item_id": pa.array(vectors.item_ids, pa.string())}), folder / "items.parquet"
        )
        save_vectors(vectors, folder / "vectors.safetensors")

    return publish(root, KIND, write, parents=parents, config={"encoders": dict(vectors.encoders)})


def keeps_types(ref: ArtifactRef) -> bool:
    """Whether a training set tells event types apart."""
    return TYPES in pq.read_schema(Path(ref.path) / "sequences.parquet").names


def load_training_set(ref: ArtifactRef) -> TrainingSet:
    """Read a training set whose every byte is the published one; raises ArtifactDamaged otherwise."""
    verified(ref.path)
    folder = Path(ref.path)
    sequences = pq.read_table(folder / "sequences.parquet")
    vectors, present = load_matrices(folder / "vectors.safetensors")
    return TrainingSet(
        user_ids=sequences["user_id"].to_numpy(zero_copy_only=False),
        item_lists=sequences["item_ids"].to_pylist(),
        time_lists=sequences["times"].to_pylist(),
        item_ids=pq.read_table(folder / "items.parquet")["item_id"].to_numpy(zero_copy_only=False),
        vectors=vectors,
        present=present,
        type_lists=sequences[TYPES].to_pylist() if TYPES in sequences.column_names else None,
    )
