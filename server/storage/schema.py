"""The version of a database's tables: creates new ones, migrates older ones, refuses newer ones.

Alembic takes some 0.3 s to import, so it is loaded only for a migration. A new database is created
from `tables.py` with the newest version; a test checks that the migrations have the same result.
"""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy
from sqlalchemy import Column, Connection, MetaData, String, Table, insert, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from llm_agent_builder.errors import StoreError
from server.storage.tables import Base

HEAD = "0001"
"""The newest migration in `migrations/versions`."""
MIGRATIONS = Path(__file__).with_name("migrations")
VERSION_TABLE = "llm_agent_builder_schema"
"""Not Alembic's `alembic_version`: another application may use the same database."""
_VERSION = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), primary_key=True),
)
_ONE_AT_A_TIME = threading.Lock()
"""Alembic stores the running migration in module globals."""


def prepare_schema(connection: Connection) -> None:
    """Bring the tables up to date in the caller's transaction, which must exclude other writers.

    Raises:
        StoreError: a newer version of this program has changed the database, or its version can't
            be read.

    """
    ours = Base.metadata.tables.keys()
    has_table = sqlalchemy.inspect(connection).has_table
    existing = {name for name in (VERSION_TABLE, *ours) if has_table(name)}
    if VERSION_TABLE in existing:
        version = _read_version(connection)
        if version != HEAD:
            _migrate(connection, version)
        elif not ours <= existing:  # somebody has removed a table
            Base.metadata.create_all(connection)
    elif ours & existing:
        _migrate(connection, None)
    else:
        _create(connection)


def _read_version(connection: Connection) -> str:
    try:
        versions = connection.scalars(select(_VERSION.c.version_num).limit(2)).all()
    except (OperationalError, ProgrammingError):  # the column is missing
        versions = []
    if len(versions) != 1 or not versions[0]:
        raise StoreError(
            f"the run history can't be used: the table {VERSION_TABLE} of its database is damaged: "
            "restore a backup, or choose another database with AGENT_BUILDER_DATA_DIR or "
            "AGENT_BUILDER_DATABASE_URL"
        )
    return str(versions[0])


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
            "the run history can't be used: a newer LLM Agent Builder has changed the database "
            f"(schema {version[:32]!a}, this one supports up to {HEAD}): update this "
            "installation, or choose another database with AGENT_BUILDER_DATA_DIR or "
            "AGENT_BUILDER_DATABASE_URL"
        )
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
