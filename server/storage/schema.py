"""The version of a database's tables: creates new ones, migrates older ones, refuses newer ones.

Alembic takes some 0.3 s to import, so it is loaded only for a migration. A new database is created
from `tables.py` with the newest version; a test checks that the migrations have the same result.
"""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select

from llm_agent_builder.errors import StoreError
from server.storage.tables import Base

HEAD = "0001"
"""The newest migration in `migrations/versions`."""
MIGRATIONS = Path(__file__).with_name("migrations")
_VERSION = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), primary_key=True),
)
_ONE_AT_A_TIME = threading.Lock()
"""Alembic stores the running migration in module globals."""


def prepare_schema(connection: Connection) -> None:
    """Bring the tables up to date in the caller's transaction, which must exclude other writers.

    Raises:
        StoreError: a newer version of this program has changed the database.

    """
    existing = sqlalchemy.inspect(connection)
    if existing.has_table(_VERSION.name):
        version = connection.scalar(select(_VERSION.c.version_num))
        if version != HEAD:
            _migrate(connection, version)
    elif any(existing.has_table(name) for name in Base.metadata.tables):
        _migrate(connection, None)
    else:
        _create(connection)


def _create(connection: Connection) -> None:
    Base.metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=HEAD))


def _migrate(connection: Connection, version: str | None) -> None:
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    # configparser would interpret a per cent sign in the path.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"the run history can't be used: a newer LLM Agent Builder has changed the database "
            f"(schema {version}, this one supports up to {HEAD}): update this installation, or "
            "choose another database with AGENT_BUILDER_DATA_DIR or AGENT_BUILDER_DATABASE_URL"
        )
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
