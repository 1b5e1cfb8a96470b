"""The run history."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from llm_agent_builder.errors import RunNotFoundError, StoreError
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
    store.update_run("a", status="success", returncode=0)
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
    store = Store(tmp_path, keep_runs=2)
    for number in range(4):
        add(store, f"run{number}")
        store.add_events(f"run{number}", [(1, "started", {})])
        store.update_run(f"run{number}", status="success")
    assert [row["id"] for row in store.runs(limit=10)] == ["run3", "run2"]
    assert store.events("run0") == []


def test_run_that_is_going_is_kept_beyond_the_limit(tmp_path: Path) -> None:
    store = Store(tmp_path, keep_runs=1)
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


def test_folder_that_can_not_be_made_is_our_failure_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be used"):
        Store(tmp_path / "file" / "data")


def test_database_that_is_broken_is_our_failure(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite3").write_bytes(b"this is not a database, not at all" * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(tmp_path)
