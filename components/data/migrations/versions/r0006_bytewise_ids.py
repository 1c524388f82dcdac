"""Ids sort by their bytes on PostgreSQL too, whatever the database's language: ties are broken alike everywhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_IDS = {
    "events": ("event_id", "user_id", "item_id"),
    "items": ("item_id",),
    "item_versions": ("item_id",),
    "recommendations": ("user_id", "item_id"),
}


def upgrade() -> None:
    _sort_by("C")


def downgrade() -> None:
    _sort_by("default")


def _sort_by(collation: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite compares bytes
    for table, columns in _IDS.items():
        for column in columns:
            op.alter_column(table, column, type_=sa.Text(collation=collation), existing_type=sa.Text())
