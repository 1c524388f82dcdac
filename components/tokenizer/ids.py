"""The semantic ID table: an item's codes and its collision token; rows are added, never changed.

Source: MMGRec, Liu et al. 2024, arXiv:2404.16555, section 3.2 (rank by popularity within a tuple), with the
rank frozen when it is first given, so that an ID outlives the popularity it was made of.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int


class SemanticIdError(ValueError):
    """A table, or rows for one, that would not give every item one ID of its own: names the item."""


@dataclass(frozen=True, kw_only=True)
class SemanticIds:
    """Holds: no item twice, no full ID twice."""

    item_ids: np.ndarray  # [item] str objects
    codes: Int[np.ndarray, "item token"]  # codes coarse to fine, collision token last

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or len(self.codes) != len(self.item_ids) or self.codes.shape[1] < 2:
            raise SemanticIdError(
                f"codes are {self.codes.shape} for {len(self.item_ids)} items; give int64 [item, level + 1], "
                "the collision token last"
            )
        if self.codes.size and self.codes.min() < 0:
            row = int((self.codes < 0).any(axis=1).argmax())
            raise SemanticIdError(
                f"item {self.item_ids[row]} has the negative code {self.codes[row].tolist()}"
            )
        ids, count = np.unique(self.item_ids.astype(str), return_counts=True)
        if len(ids) and count.max() > 1:
            raise SemanticIdError(f"item {ids[count.argmax()]} stands in the table {count.max()} times")
        tuples, first, count = np.unique(self.codes, axis=0, return_index=True, return_counts=True)
        if len(tuples) and count.max() > 1:
            raise SemanticIdError(
                f"{count.max()} items share the full ID {tuples[count.argmax()].tolist()}; the first is "
                f"{self.item_ids[first[count.argmax()]]}"
            )

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def num_levels(self) -> int:
        """Levels before the collision token."""
        return self.codes.shape[1] - 1

    def holds(self, other: SemanticIds) -> bool:
        """Whether every item of the other table is here, with the ID that it has there."""
        row = {item: at for at, item in enumerate(self.item_ids)}
        at = [row.get(item, -1) for item in other.item_ids]
        if self.num_levels != other.num_levels or -1 in at:
            return False
        return bool((self.codes[at] == other.codes).all())

    @property
    def digest(self) -> str:
        """SHA-256 over items and codes in row order; whoever wrote them, and in what file."""
        content = hashlib.sha256(str(self.codes.shape).encode())
        for item in self.item_ids:
            name = item.encode()
            content.update(len(name).to_bytes(8, "little") + name)
        content.update(np.ascontiguousarray(self.codes, dtype="<i8").tobytes())
        return content.hexdigest()


def with_collision_tokens(
    item_ids: np.ndarray, codes: Int[np.ndarray, "item level"], popularity: Int[np.ndarray, "item"]
) -> SemanticIds:
    """The table that a fitted tokenizer begins with, rows in the order given.

    Items of one tuple get the tokens 0, 1, … by training popularity, highest first, then by item id.
    """
    _check_rows(item_ids, codes)
    if popularity.shape != (len(item_ids),):
        raise SemanticIdError(f"popularity is {popularity.shape} for {len(item_ids)} items")
    # the last key sorts first: popularity downwards, then the id
    by_rank = np.lexsort((item_ids.astype(str), -popularity.astype(np.int64)))
    tokens = np.empty(len(item_ids), dtype=np.int64)
    tokens[by_rank] = _place_in_group(codes[by_rank])
    return SemanticIds(item_ids=item_ids.copy(), codes=np.column_stack([codes.astype(np.int64), tokens]))


def append(table: SemanticIds, item_ids: np.ndarray, codes: Int[np.ndarray, "item level"]) -> SemanticIds:
    """The table with new items below; the rows it has stay as they are.

    A new item gets the token after the highest that its tuple has; several new items of one tuple take theirs
    in the order of their ids, so the order in which they arrive within a batch does not matter. Raises
    SemanticIdError for an item that the table has already.
    """
    _check_rows(item_ids, codes)
    if codes.shape[1] != table.num_levels:
        raise SemanticIdError(
            f"codes have {codes.shape[1]} levels, the table has {table.num_levels}; they come from another tokenizer"
        )
    known = np.isin(item_ids.astype(str), table.item_ids.astype(str))
    if known.any():
        raise SemanticIdError(
            f"item {item_ids[known.argmax()]} has an ID already ({known.sum()} such items); IDs never change, "
            "append only items that are new"
        )
    by_id = np.argsort(item_ids.astype(str), kind="stable")
    ordered = codes[by_id].astype(np.int64)
    # after the highest, not the first free one: a token that was given stays given, gaps and all
    next_token: dict[tuple[int, ...], int] = {}
    for row in table.codes:
        prefix = tuple(row[:-1].tolist())
        next_token[prefix] = max(next_token.get(prefix, 0), int(row[-1]) + 1)
    start = np.array([next_token.get(tuple(row.tolist()), 0) for row in ordered], dtype=np.int64)
    added = np.column_stack([ordered, start + _place_in_group(ordered)])
    return SemanticIds(
        item_ids=np.concatenate([table.item_ids, item_ids[by_id]]), codes=np.concatenate([table.codes, added])
    )


def write_ids(table: SemanticIds, path: Path) -> None:
    """As parquet: `item_id`, `code_1` … `code_L`, `collision_token`."""
    names = [*(f"code_{level + 1}" for level in range(table.num_levels)), "collision_token"]
    columns = {"item_id": pa.array(table.item_ids.tolist(), type=pa.string())}
    columns |= {name: pa.array(table.codes[:, place], type=pa.int64()) for place, name in enumerate(names)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_ids(path: Path) -> SemanticIds:
    """What `write_ids` wrote. Raises SemanticIdError, naming the file, where it is not such a table."""
    try:
        frame = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise SemanticIdError(
            f"{path}: not a readable ID table ({error}); fetch its artifact again"
        ) from error
    names = frame.column_names
    expected = ["item_id", *(f"code_{level}" for level in range(1, len(names) - 1)), "collision_token"]
    if names != expected:
        raise SemanticIdError(
            f"{path}: columns are {names}; an ID table has item_id, code_1 …, collision_token"
        )
    item_ids = np.array(frame["item_id"].to_pylist(), dtype=object)
    codes = np.column_stack([frame[name].to_numpy() for name in names[1:]]).astype(np.int64)
    try:
        return SemanticIds(item_ids=item_ids, codes=codes)
    except SemanticIdError as error:
        raise SemanticIdError(f"{path}: {error}") from error


def _check_rows(item_ids: np.ndarray, codes: np.ndarray) -> None:
    if codes.ndim != 2 or len(codes) != len(item_ids) or not np.issubdtype(codes.dtype, np.integer):
        raise SemanticIdError(
            f"codes are {codes.shape} {codes.dtype} for {len(item_ids)} items; give int64 [item, level]"
        )


def _place_in_group(codes: Int[np.ndarray, "item level"]) -> Int[np.ndarray, "item"]:
    """How many rows above have the same tuple."""
    if not len(codes):
        return np.zeros(0, dtype=np.int64)
    _, group = np.unique(codes, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    sorted_group = group[order]
    place = np.empty(len(codes), dtype=np.int64)
    place[order] = np.arange(len(codes)) - np.searchsorted(sorted_group, sorted_group, side="left")
    return place
