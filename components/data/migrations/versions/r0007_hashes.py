"""The ledgers of promotions and of alpha, and the batches, become chains of hashes; rows of quarantine and journal are
sealed one by one. What is there is taken as it lies. A process of the release before that goes on writes no hashes: its
rows are refused, since they would break what is kept here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_REFUSALS = {
    "promotions": "promotions is append-only: write a rollback entry instead",
    "alpha_ledger": "alpha_ledger is append-only: alpha that was spent does not come back",
}
_HASHES = ("previous_hash", "entry_hash")
_SEALED = {
    "stage_journal": ("key", "stage", "run", "output", "seconds", "peak_mb", "finished_at"),
    "quarantine": (
        "batch_id", "kind", "source_row", "payload", "reasons", "state", "resolved_at", "resolved_batch_id",
        "resolution",
    ),
}  # fmt: skip


_HASHED = {
    **dict.fromkeys(("promotions", "alpha_ledger", "batches"), _HASHES),
    **dict.fromkeys(_SEALED, ("row_hash",)),
}


def upgrade() -> None:
    op.create_table(
        "chain_heads",
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("entry_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain"),
    )
    for table, id_ in {"promotions": "id", "alpha_ledger": "id", "batches": "batch_id"}.items():
        for name in _HASHES:
            op.add_column(table, sa.Column(name, sa.String(length=64), nullable=False, server_default=""))
        if table in _REFUSALS:
            _let_change(table)
        _chain(table, id_)
        if table in _REFUSALS:
            _refuse_change(table)
    for table, id_ in {"quarantine": "id", "stage_journal": "key"}.items():
        op.add_column(table, sa.Column("row_hash", sa.String(length=64), nullable=False, server_default=""))
        _seal(table, id_)
    for table, hashes in _HASHED.items():
        _refuse_without(table, hashes)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in _HASHED:
            op.execute(f"DROP TRIGGER {table}_wants_hash")
    op.drop_table("chain_heads")
    for table in _SEALED:
        op.drop_column(table, "row_hash")
    for name in reversed(_HASHES):
        op.drop_column("batches", name)
    for table in _REFUSALS:
        for name in reversed(_HASHES):
            op.drop_column(table, name)


def _chain(name: str, id_: str) -> None:
    """As `components.data.chain` reads it; said here again, since a migration stays what it was."""
    table = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
    before, chained = "", []
    for row in op.get_bind().execute(sa.select(table).order_by(table.c[id_])).mappings():
        values = {**row, "previous_hash": before}
        digest = _hash(values, set(values) - {"entry_hash", "why"})
        chained.append({"b_id": row[id_], "b_before": before, "b_digest": digest})
        before = digest
    if chained:
        values = {"previous_hash": sa.bindparam("b_before"), "entry_hash": sa.bindparam("b_digest")}
        statement = sa.update(table).where(table.c[id_] == sa.bindparam("b_id"))
        op.get_bind().execute(statement.values(values), chained)
        head = {"chain": name, "last": chained[-1]["b_id"], "entry_hash": before}
        op.get_bind().execute(sa.insert(sa.table("chain_heads", *map(sa.column, head))).values(head))


def _seal(name: str, id_: str) -> None:
    table = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
    rows = op.get_bind().execute(sa.select(table)).mappings()
    sealed = [{"b_id": row[id_], "b_digest": _hash(row, _SEALED[name])} for row in rows]
    if sealed:
        statement = sa.update(table).where(table.c[id_] == sa.bindparam("b_id"))
        op.get_bind().execute(statement.values(row_hash=sa.bindparam("b_digest")), sealed)


def _hash(row: Mapping[Any, Any], names: Iterable[str]) -> str:
    values = {name: row[name] for name in names if row[name] is not None}
    told = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def _refuse_without(table: str, hashes: tuple[str, ...]) -> None:
    """SQLite takes no default away again, so a trigger looks for it."""
    if op.get_bind().dialect.name == "postgresql":
        for name in hashes:
            op.alter_column(table, name, server_default=None)
        return
    told = (
        f"{table} wants a hash: a release before this one writes none. Stop its processes, and start them from this "
        "checkout"
    )
    op.execute(
        f"CREATE TRIGGER {table}_wants_hash BEFORE INSERT ON {table} WHEN NEW.{hashes[-1]} = '' "
        f"BEGIN SELECT RAISE(ABORT, '{told}'); END"
    )


def _let_change(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        return
    for verb in ("update", "delete"):
        op.execute(f"DROP TRIGGER {table}_no_{verb}")


def _refuse_change(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSALS[table]}'); END"
        )
