"""The ID table as a published folder: one parquet file, named by the tokenizer that gave its codes.

An artifact of kind "id_table"; its manifest's config holds `num_items` and `table_sizes`, the codes that a model
must know at each level (see `Tokenizer.table_sizes`).
"""

from __future__ import annotations

from pathlib import Path

from components.artifact import ArtifactRef, publish, verified
from components.tokenizer.ids import SemanticIds, read_ids, write_ids

KIND = "id_table"
IDS_FILE = "semantic_ids.parquet"


def publish_id_table(
    root: Path, table: SemanticIds, *, tokenizer: ArtifactRef, table_sizes: list[int]
) -> ArtifactRef:
    """Publish under `root/id_table/`. The same table of the same tokenizer has the same digest."""
    return publish(
        root,
        KIND,
        lambda folder: write_ids(table, folder / IDS_FILE),
        parents={"tokenizer": tokenizer.digest},
        config={"num_items": len(table), "table_sizes": table_sizes},
    )


def read_id_table(ref: ArtifactRef) -> SemanticIds:
    """The published table, each byte of it checked. Raises ArtifactDamaged, SemanticIdError."""
    verified(ref.path)
    return read_ids(Path(ref.path) / IDS_FILE)


def table_sizes_of(ref: ArtifactRef) -> list[int]:
    """Codes that a model must know at each level, collision token last. Raises ArtifactDamaged."""
    sizes: list[int] = verified(ref.path)["config"]["table_sizes"]
    return sizes
