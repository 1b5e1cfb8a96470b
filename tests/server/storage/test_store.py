"""The run history."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select

from llm_agent_builder.errors import RunFileNotFoundError, RunNotFoundError, StoreError
from server.isolation.events import LeftOut, WrittenFile
from server.limits import MIB
from server.storage.pruning import Pruning
from server.storage.records import Event, FileEntry, RunResult
from server.storage.store import Store
from server.storage.tables import RunRow
from tests.support.postgres import Postgres


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Iterator[Store]:
    """Return a history in SQLite, and then one in PostgreSQL."""
    with contextlib.closing(Store(tmp_path / "data", database_url)) as store:
        yield store


def add(store: Store, run_id: str, server_id: str | None = None) -> None:
    store.add_run(run_id, code="print(1)", task="x", backend="local", server_id=server_id)


def prune(store: Store, *, keep_runs: int = 1000, keep_files_mib: int = 512) -> None:
    pruning = Pruning(store.database, keep_runs=keep_runs, keep_files_mib=keep_files_mib)
    while pruning.step():
        pass


EXIT = Event(3, "exit", {"status": "success"})


def test_run_is_stored_with_its_events_in_order(tmp_path: Path, database_url: str) -> None:
    with contextlib.closing(Store(tmp_path, database_url)) as store:
        add(store, "a")
        store.add_events("a", [Event(1, "started", {}), Event(2, "output", {"text": "hi"})])
        store.end_run("a", RunResult(status="success", returncode=0), events=[EXIT])
    with contextlib.closing(Store(tmp_path, database_url)) as again:
        assert again.run("a").status == "success"
        assert again.events("a", after=1) == [Event(2, "output", {"text": "hi"}), EXIT]


def test_repeated_writes_have_the_effect_of_one(store: Store) -> None:
    add(store, "a")
    events = [Event(1, "started", {}), Event(2, "output", {"text": "hi"})]
    for _ in range(2):
        store.add_events("a", events[:1])
        store.add_events("a", events)
    for _ in range(2):
        files = [WrittenFile("x", b"x")]
        store.end_run("a", RunResult(status="success"), files, [*events, EXIT], '{"calls": []}')
    assert store.events("a") == [*events, EXIT]
    assert [file.name for file in store.run("a").files] == ["x"]
    assert store.cassette("a") == '{"calls": []}'


def test_late_events_leave_an_end_as_it_is(store: Store) -> None:
    add(store, "a")
    store.end_run(
        "a", RunResult(status="success"), events=[Event(1, "started", {}), EXIT._replace(seq=2)]
    )
    store.add_events("a", [Event(1, "started", {})])
    assert store.run("a").status == "success"


def test_run_is_running_in_the_database_once_it_has_events(store: Store) -> None:
    add(store, "a")
    assert store.run("a").status == "queued"
    store.add_events("a", [Event(1, "started", {})])
    assert store.run("a").status == store.runs(limit=1)[0].summary.status == "running"


def test_end_of_an_agent_that_stopped_early_is_known_without_its_event(store: Store) -> None:
    add(store, "early")
    store.end_run("early", RunResult(status="error", returncode=3))
    add(store, "failed")
    store.end_run("failed", RunResult(status="error", returncode=1))
    assert [store.events(run)[-1].data.get("stopped_early") for run in ("early", "failed")] == [
        True,
        None,
    ]


def test_end_that_an_earlier_version_stored_says_whether_the_agent_stopped_early(
    store: Store,
) -> None:
    for run, code in (("early", 3), ("failed", 1)):
        add(store, run)
        stored = Event(1, "exit", {"status": "error", "returncode": code})
        store.end_run(run, RunResult(status="error", returncode=code), events=[stored])
    ends = [store.events(run)[-1].data.get("stopped_early") for run in ("early", "failed")]
    assert ends == [True, None]


def test_writing_the_end_of_a_deleted_run_is_not_an_error(store: Store) -> None:
    store.end_run(
        "gone", RunResult(status="success"), [WrittenFile("x", b"x")], [EXIT], '{"calls": []}'
    )
    store.add_events("gone", [Event(1, "started", {})])
    with pytest.raises(RunNotFoundError):
        store.run("gone")


def test_runs_are_listed_newest_first_and_paged(store: Store) -> None:
    for number in range(5):
        add(store, f"run{number}")
    first = [row.summary.id for row in store.runs(limit=2)]
    second = [row.summary.id for row in store.runs(limit=2, before=first[-1])]
    assert first + second == ["run4", "run3", "run2", "run1"]


def test_oldest_runs_go_beyond_the_limit(store: Store) -> None:
    for number in range(4):
        add(store, f"run{number}")
        store.add_events(f"run{number}", [Event(1, "started", {})])
        store.end_run(f"run{number}", RunResult(status="success"), [WrittenFile("x", b"x")])
    prune(store, keep_runs=2)
    assert [row.summary.id for row in store.runs(limit=10)] == ["run3", "run2"]
    assert store.events("run0") == []
    with pytest.raises(RunNotFoundError):
        store.file("run0", "x")


def test_large_history_is_cut_down_in_short_steps(store: Store) -> None:
    for number in range(30):
        add(store, f"run{number:02}")
        store.end_run(f"run{number:02}", RunResult(status="success"))
    pruning = Pruning(store.database, keep_runs=10, keep_files_mib=1)
    counts = []
    while pruning.step(at_once=7):
        counts.append(len(store.runs(limit=200)))
    assert counts == [23, 16, 10]
    assert store.runs(limit=200)[-1].summary.id == "run20"


def test_open_run_of_any_server_is_not_pruned(store: Store) -> None:
    add(store, "going", "one")
    add(store, "others", "another")
    add(store, "newer")
    store.end_run("newer", RunResult(status="success"))
    prune(store, keep_runs=1)
    assert {row.summary.id for row in store.runs(limit=10)} == {"going", "others"}


def test_servers_that_prune_at_once_remove_each_run_once(store: Store, tmp_path: Path) -> None:
    for number in range(60):
        add(store, f"run{number:02}")
        store.end_run(f"run{number:02}", RunResult(status="success"), events=[EXIT._replace(seq=1)])
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: prune(store, keep_runs=10), range(4)))
    assert len(store.runs(limit=100)) == 10


def test_runs_removed_between_two_statements_of_a_prune_are_not_counted_again(
    store: Store,
) -> None:
    for number in range(6):
        add(store, f"run{number}")
        store.end_run(f"run{number}", RunResult(status="success"))
    statements = []

    @event.listens_for(store.database.engine, "after_cursor_execute")
    def prune_elsewhere(_connection: object, _cursor: object, text: str, *_: object) -> None:
        statements.append(text)
        if len(statements) == 1:  # only the first one: this prune has statements too
            prune(store, keep_runs=4)

    prune(store, keep_runs=4)
    assert len(statements) > 4
    assert [row.summary.id for row in store.runs(limit=10)] == ["run5", "run4", "run3", "run2"]


def test_reading_transaction_sees_one_state_during_writes(
    store: Store,
) -> None:
    add(store, "first")
    with store.database.reading() as session:
        assert session.scalars(select(RunRow.id)).all() == ["first"]
        add(store, "second")
        assert session.scalars(select(RunRow.id)).all() == ["first"]
    assert {row.summary.id for row in store.runs(limit=10)} == {"first", "second"}


def test_written_files_are_stored_with_their_run(tmp_path: Path, database_url: str) -> None:
    store = Store(tmp_path, database_url)
    add(store, "a")
    files = [WrittenFile("out/z.bin", b"\0\xff"), WrittenFile("a.txt", b"")]
    left_out = (LeftOut("hard links", 2),)
    store.end_run("a", RunResult(status="success", files_left_out=left_out), files)
    store.close()
    again = Store(tmp_path, database_url)
    run = again.run("a")
    assert run.files == (FileEntry("out/z.bin", 2, kept=True), FileEntry("a.txt", 0, kept=True))
    assert run.files_left_out == left_out
    assert again.file("a", "out/z.bin") == b"\0\xff"
    assert again.file("a", "a.txt") == b""
    for name in ("z.bin", "", "out/../a.txt"):
        with pytest.raises(RunFileNotFoundError, match="no file"):
            again.file("a", name)
    again.close()


def test_contents_of_the_oldest_files_go_first(store: Store) -> None:
    for name in ("old", "newer", "newest"):
        add(store, name)
        store.end_run(name, RunResult(status="success"), [WrittenFile("x", bytes(MIB))])
    prune(store, keep_files_mib=2)
    assert store.run("old").files == (FileEntry("x", MIB, kept=False),)
    with pytest.raises(RunFileNotFoundError, match="was deleted"):
        store.file("old", "x")
    assert len(store.file("newer", "x")) == len(store.file("newest", "x")) == MIB


def test_unstorable_text_is_stored_escaped(store: Store) -> None:
    store.add_run("a", code="x = '\ud800'", task="a\0b", backend="local")
    assert store.run("a").task == "a\\x00b"
    assert store.run("a").code == "x = '\\ud800'"
    store.add_events("a", [Event(1, "output", {"text": "\ud800\0"})])
    assert store.events("a") == [Event(1, "output", {"text": "\ud800\0"})]
    store.end_run("a", RunResult(status="error", reason="b\0"), [WrittenFile("\ud800", b"x")])
    assert store.run("a").reason == "b\\x00"
    assert store.file("a", "\ud800") == b"x"


def test_unknown_run_has_its_own_error(store: Store) -> None:
    for odd in ("nope", "\0", "\ud800", "x" * 5000):
        with pytest.raises(RunNotFoundError):
            store.run(odd)
    with pytest.raises(RunNotFoundError):
        store.runs(limit=1, before="nope")


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    Store(tmp_path / "data").close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    store = Store(tmp_path / "data")
    add(store, "a")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}
    assert modes == dict.fromkeys(("runs.sqlite3", "runs.sqlite3-wal", "runs.sqlite3-shm"), 0o600)
    store.close()


def open_files(folder: Path) -> int:
    """Return how many descriptors of this process are open on files below `folder`."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one by which they are listed
            found += os.readlink(entry).startswith(f"{folder}/")
    return found


