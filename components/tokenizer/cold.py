"""Cold items: IDs from content alone for what appeared after the cut, so that a replay can ask for it.

They stand beside the table of the cut and never in it: once such items have events, the next table gives them
IDs of their own. Published as kind "cold_ids", a table of the cut's rows with the cold ones below.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.artifact import ArtifactRef, publish, verified
from components.content_vectors import ContentVectors, read_content, save_content
from components.tokenizer.id_table import IDS_FILE, read_id_table
from components.tokenizer.ids import SemanticIds, append, write_ids
from components.tokenizer.modalities import Present, Vectors
from components.tokenizer.tokenizer import Tokenizer

KIND = "cold_ids"


@dataclass(frozen=True, kw_only=True)
class ColdTable:
    table: SemanticIds  # the rows of the cut as they were, cold items below
    num_cold: int  # items that got an ID; those without any content got none

    @property
    def num_known(self) -> int:
        return len(self.table) - self.num_cold


def cold_table(
    known: SemanticIds, tokenizer: Tokenizer, item_ids: np.ndarray, vectors: Vectors, present: Present
) -> ColdTable:
    """Give an ID to each of `item_ids` ([item] str objects, none of them in `known`) that has any content.

    Each is placed by what it is, whoever stands beside it. Raises TokenizerInputError, and SemanticIdError for an
    item that has an ID already.
    """
    # the row of False keeps the shape where the tokenizer knows no modality at all
    has_content = np.any([*present.values(), np.zeros(len(item_ids), dtype=bool)], axis=0)
    codes = tokenizer.assign(
        {name: matrix[has_content] for name, matrix in vectors.items()},
        {name: mask[has_content] for name, mask in present.items()},
    )
    return ColdTable(table=append(known, item_ids[has_content], codes), num_cold=int(has_content.sum()))


def publish_cold_ids(
    root: Path,
    cold: ColdTable,
    *,
    ids: ArtifactRef,
    window: ArtifactRef,
    content: ContentVectors | None = None,
) -> ArtifactRef:
    """Publish under `root/cold_ids/`; `ids` is the table of the cut, `window` the snapshot they appeared in.

    `content`, of the cold items in the table's order, is for arms that read it in place of IDs.
    """

    def write(folder: Path) -> None:
        write_ids(cold.table, folder / IDS_FILE)
        if content is not None:
            save_content(content, folder)

    return publish(
        root,
        KIND,
        write,
        parents={"ids": ids.digest, "window": window.digest},
        config={"num_known": cold.num_known, "num_cold": cold.num_cold},
    )


def read_cold_content(ref: ArtifactRef) -> tuple[np.ndarray, ContentVectors] | None:
    """Ids of the cold items and what they are; None where it was published without. Raises ArtifactDamaged."""
    config = verified(ref.path)["config"]
    content = read_content(Path(ref.path))
    return None if content is None else (read_id_table(ref).item_ids[config["num_known"] :], content)
