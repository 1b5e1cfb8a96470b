"""The run history."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_agent_builder.errors import RunFileNotFoundError, RunNotFoundError, StoreError
from server.confine import MIB
from server.run_events import WrittenFile
from server.store import INTERRUPTED, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def add(store: Store, run_id: str) -> None:
    store.add_run(run_id, code="print(1)", task="x", backend="local")


def test_run_is_kept_with_its_events_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add(store, "a")
    store.add_events("a", [(1, "started", {}), (2, "output", {"text": "hi"})])
    store.end_run("a", {"status": "success", "returncode": 0})
    store.close()
    again = Store(tmp_path)
    assert again.run("a")["status"] == "success"
    assert again.events("a", after=1) == [(2, "output", {"text": "hi"})]
    again.close()


def test_runs_are_listed_newest_first_and_paged(store: Store) -> None:
    for number in range(5):
        add(store, f"run{number}")
    first = [row["id"] for row in store.runs(limit=2)]
    second = [row["id"] for row in store.runs(limit=2, before=first[-1])]
    assert first + second == ["run4", "run3", "run2", "run1"]


def test_oldest_runs_go_beyond_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(4):
        add(store, f"run{number}")
        store.add_events(f"run{number}", [(1, "started", {})])
        store.end_run(f"run{number}", {"status": "success"}, [WrittenFile("x", b"x")])
    assert [row["id"] for row in store.runs(limit=10)] == ["run3", "run2"]
    assert store.events("run0") == []
    with pytest.raises(RunNotFoundError):
        store.file("run0", "x")


def test_never_are_more_runs_kept_than_may_be_though_they_go_in_lots(tmp_path: Path) -> None:
    store = Store(tmp_path)
    counts = []
    for number in range(110):
        add(store, f"run{number}")
        store.end_run(f"run{number}", {"status": "success"})
        counts.append(len(store.runs(limit=200)))
    assert max(counts) == 100
    assert min(counts[100:]) == 98


def test_run_that_is_going_is_kept_beyond_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add(store, "going")
    add(store, "newer")
    assert {row["id"] for row in store.runs(limit=10)} == {"going", "newer"}


def test_run_that_a_stopped_server_left_open_gets_its_end(store: Store) -> None:
    add(store, "a")
    store.add_events("a", [(1, "started", {})])
    assert store.end_interrupted_runs() == 1
    assert store.run("a")["reason"] == INTERRUPTED
    assert store.events("a")[-1] == (2, "exit", {"status": "failed", "reason": INTERRUPTED})
    assert store.end_interrupted_runs() == 0


def test_files_that_a_run_left_are_kept_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add(store, "a")
    files = [WrittenFile("out/z.bin", b"\0\xff"), WrittenFile("a.txt", b"")]
    left_out = [{"reason": "hard links", "count": 2}]
    store.end_run("a", {"status": "success", "files_left_out": left_out}, files)
    store.close()
    again = Store(tmp_path)
    run = again.run("a")
    assert run["files"] == [
        {"name": "out/z.bin", "size": 2, "kept": True},
        {"name": "a.txt", "size": 0, "kept": True},
    ]
    assert run["files_left_out"] == left_out
    assert again.file("a", "out/z.bin") == b"\0\xff"
    assert again.file("a", "a.txt") == b""
    for name in ("z.bin", "", "out/../a.txt"):
        with pytest.raises(RunFileNotFoundError, match="no file"):
            again.file("a", name)
    again.close()


def test_contents_of_the_oldest_files_go_first(tmp_path: Path) -> None:
    store = Store(tmp_path, keep_files_mib=2)
    for name in ("old", "newer", "newest"):
        add(store, name)
        store.end_run(name, {"status": "success"}, [WrittenFile("x", bytes(MIB))])
    assert store.run("old")["files"] == [{"name": "x", "size": MIB, "kept": False}]
    with pytest.raises(RunFileNotFoundError, match="no longer kept"):
        store.file("old", "x")
    assert len(store.file("newer", "x")) == len(store.file("newest", "x")) == MIB


def test_database_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    store = Store(tmp_path)
    add(store, "before")
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as database:
        database.execute("DROP TABLE files")
        database.execute("ALTER TABLE runs DROP COLUMN files_left_out")
    for _ in range(2):
        store = Store(tmp_path)
        store.end_run("before", {"status": "success", "files_left_out": []})
        assert store.run("before")["files"] == []
        add(store, "after")
        store.end_run("after", {"status": "success"}, [WrittenFile("x", b"x")])
        assert store.file("after", "x") == b"x"
        with contextlib.closing(sqlite3.connect(tmp_path / "runs.sqlite3")) as database:
            database.execute("DELETE FROM files")
            database.execute("DELETE FROM runs WHERE id = 'after'")
            database.commit()
        store.close()


def test_text_that_no_database_takes_is_kept_escaped(store: Store) -> None:
    store.add_run("a", code="x = '\ud800'", task="a\0b", backend="local")
    assert store.run("a")["task"] == "a\\x00b"
    assert store.run("a")["code"] == "x = '\\ud800'"
    store.add_events("a", [(1, "output", {"text": "\ud800\0"})])
    assert store.events("a") == [(1, "output", {"text": "\ud800\0"})]


def test_unknown_run_is_an_error_of_its_own(store: Store) -> None:
    with pytest.raises(RunNotFoundError):
        store.run("nope")
    with pytest.raises(RunNotFoundError):
        store.runs(limit=1, before="nope")


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    Store(tmp_path / "data").close()
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "runs.sqlite3").stat().st_mode) == 0o600


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
