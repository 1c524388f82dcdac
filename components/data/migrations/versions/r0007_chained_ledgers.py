"""The ledgers of promotions and of alpha become chains of hashes; the entries that are there are chained as they lie."""

from __future__ import annotations

import hashlib
import json

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


def upgrade() -> None:
    for table in _REFUSALS:
        for name in _HASHES:
            op.add_column(table, sa.Column(name, sa.String(length=64), nullable=False, server_default=""))
        _let_change(table)
        _chain(table)
        _refuse_change(table)


def downgrade() -> None:
    for table in _REFUSALS:
        for name in reversed(_HASHES):
            op.drop_column(table, name)


def _chain(name: str) -> None:
    """As `components.data.chain` reads it; said here again, since a migration stays what it was."""
    table = sa.Table(name, sa.MetaData(), autoload_with=op.get_bind())
    before, chained = "", []
    for row in op.get_bind().execute(sa.select(table).order_by(table.c.id)).mappings():
        values = {
            column: value for column, value in row.items() if value is not None and column != "entry_hash"
        }
        values["previous_hash"] = before
        told = json.dumps(values, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(told.encode()).hexdigest()
        chained.append({"b_entry": row["id"], "b_before": before, "b_digest": digest})
        before = digest
    if chained:
        statement = sa.update(table).where(table.c.id == sa.bindparam("b_entry"))
        values = {"previous_hash": sa.bindparam("b_before"), "entry_hash": sa.bindparam("b_digest")}
        op.get_bind().execute(statement.values(values), chained)


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
