"""Databases that are full, locked, read-only, deleted or silent: the errors and their delays."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_agent_builder.errors import StoreError
from server.storage.database_threads import DatabaseThreads
from server.storage.leases import Lease
from server.storage.records import Event, RunResult
from server.storage.store import Store
from tests.support.locked_database import locked
from tests.support.odd_disks import fill, mounted
from tests.support.postgres import Postgres


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store(tmp_path / "data")) as store:
        yield store


def add(store: Store, run_id: str = "a") -> None:
    store.add_run(run_id, code="", task="", backend="local")


async def until_read(threads: DatabaseThreads, store: Store) -> None:
    """Read the run "a" until the database responds."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreError):
                assert await threads.read(store.status, "a") == "queued"
                return


def test_locked_database_is_readable_and_a_failed_write_names_the_lock(
    store: Store, tmp_path: Path
) -> None:
    add(store)
    with locked(tmp_path / "data"):
        assert "another process has locked it" in (Lease(store.database).problem() or "")
        assert store.status("a") == "queued"
    add(store, "b")


def test_write_waits_for_one_that_another_process_makes(store: Store, tmp_path: Path) -> None:
    is_locked, may_end = threading.Event(), threading.Event()

    def other() -> None:
        with locked(tmp_path / "data"):
            is_locked.set()
            may_end.wait(20)

    thread = threading.Thread(target=other)
    thread.start()
    is_locked.wait(20)
    threading.Timer(0.2, may_end.set).start()
    add(store)
    thread.join()
    assert store.status("a") == "queued"


def test_read_before_a_write_never_makes_it_fail(store: Store) -> None:
    """A transaction that reads and then writes fails in SQLite if another one wrote in between."""

    def work(name: str) -> None:
        for number in range(30):
            add(store, f"{name}{number}")
            store.add_events(f"{name}{number}", [Event(1, "started", {})])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, "abcd"))
    assert len(store.runs(limit=200)) == 120
    assert {row.summary.status for row in store.runs(limit=200)} == {"running"}


def test_deleted_data_folder_is_reported_and_nothing_is_written_to_a_deleted_file(
    store: Store, tmp_path: Path
) -> None:
    add(store)
    shutil.rmtree(tmp_path / "data")
    for use in (lambda: add(store, "b"), lambda: store.status("a")):
        with pytest.raises(StoreError, match="was deleted or replaced while the server was"):
            use()


def test_file_that_is_damaged_under_a_server_is_an_error_of_ours(
    store: Store, tmp_path: Path
) -> None:
    for number in range(50):
        add(store, f"{number}")
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "runs.sqlite3")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "data" / "runs.sqlite3").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (os.path.getsize(file.name) - 4096))
    with (
        pytest.raises(StoreError, match="its file is damaged"),
        contextlib.closing(Store(tmp_path / "data")) as again,
    ):
        again.runs(limit=10)


def test_full_disk_is_reported_and_writes_resume_with_free_space(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "2m") as disk, contextlib.closing(Store(disk)) as store:
        add(store)
        event = Event(1, "output", {"text": "x" * 200_000})
        filler = fill(disk)
        with pytest.raises(StoreError, match="the disk is full: free some space"):
            store.add_events("a", [event])
        assert store.database.free_bytes() == 0
        filler.unlink()
        store.add_events("a", [event])
        assert store.events("a") == [event]


@pytest.mark.parametrize(
    ("folder", "url", "said"),
    [
        ("a file", None, "its folder is a file: choose another"),
        ("a file/below", None, "its file can't be opened"),
        ("data", "sqlite:////no/such/folder/runs.sqlite3", "its folder is missing: create it"),
        ("data", "postgresql://test@localhost:abc/runs", "AGENT_BUILDER_DATABASE_URL is not a URL"),
        ("data", "postgresql://test@no-such-host.invalid/runs", "its host is unknown"),
    ],
)
def test_unusable_database_is_an_error_with_a_remedy(
    tmp_path: Path, folder: str, url: str | None, said: str
) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreError, match=said):
        Store(tmp_path / folder, url)


def test_read_only_disk_is_reported_at_the_start(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "4m") as disk:
        with contextlib.closing(Store(disk)) as store:
            add(store)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(StoreError, match=r"[Rr]ead-?only"):
            Store(disk)


# ---------------------------------------------------------------- PostgreSQL


