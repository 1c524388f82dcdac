"""Everybody's history for batch scoring, in chunks: the newest cut, merged with what was pushed since.

What a chunk holds of a user is what the online store answers for that user: the cut's row out of the files behind
Feast's offline store, column by column; and, for the few who had events pushed, what is online of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.features.store.live import UserState, user_states
from components.features.store.opening import OpenStore
from components.recommender.arm import Histories
from components.serving.loaded import LoadedVersion

MOMENT = pa.timestamp("us", tz="UTC")
CHUNK = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("times", pa.list_(pa.int64())),
        ("features_as_of", MOMENT),  # null: nothing is known of the user
    ]
)
_STATES_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class UserHistories:
    """Where histories come from. `pushed` are the users who may have events that no cut holds yet."""

    store: OpenStore
    cut: Path | None  # file of the newest cut; None before the first
    pushed: Collection[str] = ()

    @property
    def num_users(self) -> int:
        """Users of the cut; those who are in none come on top."""
        return 0 if self.cut is None else int(pq.read_metadata(self.cut).num_rows)

    def chunks(self, size: int) -> Iterator[pa.Table]:
        """CHUNK tables of `size` users, the last may hold fewer: users of the cut, then those in none.

        In memory is one chunk. The same cut and pushed users give the same chunks.
        """
        rest = set(self.pushed)
        for rows in _pieces(self.cut, size) if self.cut is not None else ():
            pushed = sorted(rest.intersection(rows["user_id"].to_pylist()))
            rest.difference_update(pushed)
            yield self._merged(rows, pushed) if pushed else rows
        others = sorted(rest)
        for begin in range(0, len(others), size):
            table = _chunk_of(self._states(others[begin : begin + size]))
            if len(table):
                yield table

    def partitions(self, size: int) -> Partitions:
        """The same chunks, each of which can be read alone and elsewhere: this looks up who had events pushed."""
        rest = set(self.pushed)
        if self.cut is not None and rest:
            rest.difference_update(*map(rest.intersection, _user_ids(self.cut)))
        in_cut, others = sorted(set(self.pushed) - rest), sorted(rest)
        tail = (
            _chunk_of(self._states(others[begin : begin + size])) for begin in range(0, len(others), size)
        )
        return Partitions(
            cut=self.cut,
            size=size,
            num_users=self.num_users,
            pushed=_chunk_of(self._states(in_cut)),
            tail=tuple(table for table in tail if len(table)),
        )

    def _merged(self, rows: pa.Table, pushed: Sequence[str]) -> pa.Table:
        """The same users, those with pushed events last."""
        others = rows.filter(pc.invert(pc.is_in(rows["user_id"], pa.array(pushed))))
        return pa.concat_tables([others, _chunk_of(self._states(pushed))])

    def _states(self, users: Sequence[str]) -> list[UserState]:
        found: list[UserState] = []
        for begin in range(0, len(users), _STATES_AT_ONCE):
            found += user_states(self.store, users[begin : begin + _STATES_AT_ONCE])
        return found


@dataclass(frozen=True, kw_only=True)
class Partitions:
    """Everybody's history in numbered chunks, without a store: whoever has it and sees the cut's file can read any."""

    cut: Path | None
    size: int
    num_users: int  # of the cut
    pushed: pa.Table  # CHUNK of those users of the cut who had events pushed, as they are online
    tail: tuple[pa.Table, ...]  # chunks of users in no cut

    def __len__(self) -> int:
        return self._of_cut + len(self.tail)

    @property
    def _of_cut(self) -> int:
        return -(-self.num_users // self.size)

    def chunks(self, first: int, last: int) -> Iterator[tuple[int, pa.Table]]:
        """Those from `first` to before `last`, each with its number, as `UserHistories.chunks` gives them."""
        if self.cut is not None and first < self._of_cut:
            rows = range(first * self.size, min(last * self.size, self.num_users))
            for number, piece in enumerate(_pieces(self.cut, self.size, rows), start=first):
                yield number, self._merged(piece)
        for number in range(max(first, self._of_cut), last):
            yield number, self.tail[number - self._of_cut]

    def _merged(self, rows: pa.Table) -> pa.Table:
        pushed = self.pushed.filter(pc.is_in(self.pushed["user_id"], rows["user_id"].combine_chunks()))
        if not len(pushed):
            return rows
        others = rows.filter(pc.invert(pc.is_in(rows["user_id"], pushed["user_id"].combine_chunks())))
        return pa.concat_tables([others, pushed])


def histories_of(version: LoadedVersion, chunk: pa.Table) -> Histories:
    """A chunk as an arm reads it, in the version's catalogue: what it does not know is a stranger."""
    lists = chunk["item_ids"].combine_chunks()
    known = pc.index_in(lists.flatten(), value_set=version.arrow_item_ids)
    end = np.cumsum(pc.fill_null(lists.value_lengths(), 0).to_numpy(), dtype=np.int64)
    return Histories(
        catalogue=version.catalogue,
        items=pc.fill_null(known, len(version.item_ids)).to_numpy(zero_copy_only=False).astype(np.int64),
        times=chunk["times"].combine_chunks().flatten().to_numpy(zero_copy_only=False),
        start=np.concatenate([np.zeros(min(1, len(end)), dtype=np.int64), end[:-1]]),
        end=end,
    )


