"""When things became known: of events and item descriptions. What became of quarantined rows; erasure.

Of what has landed before, the moment of knowledge was not kept: its events count as known when they happened,
its descriptions as known from the beginning. That these batches told of a stretch of time is kept, though:
none can have landed before its last event, so `as_of` is set to that, and what a later batch adds before it
is late.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SAID = ("item_id", "batch_id", "title", "description", "categories", "attributes", "image_path",
         "audio_path", "available_at", "described_at")  # fmt: skip
_ADDED = {
    "batches": ("since_at", "as_of", "late", "event_key"),
    "events": ("known_at",),
    "quarantine": ("resolved_at", "resolved_batch_id", "resolution"),
    "snapshots": ("known_by", "num_left_out"),
}


def upgrade() -> None:
    op.add_column("batches", sa.Column("since_at", sa.BigInteger(), nullable=True))
    op.add_column("batches", sa.Column("as_of", sa.BigInteger(), nullable=True))
    op.add_column("batches", sa.Column("late", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("batches", sa.Column("event_key", sa.Text(), nullable=True))
    op.add_column("events", sa.Column("known_at", sa.BigInteger(), nullable=True))
    op.drop_index("events_in_time", table_name="events")
    op.create_index("events_in_time", "events", ["occurred_at", "batch_id", "known_at"], unique=False)
    op.add_column("quarantine", sa.Column("resolved_at", sa.BigInteger(), nullable=True))
    op.add_column("quarantine", sa.Column("resolved_batch_id", sa.BigInteger(), nullable=True))
    op.add_column("quarantine", sa.Column("resolution", sa.Text(), nullable=True))
    op.create_index("ix_quarantine_state", "quarantine", ["state"], unique=False)
    op.add_column("snapshots", sa.Column("known_by", sa.BigInteger(), nullable=True))
    op.add_column("snapshots", sa.Column("num_left_out", sa.BigInteger(), nullable=False, server_default="0"))
    _create_item_versions()
    _create_erasure()
    op.execute(
        "UPDATE batches SET as_of = (SELECT max(occurred_at) FROM events "
        "WHERE events.batch_id = batches.batch_id) WHERE state = 'landed'"
    )
    said = ", ".join(_SAID)
    op.execute(f"INSERT INTO item_versions ({said}, is_late) SELECT {said}, false FROM items")  # noqa: S608 - names of our own tables


def _create_item_versions() -> None:
    op.create_table(
        "item_versions",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("batch_id", _COUNTER, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in _SAID[2:8]),
        sa.Column("available_at", sa.BigInteger(), nullable=True),
        sa.Column("described_at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=True),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        sa.PrimaryKeyConstraint("item_id", "batch_id"),
    )
    op.create_index("ix_item_versions_batch_id", "item_versions", ["batch_id"], unique=False)


def _create_erasure() -> None:
    op.create_table(
        "superseded",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("successor", sa.String(length=64), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "erasures",
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_key"),
    )


def downgrade() -> None:
    for table in ("erasures", "superseded", "item_versions"):
        op.drop_table(table)
    op.drop_index("ix_quarantine_state", table_name="quarantine")
    op.drop_index("events_in_time", table_name="events")
    for table, columns in _ADDED.items():
        for column in columns:
            op.drop_column(table, column)
    op.create_index("events_in_time", "events", ["occurred_at", "batch_id"], unique=False)