def test_database_server_that_was_started_again_is_used_again(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    with contextlib.closing(Store(tmp_path, own_postgres.database())) as store:
        add(store)
        own_postgres.stop()
        with pytest.raises(StoreError, match="its server does not respond"):
            store.status("a")
        own_postgres.start()
        assert store.status("a") == "queued"
        add(store, "b")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_database_that_can_not_hold_every_character_is_refused(
    shared_postgres: Postgres, tmp_path: Path, encoding: str
) -> None:
    url = shared_postgres.database(f"ENCODING '{encoding}' TEMPLATE template0")
    with pytest.raises(StoreError, match=f"has the encoding {encoding}.*createdb -E UTF8"):
        Store(tmp_path, url)


def test_runs_are_written_concurrently_with_any_default_isolation(
    shared_postgres: Postgres, tmp_path: Path
) -> None:
    url = shared_postgres.database(alter="SET default_transaction_isolation = 'serializable'")
    with contextlib.closing(Store(tmp_path, url)) as store:

        def whole(run_id: str) -> None:
            add(store, run_id)
            store.add_events(run_id, [Event(1, "started", {})])
            store.end_run(run_id, RunResult(status="success"), events=[Event(2, "exit", {})])

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(whole, map(str, range(60))))
        assert {row.summary.status for row in store.runs(limit=100)} == {"success"}


@pytest.mark.matrix
def test_connection_that_hangs_before_it_is_used_is_replaced(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    with contextlib.closing(Store(tmp_path, own_postgres.database())) as store:
        threads = DatabaseThreads(store.database)
        add(store)
        with store.database.reading() as session:
            asked = session.connection().exec_driver_sql("SELECT pg_backend_pid()")
            backend = int(asked.scalar_one())

        async def calls() -> None:
            with pytest.raises(StoreError, match="did not respond"):
                await threads.read(store.status, "a")
            await until_read(threads, store)

        os.kill(backend, signal.SIGSTOP)  # the one connection of the pool; others go on
        try:
            asyncio.run(calls())
        finally:
            os.kill(backend, signal.SIGCONT)
            threads.close()


def test_silent_database_delays_no_one_for_long_and_is_used_again(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    with contextlib.closing(Store(tmp_path, own_postgres.database())) as store:
        threads = DatabaseThreads(store.database)

        async def calls() -> None:
            await threads.write(add, store)
            own_postgres.signal(signal.SIGSTOP)
            with pytest.raises(StoreError, match="did not respond"):
                await threads.probe(lambda: store.status("a"))
            failed = await asyncio.gather(
                *(threads.read(store.status, "a") for _ in range(8)), return_exceptions=True
            )
            assert all(isinstance(error, StoreError) for error in failed), failed
            own_postgres.signal(signal.SIGCONT)
            await until_read(threads, store)

        try:
            asyncio.run(calls())
        finally:
            own_postgres.signal(signal.SIGCONT)
            threads.close()


@pytest.mark.matrix
def test_threads_of_a_silent_database_end_though_it_stays_silent(
    own_postgres: Postgres, tmp_path: Path
) -> None:
    with contextlib.closing(Store(tmp_path, own_postgres.database())) as store:
        threads = DatabaseThreads(store.database)
        answers: list[object] = []

        def ask() -> None:
            try:
                with store.database.reading() as session:
                    session.connection().exec_driver_sql("SELECT 1")
                    own_postgres.signal(signal.SIGSTOP)
                    session.connection().exec_driver_sql("SELECT 1")
            except StoreError as error:
                answers.append(error)

        async def calls() -> None:
            with pytest.raises(StoreError, match="did not respond"):
                await threads.read(ask)
            async with asyncio.timeout(30):
                while not answers:
                    await asyncio.sleep(0.05)

        try:
            asyncio.run(calls())
        finally:
            own_postgres.signal(signal.SIGCONT)
            threads.close()


def test_connection_in_use_while_the_database_closes_is_closed_afterwards(
    tmp_path: Path, database_url: str
) -> None:
    database = Store(tmp_path, database_url).database
    with database.engine.connect() as connection:
        used = connection.connection.dbapi_connection
        assert used is not None
        database.close()
        used.cursor().execute("SELECT 1")
    with pytest.raises(Exception, match="closed"):
        used.cursor().execute("SELECT 1")
