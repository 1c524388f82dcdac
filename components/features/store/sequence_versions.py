"""Two versions of a cut's rows: of each user the one that was known later, then the longer, then the greater content.

Columns all the way; only rows that differ in nothing but their content are compared as text.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.features.sequences import LIST_COLUMNS, SEQUENCE_SCHEMA


def latest_versions(stored: pa.Table, new: pa.Table) -> pa.Table:
    """One row a user of both tables, each of which has a user once at most; in no order."""
    stored, new = (table.select(SEQUENCE_SCHEMA.names) for table in (stored, new))
    there = pc.index_in(new["user_id"], value_set=stored["user_id"].combine_chunks())
    is_known = pc.is_valid(there).to_numpy(zero_copy_only=False)
    mine = np.flatnonzero(is_known)
    theirs = pc.drop_null(there).to_numpy().astype(np.int64)
    wins = _later(stored.take(pa.array(theirs)), new.take(pa.array(mine)))
    keeps_stored = np.ones(len(stored), dtype=bool)
    keeps_stored[theirs[wins]] = False
    takes_new = ~is_known
    takes_new[mine[wins]] = True
    return pa.concat_tables([stored.filter(pa.array(keeps_stored)), new.filter(pa.array(takes_new))])


def _later(stored: pa.Table, new: pa.Table) -> np.ndarray:
    """Of two tables of the same users, row by row: whether the new row takes the stored one's place."""
    known = _numbers(new, "created_timestamp") - _numbers(stored, "created_timestamp")
    longer = _numbers(new, "num_events") - _numbers(stored, "num_events")
    wins: np.ndarray = (known > 0) | ((known == 0) & (longer > 0))
    for row in that_differ(stored, new, np.flatnonzero((known == 0) & (longer == 0))):
        wins[row] = _content(new, row) > _content(stored, row)
    return wins


def that_differ(stored: pa.Table, new: pa.Table, rows: np.ndarray) -> list[int]:
    """Of two tables of the same users, those of these rows whose lists are not the same."""
    differ = np.zeros(len(rows), dtype=bool)
    chosen = pa.array(rows)
    for name in LIST_COLUMNS:
        a, b = (table[name].take(chosen).combine_chunks() for table in (stored, new))
        lengths = a.value_lengths().to_numpy()
        other = lengths != b.value_lengths().to_numpy()
        differ |= other
        alike = pa.array(~other)
        unequal = pc.not_equal(a.filter(alike).flatten(), b.filter(alike).flatten())
        nth = np.repeat(np.flatnonzero(~other), lengths[~other])
        differ[nth[unequal.to_numpy(zero_copy_only=False)]] = True
    return rows[differ].tolist()


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column: np.ndarray = table[name].cast(pa.int64()).to_numpy()
    return column


def _content(table: pa.Table, row: int) -> str:
    return "".join(str(table[name][row].as_py()) for name in LIST_COLUMNS)
