"""The training set: what the feature store gave for one cut, frozen, so that a model can be traced to it.

User sequences as they were known at the cut and item vectors as they were available by then, both out of
Feast's point-in-time joins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from components.artifact import ArtifactRef, publish, verified
from components.content_vectors import ContentVectors, content_vectors
from components.event_weights import UNSAID
from components.features.vectors import ItemVectors, load_matrices, save_vectors

KIND, TYPES = "training_set", "event_types"
_SEQUENCES = pa.schema(
    [("user_id", pa.string()), ("item_ids", pa.list_(pa.string())), ("times", pa.list_(pa.int64()))]
)


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Users in ascending order; their sequences oldest first; items in ascending order.

    Sequences stay columns, some 16 bytes an event and the item's name, until they are asked for as lists, whose every
    value is an object of some 60 bytes.
    """

    user_ids: np.ndarray  # [user] str objects
    # of each user: item_ids, times (epoch seconds); event_types where they are told apart
    sequences: pa.Table
    item_ids: np.ndarray  # [item] str objects, of the vectors
    vectors: Mapping[str, Float[np.ndarray, "item dim"]]
    present: Mapping[str, Bool[np.ndarray, "item"]]
    encoders: Mapping[str, str] = field(default_factory=dict)  # modality → id, of the vectors

    @property
    def content(self) -> ContentVectors:
        """What the items are, one vector each; as large as all modalities together, so made when asked for."""
        return content_vectors(len(self.item_ids), self.vectors, self.present, self.encoders)

    @property
    def item_lists(self) -> list[list[str]]:
        lists: list[list[str]] = self.sequences["item_ids"].to_pylist()
        return lists

    @property
    def time_lists(self) -> list[list[int]]:
        lists: list[list[int]] = self.sequences["times"].to_pylist()
        return lists

    @property
    def type_lists(self) -> list[list[str]] | None:
        """Event types; None: a training that does not tell them apart."""
        kept = TYPES in self.sequences.column_names
        return self.sequences[TYPES].to_pylist() if kept else None

    def weight_lists(self, weights: Mapping[str, float]) -> list[list[float]] | None:
        """What each event weighs as a target, by its type; None where no type weighs other than 1.

        Raises ValueError where the types are not kept.
        """
        if not weights:
            return None
        if (type_lists := self.type_lists) is None:
            raise ValueError(f"this training set keeps no event types, so {dict(weights)} cannot be applied")
        return [[weights.get(name, UNSAID) for name in types] for types in type_lists]


def publish_training_set(
    root: Path,
    *,
    rows: pa.Table,
    vectors: ItemVectors,
    parents: Mapping[str, str],
    with_types: bool = False,
) -> ArtifactRef:
    """Publish rows of `training_rows` (user_id, item_ids, times) and the item vectors of the same moment.

    `with_types` keeps the rows' event_types too; without them the bytes are what they were before types counted.
    """
    schema = _SEQUENCES.append(pa.field(TYPES, pa.list_(pa.string()))) if with_types else _SEQUENCES

    def write(folder: Path) -> None:
        pq.write_table(_by_user(rows.select(schema.names).cast(schema)), folder / "sequences.parquet")
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
    manifest = verified(ref.path)
    folder = Path(ref.path)
    sequences = pq.read_table(folder / "sequences.parquet")
    vectors, present = load_matrices(folder / "vectors.safetensors")
    return TrainingSet(
        user_ids=sequences["user_id"].to_numpy(zero_copy_only=False),
        sequences=sequences.drop_columns("user_id"),
        item_ids=pq.read_table(folder / "items.parquet")["item_id"].to_numpy(zero_copy_only=False),
        vectors=vectors,
        present=present,
        encoders=manifest["config"]["encoders"],
    )


def _by_user(rows: pa.Table) -> pa.Table:
    users = rows["user_id"].combine_chunks()
    ascend = len(users) < 2 or pc.all(pc.less(users[:-1], users[1:])).as_py()
    return (rows if ascend else rows.sort_by("user_id")).combine_chunks()
