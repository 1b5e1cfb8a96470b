"""The version of a database: new, current, older, newer, and opened by two servers at once."""

from __future__ import annotations

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from llm_agent_builder.errors import StoreError
from server.isolation.events import WrittenFile
from server.storage.records import RunResult
from server.storage.schema import HEAD, MIGRATIONS, VERSION_TABLE
from server.storage.store import Store
from server.storage.tables import Base
from tests.support.serving import bare_environment, command

BEFORE_ALEMBIC = (f"DROP TABLE {VERSION_TABLE}",)
"""Turns a current database into one of the last version without migrations."""
FIRST_VERSION = (
    *BEFORE_ALEMBIC,
    "DROP TABLE files",
    "DROP TABLE servers",
    "DROP TABLE spend",
    "ALTER TABLE runs DROP COLUMN files_left_out",
    "ALTER TABLE runs DROP COLUMN server_id",
    "ALTER TABLE runs DROP COLUMN cancel_asked",
)


def change(folder: Path, url: str | None, *statements: str) -> None:
    """Create a database with one run, and change it with SQL."""
    with contextlib.closing(Store(folder, url)) as store:
        store.add_run("before", code="print(1)", task="x", backend="local")
        with store.database.writing() as connection:
            for statement in statements:
                connection.execute(text(statement))


def version(store: Store) -> list[str]:
    with store.database.reading() as session:
        return list(session.scalars(text(f"SELECT version_num FROM {VERSION_TABLE}")))


def differences(store: Store) -> list[object]:
    """Return what distinguishes a database from `tables.py`."""
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        return list(compare_metadata(context, Base.metadata))


def test_newest_migration_is_the_version_that_new_databases_get() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_new_database_has_the_newest_version(tmp_path: Path, database_url: str) -> None:
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        assert version(store) == [HEAD]
        assert differences(store) == []


@pytest.mark.parametrize("statements", [BEFORE_ALEMBIC, FIRST_VERSION])
def test_database_without_a_version_is_migrated_and_keeps_its_runs(
    tmp_path: Path, database_url: str, statements: tuple[str, ...]
) -> None:
    change(tmp_path, database_url, *statements)
    for _ in range(2):
        with contextlib.closing(Store(tmp_path, database_url)) as store:
            assert version(store) == [HEAD]
            assert differences(store) == []
            assert store.run("before").task == "x"
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        ended = RunResult(status="success")
        store.end_run("before", ended, [WrittenFile("x", b"x")])
        assert store.file("before", "x") == b"x"


def test_migrations_alone_make_the_tables_of_today(tmp_path: Path, database_url: str) -> None:
    drops = [f"DROP TABLE {name}" for name in ("files", "events", "cassettes", "servers", "runs")]
    change(tmp_path, database_url, *BEFORE_ALEMBIC, *drops)  # `spend` is left: it isn't a new one
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        assert version(store) == [HEAD]
        assert differences(store) == []


def test_database_of_a_newer_version_is_refused_and_left_as_it_is(
    tmp_path: Path, database_url: str
) -> None:
    newer = f"UPDATE {VERSION_TABLE} SET version_num = '9999'"
    change(tmp_path, database_url, newer, "ALTER TABLE runs ADD COLUMN of_tomorrow TEXT")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"schema '9999'.*up to {HEAD}.*: update this"):
            Store(tmp_path, database_url)


@pytest.mark.parametrize(
    "damage",
    [
        f"DELETE FROM {VERSION_TABLE}",
        f"INSERT INTO {VERSION_TABLE} VALUES ('0002')",
        f"UPDATE {VERSION_TABLE} SET version_num = ''",
        f"ALTER TABLE {VERSION_TABLE} RENAME COLUMN version_num TO version",
    ],
    ids=["none", "two", "empty", "another column"],
)
def test_damaged_version_is_refused_with_advice(
    tmp_path: Path, database_url: str, damage: str
) -> None:
    change(tmp_path, database_url, damage)
    with pytest.raises(StoreError, match=f"the table {VERSION_TABLE} .* is damaged: restore a"):
        Store(tmp_path, database_url)


def test_version_of_another_application_is_left_alone(tmp_path: Path, database_url: str) -> None:
    theirs = "CREATE TABLE alembic_version (version_num VARCHAR(32))"
    change(tmp_path, database_url, theirs, "INSERT INTO alembic_version VALUES ('ae1027a6acf')")
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        assert version(store) == [HEAD]
        with store.database.reading() as session:
            assert session.scalar(text("SELECT version_num FROM alembic_version")) == "ae1027a6acf"


def test_removed_table_is_created_again(tmp_path: Path, database_url: str) -> None:
    change(tmp_path, database_url, "DROP TABLE events", "DROP TABLE spend")
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        assert differences(store) == []
        assert store.status("before") == "queued"


def test_database_is_migrated_once_by_servers_that_start_at_the_same_time(
    tmp_path: Path, database_url: str
) -> None:
    change(tmp_path, database_url, *FIRST_VERSION)
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(lambda _: Store(tmp_path, database_url), range(4)))
    for number, store in enumerate(stores):
        assert version(store) == [HEAD]
        store.add_run(f"{number}", code="", task="", backend="local")
        store.close()


def opened_elsewhere(folder: Path, url: str | None) -> subprocess.Popen[str]:
    """Open a database in a new process, which prints whether it has loaded Alembic."""
    program = (
        "import sys; from pathlib import Path; from server.storage.store import Store; "
        f"Store(Path({str(folder)!r}), {url!r}).close(); print('alembic' in sys.modules)"
    )
    return subprocess.Popen(
        [command()[0], "-c", program],
        env=bare_environment(folder, PYTHONPATH=str(Path(__file__).parents[3])),
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.matrix(keep=1)
def test_database_is_migrated_once_by_processes_that_start_at_the_same_time(
    tmp_path: Path, database_url: str
) -> None:
    change(tmp_path, database_url, *FIRST_VERSION)
    servers = [opened_elsewhere(tmp_path, database_url) for _ in range(2)]
    for server in servers:
        server.communicate(timeout=60)
        assert server.returncode == 0
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        assert version(store) == [HEAD]
        assert store.status("before") == "queued"


@pytest.mark.matrix
def test_alembic_is_loaded_only_where_a_database_has_to_be_migrated(tmp_path: Path) -> None:
    def says() -> str:
        with opened_elsewhere(tmp_path, None) as process:
            return process.communicate(timeout=60)[0].strip()

    assert [says(), says()] == ["False", "False"]  # a new one, and one of today
    change(tmp_path, None, *BEFORE_ALEMBIC)
    assert [says(), says()] == ["True", "False"]