def _pieces(cut: Path, size: int, rows: range | None = None) -> Iterator[pa.Table]:
    """The cut's rows, or those in `rows`, as CHUNK tables of exactly `size`, however its file is laid out."""
    waiting = CHUNK.empty_table()
    columns = ["user_id", "item_ids", "times", "event_timestamp"]
    with pq.ParquetFile(cut, pre_buffer=False) as file:
        groups, at = _row_groups(file, rows)
        for batch in file.iter_batches(batch_size=size, columns=columns, row_groups=groups):
            if rows is not None:
                begin, at = at, at + len(batch)
                batch = batch.slice(max(0, rows.start - begin), max(0, rows.stop - max(begin, rows.start)))
            read = pa.Table.from_batches([batch]).select(columns).rename_columns(CHUNK.names).cast(CHUNK)
            waiting = pa.concat_tables([waiting, read])
            while len(waiting) >= size:
                yield waiting.slice(0, size).combine_chunks()
                waiting = waiting.slice(size)
    if len(waiting):
        yield waiting.combine_chunks()


def _row_groups(file: pq.ParquetFile, rows: range | None) -> tuple[list[int], int]:
    """The groups of a file that hold any of these rows, and the first of them's first row."""
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    if rows is None:
        return list(range(len(sizes))), 0
    first, last = np.searchsorted(ends, [rows.start, rows.stop - 1], side="right")
    return list(range(first, last + 1)), int(ends[first] - sizes[first])


def _user_ids(cut: Path) -> Iterator[list[str]]:
    with pq.ParquetFile(cut, pre_buffer=False) as file:
        for batch in file.iter_batches(columns=["user_id"]):
            yield batch["user_id"].to_pylist()


def _chunk_of(states: Sequence[UserState]) -> pa.Table:
    """Those of whom anything is online."""
    known = [(state, state.sequence()) for state in states if state.known_until is not None]
    return pa.table(
        {
            "user_id": [state.user_id for state, _ in known],
            "item_ids": [list(sequence.item_ids) for _, sequence in known],
            "times": [list(sequence.times) for _, sequence in known],
            "features_as_of": [state.known_until for state, _ in known],
        },
        schema=CHUNK,
    )


def nobody() -> pa.Table:
    """One row without a history, under the empty id: what every user gets of whom nothing is known."""
    return pa.table(
        {"user_id": [""], "item_ids": [[]], "times": [[]], "features_as_of": [None]}, schema=CHUNK
    )
