"""Runs the migrations on the connection that `server/storage/schema.py` passes in."""

from __future__ import annotations

from alembic import context

from server.storage.schema import VERSION_TABLE
from server.storage.tables import Base


def _migrate() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise SystemExit(
            "Start the server to migrate its database; it can't be migrated in another way."
        )
    is_sqlite = connection.dialect.name == "sqlite"  # where ALTER TABLE can do little
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=is_sqlite,
        version_table=VERSION_TABLE,
    )
    with context.begin_transaction():
        context.run_migrations()


_migrate()
