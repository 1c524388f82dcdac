"""Vectors of items that were computed elsewhere: from a file beside the tables, or from a column of the items.

As images are, they are read where items are encoded, and nothing of them lands in the warehouse.
Memory: one float32 matrix (4 bytes × items × width) stays; while a file is read, its own columns stand beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from components.data.batch import DataContractError, Reading
from components.data.near_ids import nearest_ids
from components.data.sources import SourceUnavailable
from components.data.sources.columns.ids import read_ids
from components.data.sources.columns.vectors import read_vectors
from components.data.sources.files.parts import names_of
from components.data.sources.finding import FoundTable, find_columns, find_files, read_table, refuse_lacking
from components.data.sources.mapping import REQUIRED_VECTOR_COLUMNS, SourceMap, TableMap

_LOOKED_UP = 200  # ids of no item for which a near one is looked for


@dataclass(frozen=True, kw_only=True)
class SourceVectors:
    """Row i of `vectors` is of item `item_ids[i]`."""

    item_ids: np.ndarray  # [row] str objects, no duplicates
    vectors: Float[np.ndarray, "row dim"]  # float32, finite
    reading: Reading

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def digest(self) -> str:
        """SHA-256 over ids and vectors as they were read."""
        sha = hashlib.sha256("\n".join(self.item_ids).encode("utf-8", "surrogatepass"))
        sha.update(np.ascontiguousarray(self.vectors).data)
        return sha.hexdigest()

    def of(self, item_ids: Collection[str]) -> pd.Series:
        """Each item's vector, None for one without; they are rows of the matrix, not copies."""
        place = {item: row for row, item in enumerate(self.item_ids)}
        found = [self.vectors[place[item]] if item in place else None for item in item_ids]
        return pd.Series(found, dtype=object)

    def told(self, item_ids: Collection[str]) -> tuple[str, ...]:
        """How many of these items have one, and which vectors are of none of them: a line each."""
        items, held = set(item_ids), set(self.item_ids)
        lines = [
            f"vectors: {self.reading.file}, {self.dim:,} wide, {len(items & held):,} of {len(items):,} items"
        ]
        if strangers := sorted(held - items):
            near = nearest_ids(strangers[:_LOOKED_UP], items)
            pairs = ", ".join(f"{theirs!r} → {ours!r}" for theirs, ours in list(near.items())[:3])
            lines.append(
                f"{len(strangers):,} vectors are of no item, such as {strangers[0]!r}, and are left"
                f"{f'; the nearest items: {pairs}' if near else ''}"
            )
        return tuple(lines)


def find_vectors(root: Path, told: SourceMap) -> FoundTable | None:
    """The table that holds vectors, by its names alone; None where there is none.

    Raises SourceUnavailable for a file that was named and is not there, DataContractError for a column.
    """
    if told.vectors is None:
        return None
    table = _with_items_names(told.vectors, told)
    try:
        paths = find_files(root, table, "vectors")
    except SourceUnavailable:
        if not table.optional:
            raise
        return _among_items(root, told, table)
    found = find_columns(paths, table)
    refuse_lacking(root, [(found, REQUIRED_VECTOR_COLUMNS)], source=str(root))
    return found


