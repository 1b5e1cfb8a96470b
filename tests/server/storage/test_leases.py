"""Leases: which servers are alive, and which runs are ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from server.runs.heartbeat import Heartbeat
from server.storage.database_threads import DatabaseThreads
from server.storage.leases import MAX_MISSED_BEATS, Lease
from server.storage.pruning import Pruning
from server.storage.records import Event, RunResult
from server.storage.server_identity import ServerProcess
from server.storage.store import INTERRUPTED, LOST, Store
from tests.support.serving import wait_until

EXIT = Event(3, "exit", {"status": "success"})


@pytest.fixture
def store(tmp_path: Path, database_url: str) -> Iterator[Store]:
    with contextlib.closing(Store(tmp_path / "data", database_url)) as store:
        yield store


def server(store: Store, *runs: str) -> Lease:
    """Return a started server with open runs."""
    lease = Lease(store.database)
    lease.begin()
    for run_id in runs:
        store.add_run(run_id, code="", task="", backend="local", server_id=lease.id)
        store.add_events(run_id, [Event(1, "started", {})])
    return lease


def look(lease: Lease, times: int) -> int:
    return sum(lease.end_lost() for _ in range(times))


def test_start_of_a_server_ends_no_run_of_another(store: Store) -> None:
    server(store, "a")
    server(store, "b")
    assert [store.status(run_id) for run_id in "ab"] == ["running", "running"]


def test_server_without_a_heartbeat_loses_its_lease_after_six_of_the_others(store: Store) -> None:
    server(store, "a", "second")
    other = server(store, "b")
    assert look(other, MAX_MISSED_BEATS) == 0
    assert look(other, 1) == 2
    assert store.run("a").reason == INTERRUPTED
    assert store.events("a")[-1] == Event(
        2, "exit", {"status": "failed", "reason": INTERRUPTED, "interrupted": True}
    )
    assert store.events("a", after=2) == []
    assert store.status("b") == "running"
    assert look(other, 2 * MAX_MISSED_BEATS) == 0


def test_server_with_heartbeats_keeps_its_runs(store: Store) -> None:
    first, second, third = server(store, "a"), server(store, "b"), server(store, "c")
    for _ in range(3 * MAX_MISSED_BEATS):
        assert [each.end_lost() for each in (first, second, third)] == [0, 0, 0]
        for lease, run_id in ((first, "a"), (second, "b"), (third, "c")):
            lease.beat({run_id: "running"})


def test_looks_before_a_failed_heartbeat_of_ones_own_do_not_count(store: Store) -> None:
    server(store, "a")
    other = server(store)
    assert look(other, MAX_MISSED_BEATS) == 0
    other.reset_observations()
    assert look(other, MAX_MISSED_BEATS) == 0
    assert look(other, 1) == 1


def test_resumed_server_reclaims_its_runs_and_writes_their_results(store: Store) -> None:
    stopped = server(store, "a", "b")
    other = server(store)
    assert look(other, MAX_MISSED_BEATS + 1) == 2
    stopped.beat({"a": "running", "b": "running"})
    assert [store.status(run_id) for run_id in "ab"] == ["running", "running"]
    assert store.run("a").reason is None
    assert look(other, MAX_MISSED_BEATS) == 0  # it has a lease again
    store.end_run(
        "a", RunResult(status="success"), events=[Event(2, "output", {"text": "hi"}), EXIT]
    )
    assert store.run("a").status == "success"
    assert store.events("a") == [Event(1, "started", {}), Event(2, "output", {"text": "hi"}), EXIT]


def test_run_that_ends_before_the_next_heartbeat_has_its_result(store: Store) -> None:
    stopped = server(store, "a")
    look(server(store), MAX_MISSED_BEATS + 1)
    store.end_run("a", RunResult(status="success"), events=[EXIT._replace(seq=2)])
    stopped.beat({})
    assert (store.run("a").status, store.run("a").reason) == ("success", None)
    assert store.events("a")[-1] == EXIT._replace(seq=2)


def test_run_taken_in_without_a_lease_is_given_as_much_time(store: Store) -> None:
    stopped, other = server(store), server(store)
    look(other, MAX_MISSED_BEATS + 1)
    store.add_run("new", code="", task="", backend="local", server_id=stopped.id)
    assert look(other, MAX_MISSED_BEATS) == 0
    stopped.beat({"new": "queued"})
    assert look(other, MAX_MISSED_BEATS) == 0
    assert store.status("new") == "queued"


def test_run_without_a_server_is_of_an_earlier_version_and_is_ended_at_a_start(
    store: Store,
) -> None:
    store.add_run("old", code="", task="", backend="local")
    assert Lease(store.database).begin() == 1
    assert store.run("old").reason == INTERRUPTED


def test_lease_that_was_given_back_leaves_nothing(store: Store) -> None:
    server(store).release()
    assert look(server(store, "a"), 2 * MAX_MISSED_BEATS) == 0


TAKES_A_LEASE = """
import sys, pathlib
from server.storage.database_threads import DatabaseThreads
from server.runs.heartbeat import Heartbeat
from server.storage.leases import Lease
from server.storage.store import Store
store = Store(pathlib.Path(sys.argv[1]), sys.argv[2])
lease = Lease(store.database)
lease.begin()
store.add_run("theirs", code="", task="", backend="local", server_id=lease.id)
print("ready", flush=True)
sys.stdin.read()
"""


def test_runs_of_a_killed_server_on_this_machine_are_ended_at_once(
    store: Store, tmp_path: Path, database_url: str
) -> None:
    command = [sys.executable, "-c", TAKES_A_LEASE, str(tmp_path / "data"), database_url]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[3], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"ready\n"
        here = server(store)
        assert here.end_lost() == 0
        os.kill(other.pid, signal.SIGSTOP)
        assert here.end_lost() == 0
        os.kill(other.pid, signal.SIGKILL)
        # Not waited for: a process that has ended and is not reaped has ended all the same.
        assert wait_until(here.end_lost) == 1
    assert store.status("theirs") == "failed"


def test_process_elsewhere_is_never_taken_for_gone() -> None:
    here = ServerProcess.here()
    assert not here.has_ended(same_machine=True)
    assert not replace(here, pid_namespace="pid:[1]", pid=1).has_ended(same_machine=True)
    assert not replace(here, boot_id="another").has_ended(same_machine=False)
    assert replace(here, boot_id="another").has_ended(same_machine=True)
    assert replace(here, pid_started=1).has_ended(same_machine=False)  # its number is another's now


@dataclass
class Carried:
    """The runs that a server has in memory, and those that it was asked to cancel."""

    live: dict[str, str]
    cancelled: list[str] = field(default_factory=list)

    def open_statuses(self) -> Mapping[str, str]:
        return self.live

    def in_memory(self) -> Collection[str]:
        return self.live.keys()

    def request_cancel(self, run_id: str) -> None:
        self.cancelled.append(run_id)


def test_run_whose_admission_failed_after_it_was_written_gets_an_end(store: Store) -> None:
    """Simulates a connection that breaks between a commit and its response."""
    lease = Lease(store.database)
    threads = DatabaseThreads(store.database)
    pruning = Pruning(store.database, keep_runs=10, keep_files_mib=1)

    async def beat() -> None:
        heartbeat = Heartbeat(store, threads, lease, pruning, Carried({"known": "queued"}))
        await heartbeat.start()
        for run_id in ("known", "unknown"):
            store.add_run(run_id, code="", task="", backend="local", server_id=lease.id)
        await heartbeat.beat()
        await heartbeat.close(release=True)

    asyncio.run(beat())
    threads.close()
    assert store.status("known") == "queued"
    assert (store.run("unknown").status, store.run("unknown").reason) == ("failed", LOST)


def test_cancellation_asked_elsewhere_reaches_the_server_that_has_the_run(store: Store) -> None:
    lease = Lease(store.database)
    threads = DatabaseThreads(store.database)
    pruning = Pruning(store.database, keep_runs=10, keep_files_mib=1)
    carried = Carried({"a": "running", "b": "running"})

    async def wait_for_it() -> None:
        heartbeat = Heartbeat(store, threads, lease, pruning, carried)
        await heartbeat.start()
        for run_id in carried.live:
            store.add_run(run_id, code="", task="", backend="local", server_id=lease.id)
        store.ask_to_cancel("b")
        async with asyncio.timeout(60):
            while not carried.cancelled:
                await asyncio.sleep(0.05)
        await heartbeat.close(release=True)

    asyncio.run(wait_for_it())
    threads.close()
    assert set(carried.cancelled) == {"b"}
