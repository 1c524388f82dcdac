"""Lists by the run that scored them, and which run's lists are served.

A list that was noted before becomes a run of its own, as one that was made when it was asked for.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.drop_index("recommendations_of_user", table_name="recommendations")
    op.rename_table("recommendations", "recommendations_before")
    op.create_table(
        "recommendation_runs",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("feature_set", sa.String(length=64), nullable=False),
        sa.Column("is_batch", sa.Boolean(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run"),
    )
    op.create_index(
        "ix_recommendation_runs_model_version", "recommendation_runs", ["model_version"], unique=False
    )
    op.create_table(
        "recommendations",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("features_as_of", sa.BigInteger(), nullable=True),
        sa.Column("scored_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["recommendation_runs.run"]),
        sa.PrimaryKeyConstraint("run", "user_id", "rank", name="recommendations_by_run"),
        sqlite_with_rowid=False,
    )
    op.create_index("recommendations_of_user", "recommendations", ["user_id", "scored_at"], unique=False)
    op.create_table(
        "served_runs",
        sa.Column("id", _COUNTER, nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('publish', 'restore')", name="known_serving"),
        sa.ForeignKeyConstraint(["run"], ["recommendation_runs.run"]),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO recommendation_runs (run, model_version, bundle, feature_set, is_batch, begun_at) "
        "SELECT 'asked-' || CAST(min(id) AS TEXT), min(model_version), '', '', false, served_at "
        "FROM recommendations_before GROUP BY served_at, user_id"
    )
    op.execute(
        "INSERT INTO recommendations (run, user_id, rank, item_id, score, model_version, scored_at) "
        "SELECT 'asked-' || CAST(min(id) OVER (PARTITION BY served_at, user_id) AS TEXT), "
        "user_id, rank, item_id, score, model_version, served_at FROM recommendations_before "
        "WHERE id IN (SELECT min(id) FROM recommendations_before GROUP BY served_at, user_id, rank)"
    )
    op.drop_table("recommendations_before")


def downgrade() -> None:
    op.drop_table("served_runs")
    op.drop_index("recommendations_of_user", table_name="recommendations")
    op.rename_table("recommendations", "recommendations_after")
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
    op.execute(
        "INSERT INTO recommendations (user_id, item_id, rank, score, model_version, served_at) "
        "SELECT user_id, item_id, rank, score, model_version, scored_at FROM recommendations_after"
    )
    op.drop_table("recommendations_after")
    op.drop_table("recommendation_runs")