def read_item_vectors(root: Path, told: SourceMap) -> SourceVectors | None:
    """All vectors of the source; None where it has none.

    Raises as `find_vectors` and `read_vectors` do, and DataContractError for an item with two vectors that differ.
    """
    found = find_vectors(root, told)
    if found is None:
        return None
    parts = [part for path in found.paths if len((part := _part(found, path, told)).item_ids)]
    _refuse_widths(parts)
    if not parts:
        raise DataContractError(
            f"{found.paths[0]}: no row holds a vector in column {found.taken['vector']!r}. Export it again, or leave "
            "the vectors out with --map vectors=none."
        )
    ids, matrix, more = _distinct(parts)
    return SourceVectors(
        item_ids=ids,
        vectors=matrix,
        reading=Reading(
            file=names_of(found.paths),
            taken=tuple(found.taken.items()),
            left=tuple(name for name in found.names if name and name not in found.taken.values()),
            remarks=tuple(
                dict.fromkeys([*found.remarks, *(r for part in parts for r in part.remarks), *more])
            ),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One file's items that have a vector."""

    path: Path
    item_ids: np.ndarray
    rows: np.ndarray  # of the file, from 0
    vectors: np.ndarray
    remarks: tuple[str, ...]


def _part(found: FoundTable, path: Path, told: SourceMap) -> _Part:
    id_name, name = (found.taken[field] for field in REQUIRED_VECTOR_COLUMNS)
    raw = read_table(path, found.table, wanted=[id_name, name], keys=[id_name])
    read = read_ids(raw.table.column(id_name), name=id_name, path=path, missing=told.missing)
    ids = read.ids.to_numpy(dtype=object)
    column = read_vectors(raw.table.column(name), name=name, path=path, item_ids=ids)
    named = read.ids.notna().to_numpy()
    remarks = [*raw.remarks, *read.remarks]
    if nameless := int((column.holds & ~named).sum()):
        remarks.append(f"{id_name}: {nameless:,} vectors name no item and are left")
    if lacking := int((~column.holds).sum()):
        remarks.append(f"{name}: {lacking:,} of {len(ids):,} rows hold no vector, which is allowed")
    kept = named[column.holds]
    return _Part(
        path=path,
        item_ids=ids[column.holds & named],
        rows=np.flatnonzero(column.holds & named),
        vectors=column.vectors if kept.all() else column.vectors[kept],
        remarks=tuple(remarks),
    )


def _refuse_widths(parts: list[_Part]) -> None:
    """A file has one width; two files may have two."""
    for part in parts[1:]:
        if part.vectors.shape[1] != parts[0].vectors.shape[1]:
            raise DataContractError(
                f"{part.path}: its vectors have {part.vectors.shape[1]:,} numbers, those of {parts[0].path.name} "
                f"{parts[0].vectors.shape[1]:,}. Export the vectors of one model, all of one width, or leave them out "
                "with --map vectors=none."
            )


def _distinct(parts: list[_Part]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The first row of each item. Raises DataContractError where a later one says something else."""
    ids = np.concatenate([part.item_ids for part in parts])
    matrix = parts[0].vectors if len(parts) == 1 else np.concatenate([part.vectors for part in parts])
    again = pd.Series(ids).duplicated().to_numpy()
    if not again.any():
        return ids, matrix, ()
    first = {item: row for row, item in reversed(list(enumerate(ids)))}
    for row in map(int, np.flatnonzero(again)):
        if not np.array_equal(matrix[row], matrix[first[ids[row]]]):
            raise DataContractError(
                f"{_place(parts, row)}: item {ids[row]!r} has another vector than in {_place(parts, first[ids[row]])}, "
                "and which is meant cannot be told. Export one row an item, or leave the vectors out with "
                "--map vectors=none."
            )
    told = f"{int(again.sum()):,} rows say again what an earlier one said of their item"
    return ids[~again], matrix[~again], (told,)


def _place(parts: list[_Part], row: int) -> str:
    """File and row of a row of all parts together."""
    for part in parts:
        if row < len(part.rows):
            return f"{part.path}: row {part.rows[row]:,}"
        row -= len(part.rows)
    raise AssertionError(row)


def _with_items_names(table: TableMap, told: SourceMap) -> TableMap:
    """Their item's column may be called as that of the items or of the events."""
    others = [] if told.items is None else [*told.items.columns["item_id"]]
    names = dict.fromkeys((*table.columns["item_id"], *others, *told.events.columns["item_id"]))
    has_one = "item_id" in table.told
    columns = {**table.columns, "item_id": tuple(names)}
    return replace(table, columns=columns, told=table.told if has_one else (*table.told, "item_id"))


def _among_items(root: Path, told: SourceMap, table: TableMap) -> FoundTable | None:
    """The table of items, where it has a column of vectors."""
    is_told = "vector" in table.told
    if told.items is None or told.items.long is not None:
        if is_told:
            raise SourceUnavailable(
                f"{root}: column {table.columns['vector'][0]!r} is to hold vectors, and there is no file of vectors "
                "or of items. Name it: --map vectors=<file>"
            )
        return None
    columns = {"item_id": told.items.columns["item_id"], "vector": table.columns["vector"]}
    named = ("item_id", *(["vector"] if is_told else []))
    found = find_columns(
        find_files(root, told.items, "items"), replace(told.items, columns=columns, told=named)
    )
    if "vector" in found.taken or is_told:
        refuse_lacking(root, [(found, REQUIRED_VECTOR_COLUMNS)], source=str(root))
        return found
    return None
