"""Alembic's entry: runs the revisions inside the write transaction that `warehouse` opened."""

from __future__ import annotations

from alembic import context

from components.data.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: a killed migration leaves nothing behind
)
with context.begin_transaction():
    context.run_migrations()