def test_database_is_open_as_often_before_the_first_run_as_after_many_at_once(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path)
    before = open_files(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add(store, f"{number}"), range(50)))
    assert open_files(tmp_path) == before > 1
    store.close()
    assert open_files(tmp_path) == 0


def test_folder_that_can_not_be_made_is_our_failure_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be used"):
        Store(tmp_path / "file" / "data")


def test_database_that_is_broken_is_our_failure(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite3").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://user:hidden-word@host/name", "mysql is not supported"),
        ("hidden-word", "is not a URL"),
        ("sqlite://", "names no file"),
        ("postgresql://user:hidden-word@127.0.0.1:1/name", "its server does not respond"),
    ],
)
def test_url_that_can_not_be_used_is_our_failure_and_its_password_is_not_shown(
    tmp_path: Path, url: str, said: str
) -> None:
    with pytest.raises(StoreError, match=said) as raised:
        Store(tmp_path, url)
    assert "hidden-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("user", "name", "said"),
    [
        ("test", "missing", 'database "missing" does not exist; create the database (createdb)'),
        ("nobody-here", "postgres", 'role "nobody-here" does not exist; check AGENT_BUILDER_'),
        ("pg_monitor", "postgres", 'role "pg_monitor" is not permitted to log in; check'),
    ],
)
def test_refusal_by_a_database_server_is_reported(
    shared_postgres: Postgres, tmp_path: Path, user: str, name: str, said: str
) -> None:
    place = shared_postgres.database().partition("?")[2]
    with pytest.raises(StoreError) as raised:
        Store(tmp_path, f"postgresql://{user}:hidden-word@/{name}?{place}")
    assert f"the server refused: {said}" in str(raised.value)
    assert "does not respond" not in str(raised.value)
    assert "hidden-word" not in str(raised.value)


def test_missing_driver_is_named_with_the_extra_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as where it is not installed
    with pytest.raises(StoreError, match=r"psycopg is not installed.*pip install -e '\.\[postgres"):
        Store(tmp_path, "postgresql://user@host/name")


def test_tables_are_made_once_by_servers_that_start_at_the_same_time(
    tmp_path: Path, database_url: str
) -> None:
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: Store(tmp_path, database_url), range(6)))
    for number, store in enumerate(stores):
        add(store, f"{number}")
        store.close()
