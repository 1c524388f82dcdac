"""The feature set: everything that was computed from one snapshot, as one published folder.

Item vectors, masks and encoders (so that later items can be encoded alike), the user-item graph, and the
user sequences that training reads. Its digest is the feature set's id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.artifact import ArtifactRef, publish, verified
from components.features.encoding import Encoders, load_encoders, save_encoders
from components.features.graph import InteractionGraph
from components.features.sequences import in_order
from components.features.vectors import (
    ItemVectors,
    ModalityHealth,
    Unreadable,
    load_matrices,
    save_vectors,
)

KIND, SEQUENCES = "feature_set", "sequences.parquet"


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """A published feature set, read back. Rows of the graph's items are rows of the vectors.

    In memory are vectors and graph: 16 bytes a pair of user and item, a name a user. Sequences are read when asked for.
    """

    digest: str
    vectors: ItemVectors
    graph: InteractionGraph
    encoders: Encoders
    manifest: Mapping[str, Any]
    folder: Path

    def sequences(self) -> pa.Table:
        """As `user_sequences` gives them."""
        return read_sequences(self.folder)


def publish_feature_set(
    root: Path,
    *,
    vectors: ItemVectors,
    graph: InteractionGraph,
    encoders: Encoders,
    sequences: pa.Table,
    parents: Mapping[str, str],
    config: Mapping[str, Any],
) -> ArtifactRef:
    """Publish under `root/feature_set/`.

    `parents` names at least the snapshot; `config` is what was asked for, to which the encoder ids are added.
    """
    if graph.num_items != len(vectors):
        raise ValueError(
            f"the graph knows {graph.num_items} items, the vectors {len(vectors)}: build both on the same"
        )

    def write(folder: Path) -> None:
        save_vectors(vectors, folder / "vectors.safetensors")
        save_encoders(encoders, folder / "encoders")
        _write(folder / "items.parquet", {"item_id": pa.array(vectors.item_ids, pa.string())})
        _write(folder / "users.parquet", {"user_id": pa.array(graph.user_ids, pa.string())})
        _write(
            folder / "graph.parquet",
            {"user_index": pa.array(graph.user_index), "item_index": pa.array(graph.item_index)},
        )
        pq.write_table(in_order(sequences), folder / SEQUENCES)
        (folder / "notes.json").write_text(json.dumps(_notes(vectors, graph), indent=1, sort_keys=True))

    asked = {"encoders": dict(vectors.encoders), **config}
    return publish(root, KIND, write, parents=parents, config=asked)


def load_feature_set(ref: ArtifactRef) -> FeatureSet:
    """Read a feature set whose every byte is the published one; raises ArtifactDamaged otherwise."""
    manifest = verified(ref.path)
    folder = Path(ref.path)
    matrices, masks = load_matrices(folder / "vectors.safetensors")
    notes = json.loads((folder / "notes.json").read_text())
    edges = pq.read_table(folder / "graph.parquet")
    vectors = ItemVectors(
        item_ids=_strings(folder / "items.parquet", "item_id"),
        vectors=matrices,
        present=masks,
        encoders=notes["encoders"],
        health={m: ModalityHealth(**figures) for m, figures in notes["health"].items()},
        unreadable=tuple(Unreadable(**entry) for entry in notes["unreadable"]),
    )
    return FeatureSet(
        digest=manifest["digest"],
        vectors=vectors,
        graph=InteractionGraph(
            user_index=edges["user_index"].to_numpy(),
            item_index=edges["item_index"].to_numpy(),
            user_ids=_strings(folder / "users.parquet", "user_id"),
            num_items=len(vectors),
            num_outside=notes["num_outside"],
        ),
        encoders=load_encoders(folder / "encoders"),
        manifest=manifest,
        folder=folder,
    )


def read_sequences(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The sequences of a published feature set whose bytes were checked before, or some columns of them."""
    return pq.read_table(folder / SEQUENCES, columns=columns)


def _notes(vectors: ItemVectors, graph: InteractionGraph) -> dict[str, Any]:
    return {
        "encoders": dict(vectors.encoders),
        "health": {m: h.to_dict() for m, h in vectors.health.items()},
        "unreadable": [vars(entry) for entry in vectors.unreadable],
        "num_outside": graph.num_outside,
    }


def _write(path: Path, columns: dict[str, pa.Array]) -> None:
    pq.write_table(pa.table(columns), path)


def _strings(path: Path, column: str) -> Any:
    return pq.read_table(path)[column].to_numpy(zero_copy_only=False)
