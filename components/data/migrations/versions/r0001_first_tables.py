"""The first tables, and the triggers that keep the promotion ledger append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_REFUSAL = "promotions is append-only: write a rollback entry instead"

_SQLITE_TRIGGERS = [
    f"""CREATE TRIGGER promotions_no_{verb.lower()} BEFORE {verb} ON promotions
        BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"""
    for verb in ("UPDATE", "DELETE")
]

_POSTGRESQL_TRIGGERS = [
    f"""CREATE FUNCTION promotions_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    """CREATE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON promotions
        FOR EACH STATEMENT EXECUTE FUNCTION promotions_refuse()""",
]


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", _COUNTER, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("items_received", sa.Integer(), nullable=False),
        sa.Column("items_new", sa.Integer(), nullable=False),
        sa.Column("items_updated", sa.Integer(), nullable=False),
        sa.Column("items_unchanged", sa.Integer(), nullable=False),
        sa.Column("items_quarantined", sa.Integer(), nullable=False),
        sa.Column("data_docs", sa.Text(), nullable=False),
        sa.Column("landed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state <> 'landed' OR accepted + quarantined + duplicates = received", name="no_event_is_lost"
        ),
        sa.CheckConstraint(
            "state <> 'landed' OR "
            "items_new + items_updated + items_unchanged + items_quarantined = items_received",
            name="no_item_is_lost",
        ),
        sa.PrimaryKeyConstraint("batch_id"),
        sa.UniqueConstraint("digest", "state", name="one_landing_a_digest"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "cycles",
        sa.Column("cycle_id", sa.Text(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("train_cutoff", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cycle_id"),
    )
    op.create_index("ix_cycles_as_of", "cycles", ["as_of"], unique=False)
    op.create_table(
        "day_partitions",
        sa.Column("from_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("num_rows", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_batch_id", _COUNTER, autoincrement=False, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("from_at", "until_at", "num_rows", "last_batch_id"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", _COUNTER, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("previous_version", sa.Text(), nullable=True),
        sa.Column("expected_version", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('promote', 'rollback')", name="known_action"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promotions_model", "promotions", ["model"], unique=False)
    op.create_table(
        "recommendations",
        sa.Column("id", _COUNTER, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("served_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("recommendations_of_user", "recommendations", ["user_id", "served_at"], unique=False)
    op.create_table(
        "snapshots",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("start_at", sa.BigInteger(), nullable=True),
        sa.Column("end_at", sa.BigInteger(), nullable=False),
        sa.Column("watermark", _COUNTER, nullable=False),
        sa.Column("num_events", sa.BigInteger(), nullable=False),
        sa.Column("num_users", sa.BigInteger(), nullable=False),
        sa.Column("num_items", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "stage_journal",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("peak_mb", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_stage_journal_run", "stage_journal", ["run"], unique=False)
    op.create_table(
        "events",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("payload_hash", sa.String(length=64), nullable=False),
        sa.Column("batch_id", _COUNTER, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.batch_id"],
        ),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index("events_in_time", "events", ["occurred_at", "batch_id"], unique=False)
    op.create_index("events_of_item", "events", ["item_id", "occurred_at"], unique=False)
    op.create_index("events_of_user", "events", ["user_id", "occurred_at"], unique=False)
    op.create_index("ix_events_batch_id", "events", ["batch_id"], unique=False)
    op.create_table(
        "items",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("categories", sa.Text(), nullable=True),
        sa.Column("attributes", sa.Text(), nullable=True),
        sa.Column("image_path", sa.Text(), nullable=True),
        sa.Column("audio_path", sa.Text(), nullable=True),
        sa.Column("available_at", sa.BigInteger(), nullable=True),
        sa.Column("described_at", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", _COUNTER, nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.batch_id"],
        ),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_index("ix_items_batch_id", "items", ["batch_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", _COUNTER, nullable=False),
        sa.Column("batch_id", _COUNTER, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source_row", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["batches.batch_id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quarantine_batch_id", "quarantine", ["batch_id"], unique=False)

    triggers = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRESQL_TRIGGERS}
    for trigger in triggers[op.get_bind().dialect.name]:
        op.execute(trigger)


def downgrade() -> None:
    for table in (
        "recommendations", "cycles", "promotions", "leases", "stage_journal", "snapshots",
        "day_partitions", "quarantine", "items", "events", "batches",
    ):  # fmt: skip
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION promotions_refuse()")
