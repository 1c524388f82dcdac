"""Items that came after a version's training, beside its bundle: their IDs by its frozen tokenizer, and titles.

Of an arm that reads content, in place of IDs, what its encoders make of them.

A published artifact of kind "new_items", made for one bundle and named by what it holds:

    semantic_ids.parquet  item_id, then one column a code, the collision token last
    items.parquet         item_id, title, categories
    content.safetensors   a row an item, of an arm that reads content: there are no codes then

The version is not registered anew: batch scoring makes such an artifact, and whoever serves the bundle (lists in
batch, the scoring server, `recloop recommend`) takes the newest one that was made for it.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from components.artifact import MANIFEST, ArtifactRef, bring_here, publish, verified
from components.content_vectors import ContentVectors, read_content, save_content
from components.copies import CopiesUnreachable, copies_of
from components.registry.bundle import ID_TABLE, ITEM_COLUMNS, ITEMS

KIND = "new_items"
_ITEMS = pa.schema([(name, pa.string()) for name in ITEM_COLUMNS])
_REST_SECONDS = 60.0  # between two looks into the object store
_LOOKED: dict[Path, float] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class NewItems:
    """Items with an ID that the bundle does not know; rows of `codes` belong to `item_ids`."""

    digest: str
    bundle: str  # digest of the bundle that they were identified for
    item_ids: np.ndarray  # [new] str objects, ascending
    codes: Int[np.ndarray, "new token"]  # collision token last
    items: pd.DataFrame  # ITEM_COLUMNS, in the order of item_ids
    content: ContentVectors | None = None  # in the order of item_ids


def publish_new_items(
    root: Path,
    *,
    item_ids: np.ndarray,
    codes: Int[np.ndarray, "new token"],
    items: pd.DataFrame,
    bundle: ArtifactRef,
    snapshot: ArtifactRef,
    known_until: str,
    content: ContentVectors | None = None,
) -> ArtifactRef:
    """Publish under `root/new_items/`; the same items of the same bundle and snapshot have the same digest.

    `items` describes at least these items (ITEM_COLUMNS); `snapshot` is what they were read from, `known_until` its
    end, ISO 8601 in UTC: of several artifacts for a bundle the one that reaches furthest counts. Rows of `content` are
    those of `item_ids`.
    """
    order = np.argsort(item_ids.astype(str), kind="stable")
    named = item_ids[order].tolist()
    columns = {"item_id": pa.array(named, pa.string())}
    columns |= {f"code_{level}": pa.array(codes[order, level], pa.int64()) for level in range(codes.shape[1])}
    described = items.set_index("item_id").loc[named].reset_index()[list(ITEM_COLUMNS)]

    def write(folder: Path) -> None:
        pq.write_table(pa.table(columns), folder / ID_TABLE)
        table = pa.Table.from_pandas(described, schema=_ITEMS, preserve_index=False)
        pq.write_table(table, folder / ITEMS)
        if content is not None:
            save_content(content.of(order), folder)

    return publish(
        root,
        KIND,
        write,
        parents={"bundle": bundle.digest, "snapshot": snapshot.digest},
        config={"known_until": known_until, "num_items": len(named)},
    )


def latest_new_items(root: Path, bundle: str) -> ArtifactRef | None:
    """The artifact for this bundle that reaches furthest in time; None if there is none."""
    found = []
    _look_elsewhere(root)
    for path in (root / KIND).glob(f"[!.]*/{MANIFEST}"):
        try:
            manifest = json.loads(path.read_text())
            if manifest["parents"]["bundle"] == bundle:
                found.append((manifest["config"]["known_until"], manifest["digest"], str(path.parent)))
        except (OSError, ValueError, KeyError):  # removed meanwhile, or damaged: it is none to be taken
            continue
    if not found:
        return None
    _, digest, path_ = max(found)
    return ArtifactRef(kind=KIND, digest=digest, path=path_)


def _look_elsewhere(root: Path) -> None:
    """What another machine has published, looked for once a minute; without the object store, what is here serves."""
    if copies_of(root) is None or time.monotonic() - _LOOKED.get(root, -_REST_SECONDS) < _REST_SECONDS:
        return
    try:
        bring_here(root, KIND)
    except CopiesUnreachable as error:
        logging.getLogger(__name__).warning("new items of other machines are not looked for: %s", error)
    _LOOKED[root] = time.monotonic()


def read_new_items(ref: ArtifactRef) -> NewItems:
    """The published items, each byte checked. Raises ArtifactDamaged."""
    manifest, folder = verified(ref.path), Path(ref.path)
    ids = pq.read_table(folder / ID_TABLE).to_pandas()
    return NewItems(
        digest=manifest["digest"],
        bundle=manifest["parents"]["bundle"],
        item_ids=ids["item_id"].to_numpy(dtype=object),
        codes=ids.drop(columns="item_id").to_numpy(dtype=np.int64),
        content=read_content(folder),
        items=pq.read_table(folder / ITEMS).to_pandas(),
    )
