"""The ledger of alpha: what each challenger of a window may use, and what it was judged. Append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_REFUSAL = "alpha_ledger is append-only: alpha that was spent does not come back"

_SQLITE_TRIGGERS = [
    f"""CREATE TRIGGER alpha_ledger_no_{verb.lower()} BEFORE {verb} ON alpha_ledger
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"""
    for verb in ("UPDATE", "DELETE")
]

_POSTGRESQL_TRIGGERS = [
    f"""CREATE FUNCTION alpha_ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    """CREATE TRIGGER alpha_ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alpha_ledger
        FOR EACH STATEMENT EXECUTE FUNCTION alpha_ledger_refuse()""",
]


def upgrade() -> None:
    op.create_table(
        "alpha_ledger",
        sa.Column("id", _COUNTER, nullable=False),
        sa.Column("entry", sa.String(length=16), nullable=False),
        sa.Column("window_digest", sa.String(length=64), nullable=False),
        sa.Column("challenger_digest", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("alpha_one_sided", sa.Float(), nullable=False),
        sa.Column("profile", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("replay", sa.String(length=64), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("entry IN ('spent', 'judged')", name="known_entry"),
        sa.CheckConstraint(
            "(entry = 'judged') = (verdict IS NOT NULL AND replay IS NOT NULL)", name="only_what_was_judged"
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alpha_ledger_window_digest", "alpha_ledger", ["window_digest"], unique=False)
    triggers = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRESQL_TRIGGERS}
    for trigger in triggers[op.get_bind().dialect.name]:
        op.execute(trigger)


def downgrade() -> None:
    op.drop_table("alpha_ledger")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION alpha_ledger_refuse()")
