"""Append-only tables as chains of hashes: what was written cannot be changed, left out or put elsewhere unseen.

An entry carries the SHA-256 of its columns and, among these, the hash of the entry before it, so one change breaks
every link after it. The chain runs over the whole table, not over a model or window of it: moving an entry from one
to another, or taking all of one out, breaks it too. The last entry stands in `chain_heads` besides, by id and hash, so
that a tail that was cut off is seen, and a chain that was written anew; and the next entry stands on what stands there.
Whoever writes all of it anew, heads too, is seen by MLflow alone (see `registry.ledger_check`).

An entry may stand, instead of on the one before, on a digest of all that came before as it lies: whoever wrote it
has accepted a broken chain, and what comes after is chained again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, RowMapping, Table, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from components.data.damage import damage_of
from components.data.schema import chain_heads
from components.data.seals import content_hash

PREVIOUS, HASH = "previous_hash", "entry_hash"  # columns
FIX = (
    "Somebody, or a failing disk, changed the database behind recloop. Put the database back from a backup (SQLite: "
    "move the home away, then `recloop restore`; PostgreSQL: its own dump), or, if you have looked and accept what is "
    "there, run `recloop reconcile --accept-ledger`; it writes down that you did."
)


class LedgerBroken(Exception):
    """A ledger does not say what was written: names the entry, what differs, and the fix."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A chain that is whole."""

    entries: int
    last: int  # id of the last entry; 0: there is none
    accepted_by: int | None  # the last entry that accepted a broken chain before it; None: none was broken


def append_entry(
    connection: Connection, table: Table, row: Mapping[Any, Any], *, is_accepting: bool = False
) -> int:
    """Write one entry, chained to the last, and return its id. Inside `writing`, whose lock orders entries.

    `is_accepting` stands it on all that came before as it lies, whatever that is.
    """
    before = _standing(connection, table) if is_accepting else _head_of(connection, table)[1]
    values = dict(row) | {_id(table).name: _next_id(connection, table), PREVIOUS: before}
    digest = _hash(table, values)
    connection.execute(insert(table).values(values | {HASH: digest}))
    _move_head(connection, table, values[_id(table).name], digest)
    return int(values[_id(table).name])


def checked_chain(connection: Connection, table: Table) -> Chain:
    """Read every entry and follow the chain. Raises LedgerBroken at the first that does not hold."""
    walk = _Walk(table)
    try:
        for row in connection.execute(select(table).order_by(_id(table))).mappings():
            walk.step(row)
    except DBAPIError as error:
        if (damage := damage_of(error)) is None:
            raise
        raise LedgerBroken(f"the ledger {table.name} cannot be read: {damage}") from error
    if broken := walk.broken or _why_no_end(connection, table, walk):
        raise LedgerBroken(f"the ledger {table.name} is broken: {broken}. {FIX}")
    return Chain(entries=walk.entries, last=walk.last, accepted_by=walk.accepted_by)


class _Walk:
    """From entry to entry; keeps the first break that nobody accepted."""

    def __init__(self, table: Table) -> None:
        self._table, self._lying, self.head = table, hashlib.sha256(), ""
        self.entries, self.last = 0, 0
        self.accepted_by: int | None = None
        self.broken = ""

    @property
    def standing(self) -> str:
        """Digest of all entries so far as they lie."""
        return self._lying.hexdigest()

    def step(self, row: RowMapping) -> None:
        number, before, found = row[_id(self._table).name], row[PREVIOUS], _hash(self._table, row)
        if before != self.head and self.entries and before == self.standing:
            self.broken, self.accepted_by = "", number
        elif before != self.head:
            self._break(
                f"entry {number} was written after an entry {_short(before)}, and before it lies "
                f"{f'entry {self.last}, {_short(self.head)}' if self.entries else 'none'}: an entry between "
                "was removed, put elsewhere or written anew"
            )
        if found != row[HASH]:
            told = ", ".join(name for name in _written(self._table) if name != PREVIOUS)
            self._break(
                f"entry {number} is not what was written: its content gives {_short(found)}, it carries "
                f"{_short(row[HASH])} (one of {told} is another)"
            )
        self._lying.update(f"{found} {row[HASH]}\n".encode())
        self.head, self.last, self.entries = row[HASH], number, self.entries + 1

    def _break(self, how: str) -> None:
        self.broken = self.broken or how


def _hash(table: Table, row: Mapping[Any, Any]) -> str:
    return content_hash(table, row, _written(table))


def _written(table: Table) -> list[str]:
    """The columns that stay as they were written."""
    return [
        column.name for column in table.columns if column.name != HASH and not column.info.get("may change")
    ]


def _id(table: Table) -> Column[int]:
    (column,) = table.primary_key.columns
    return column


def _head_of(connection: Connection, table: Table) -> tuple[int, str]:
    """Id and hash of the entry that was written last; (0, "") if none was."""
    query = select(chain_heads.c.last, chain_heads.c[HASH]).where(chain_heads.c.chain == table.name)
    found = connection.execute(query).one_or_none()
    return (0, "") if found is None else (found[0], found[1])


def _why_no_end(connection: Connection, table: Table, walk: _Walk) -> str:
    """What differs between the last entry that lies there and the one that was written last; "" if nothing does."""
    last, digest = _head_of(connection, table)
    if last != walk.last:
        return f"it ends with entry {walk.last}, and entry {last} was written last"
    if digest != walk.head:
        return (
            f"its last entry {last} lies as {_short(walk.head)} and was written as {_short(digest)}: it was written "
            "anew"
        )
    return ""


def _standing(connection: Connection, table: Table) -> str:
    walk = _Walk(table)
    for row in connection.execute(select(table).order_by(_id(table))).mappings():
        walk.step(row)
    return walk.standing if walk.entries else ""


def _next_id(connection: Connection, table: Table) -> int:
    """The id is part of the hash, so it is taken before the entry is written."""
    if connection.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, _id(table).name)
        return int(connection.execute(select(func.nextval(sequence))).scalar_one())
    given_out = text("SELECT max(seq) FROM sqlite_sequence WHERE name = :name")
    last = connection.execute(select(func.max(_id(table)))).scalar() or 0
    return max(last, connection.execute(given_out, {"name": table.name}).scalar() or 0) + 1


def _move_head(connection: Connection, table: Table, last: int, digest: str) -> None:
    head = {"last": last, HASH: digest}
    if (
        connection.execute(update(chain_heads).where(chain_heads.c.chain == table.name).values(head)).rowcount
        == 0
    ):
        connection.execute(insert(chain_heads).values(head | {"chain": table.name}))


def _short(digest: Any) -> str:
    return f"{str(digest)[:12]}…" if digest else "without a hash"
