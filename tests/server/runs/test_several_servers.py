"""Several servers on one database, and servers whose disk or database fails: real processes."""

from __future__ import annotations

import contextlib
import itertools
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_client import events_of, execute, start
from tests.support.locked_database import locked
from tests.support.odd_disks import fill, mounted
from tests.support.postgres import Postgres
from tests.support.serving import (
    ServerFactory,
    Serving,
    call,
    start_server,
    wait_until,
)

ROOT = str(Path(__file__).resolve().parents[3])
SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(300)"
QUICK_BEATS = "import server.storage.leases; server.storage.leases.HEARTBEAT_S = 0.3"
"""For tests that wait until a lease is lost: after 2 s instead of 30."""


@pytest.fixture
def beside(serve: ServerFactory, tmp_path: Path) -> ServerFactory:
    """Start servers that share the data folder `data`, each with its own log."""
    numbers = itertools.count()

    def start_beside(*arguments: str, folder: Path | None = None, **settings: str) -> Serving:
        place = folder or tmp_path / f"beside{next(numbers)}"
        data = {"AGENT_BUILDER_DATA_DIR": str(tmp_path / "data")}
        return serve(*arguments, folder=place, **data, **settings)

    return start_beside


def some_time(seconds: float) -> str:
    """Return a program that writes at its start and at its end."""
    return f"import time\nprint('begun', flush=True)\ntime.sleep({seconds})\nprint('done')"


def run_of(client: httpx.Client, run_id: str) -> dict[str, Any]:
    answer = client.get(f"/api/runs/{run_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def output_of(client: httpx.Client, run_id: str) -> str:
    events = events_of(client.get(f"/api/runs/{run_id}/events").text)
    assert [number for number, _, _ in events] == list(range(1, len(events) + 1))
    return "".join(data["text"] for _, kind, data in events if kind == "output")


def wait_for(client: httpx.Client, run_id: str, *statuses: str, seconds: float = 60) -> Any:
    return wait_until(lambda: run_of(client, run_id)["status"] in statuses, seconds)


@pytest.fixture
def pair(
    serve: ServerFactory, tmp_path: Path, database_url: str
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Return clients of two servers on one database: SQLite, then PostgreSQL."""
    url = {"AGENT_BUILDER_DATABASE_URL": database_url}
    servers = [serve(folder=tmp_path / name, **url) for name in ("one", "two")]
    with servers[0].client() as first, servers[1].client() as second:
        yield first, second


@pytest.mark.matrix(keep=1)
def test_run_of_one_server_is_seen_followed_and_cancelled_through_another(
    pair: tuple[httpx.Client, httpx.Client],
) -> None:
    first, second = pair
    run_id = start(first, SLOW)
    wait_for(second, run_id, "running")
    assert second.get("/api/runs").json()["runs"][0]["status"] == "running"
    with second.stream("GET", f"/api/runs/{run_id}/events") as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if "begun" in line)
        assert second.delete(f"/api/runs/{run_id}").status_code == 204
        assert next(line for line in lines if '"status": "cancelled"' in line)
        assert [line for line in lines if line] == []  # the stream ends with the run
    for client in pair:
        assert run_of(client, run_id)["status"] == "cancelled"
        assert output_of(client, run_id) == "begun\n"
        assert "server_id" not in run_of(client, run_id)


@pytest.mark.matrix
def test_queued_run_is_cancelled_through_another_server(
    beside: ServerFactory, tmp_path: Path
) -> None:
    one = beside(AGENT_BUILDER_MAX_CONCURRENT_RUNS="1")
    two = beside()
    with one.client() as first, two.client() as second:
        going, waiting = start(first, SLOW), start(first, "print('never')")
        wait_for(first, going, "running")
        assert run_of(second, waiting)["status"] == "queued"
        assert second.delete(f"/api/runs/{waiting}").status_code == 204
        assert run_of(second, waiting)["status"] == "cancelled"
        assert run_of(first, going)["status"] == "running"


def test_rolling_restart_ends_only_the_runs_of_the_stopped_server(
    beside: ServerFactory, tmp_path: Path
) -> None:
    old = beside(AGENT_BUILDER_MAX_CONCURRENT_RUNS="1")
    with old.client() as client:
        going, waiting = start(client, SLOW), start(client, "print('never')")
        wait_until(lambda: "begun" in first_output(client, going))
    new = beside()
    with new.client() as client:
        own = start(client, some_time(3))
        old.process.send_signal(signal.SIGTERM)
        assert old.process.wait(60) in {0, -signal.SIGTERM}
        for run_id in (going, waiting):
            run = run_of(client, run_id)
            assert (run["status"], run["reason"]) == ("cancelled", "the server was stopped")
        assert output_of(client, going) == "begun\n"
        wait_for(client, own, "success")
        assert output_of(client, own) == "begun\ndone\n"
        assert len(client.get("/api/runs").json()["runs"]) == 3


def first_output(client: httpx.Client, run_id: str) -> str:
    with client.stream("GET", f"/api/runs/{run_id}/events") as answer:
        return next((line for line in answer.iter_lines() if '"text"' in line), "")


@pytest.mark.matrix
def test_killed_server_of_three_loses_its_own_runs_alone(
    beside: ServerFactory, tmp_path: Path
) -> None:
    servers = [beside() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(each.client()) for each in servers]
        runs = [start(client, SLOW) for client in clients]
        for run_id in runs:
            wait_for(clients[2], run_id, "running")
        servers[0].process.kill()
        wait_for(clients[1], runs[0], "failed")
        assert "server stopped" in run_of(clients[1], runs[0])["reason"]
        assert [run_of(clients[1], run_id)["status"] for run_id in runs[1:]] == ["running"] * 2
        for client, run_id in zip(clients[1:], runs[1:], strict=True):
            client.delete(f"/api/runs/{run_id}")


@pytest.mark.matrix
def test_server_that_was_stopped_beyond_its_lease_writes_the_real_result(
    tmp_path: Path,
) -> None:
    both = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        data = {"AGENT_BUILDER_DATA_DIR": str(tmp_path / "data")}
        both.append(start_server(tmp_path / name, before=QUICK_BEATS, **data))
    try:
        with both[0].client() as first, both[1].client() as second:
            run_id = start(first, some_time(6))
            wait_for(second, run_id, "running")
            both[0].process.send_signal(signal.SIGSTOP)
            wait_for(second, run_id, "failed")
            assert "server stopped" in run_of(second, run_id)["reason"]
            both[0].process.send_signal(signal.SIGCONT)
            wait_for(second, run_id, "success")
            assert output_of(second, run_id) == output_of(first, run_id) == "begun\ndone\n"
            assert run_of(second, run_id)["reason"] is None
            assert execute(first, "print(1)")["status"] == "success"
    finally:
        for server in both:
            server.process.send_signal(signal.SIGCONT)
            server.stop()


@pytest.mark.matrix
def test_command_run_ends_no_run_of_a_server_on_the_same_folder(
    beside: ServerFactory, tmp_path: Path
) -> None:
    server = beside()
    (tmp_path / "agent.py").write_text("print('by command')")
    with server.client() as client:
        run_id = start(client, SLOW)
        wait_for(client, run_id, "running")
        words = ("run", "agent.py", "--task", "x")
        done = call(tmp_path, *words, AGENT_BUILDER_DAILY_BUDGET_CALLS="5")
        assert (done.returncode, done.stdout) == (0, "by command\n")
        assert run_of(client, run_id)["status"] == "running"
        with sqlite3.connect(tmp_path / "data" / "runs.sqlite3") as database:
            rows = database.execute("SELECT status, reason FROM runs").fetchall()
        database.close()
        assert rows == [("running", None)]


@pytest.mark.matrix
def test_servers_that_start_while_runs_end_leave_every_end_as_it_is(
    beside: ServerFactory, tmp_path: Path
) -> None:
    server = beside()
    ends: list[str] = []
    is_over = threading.Event()

    def work() -> None:
        with server.client() as client:
            while not is_over.is_set():
                ends.append(execute(client, "print('x' * 20000)")["run_id"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(3):
            beside().stop()
    finally:
        is_over.set()
        thread.join()
    with server.client() as client:
        assert ends
        for run_id in ends:
            assert run_of(client, run_id)["status"] == "success"
            assert len(output_of(client, run_id)) == 20001
    assert "UNIQUE" not in server.log


def statuses_until(client: httpx.Client, run_id: str, is_over: threading.Event) -> list[str]:
    """Return the statuses that a run is shown with, one after another."""
    found: list[str] = []
    while not is_over.is_set():
        status = run_of(client, run_id)["status"]
        if found[-1:] != [status]:
            found.append(status)
    return found


@pytest.mark.matrix
def test_run_that_ends_between_two_looks_is_never_shown_as_queued_again(
    serve: ServerFactory,
) -> None:
    server = serve()
    # Reading the row of a long text takes longer: an end in the middle of it is likelier.
    code = "#" * 1_000_000
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(4) as threads:
        clients = [stack.enter_context(server.client()) for _ in range(4)]
        for _ in range(40):
            is_over = threading.Event()
            run_id = start(clients[0], code)
            looks = [threads.submit(statuses_until, each, run_id, is_over) for each in clients]
            wait_for(clients[0], run_id, "success")
            is_over.set()
            for look in looks:
                seen = look.result()
                assert seen == [each for each in ("queued", "running", "success") if each in seen]


# ---------------------------------------------------------------- disks


def store_said(client: httpx.Client) -> str:
    answer = client.get("/healthz")
    said: str = answer.json()["components"]["store"]
    assert answer.status_code == (200 if said == "ok" else 503)
    return said


@pytest.mark.matrix
def test_runs_that_end_on_a_full_disk_are_shown_right_and_written_when_there_is_space(
    beside: ServerFactory, tmp_path: Path
) -> None:
    with mounted(tmp_path / "data", "8m") as disk:
        server = beside()
        with server.client() as client:
            assert store_said(client) == "ok"
            code = some_time(2) + "\nprint('x' * 600_000)\nopen('left.txt', 'w').write('hi')"
            run_id = start(client, code)
            wait_for(client, run_id, "running")
            filler = fill(disk)
            wait_for(client, run_id, "success")
            assert client.get("/api/runs").json()["runs"][0]["status"] == "success"
            assert len(output_of(client, run_id)) == 600_012
            assert client.get(f"/api/runs/{run_id}/files/left.txt").text == "hi"
            assert "disk is full" in wait_until(lambda: store_said(client))
            filler.unlink()
            wait_until(lambda: store_said(client) == "ok")
        server.process.kill()
        server.process.wait()
        with beside().client() as client:
            assert run_of(client, run_id)["status"] == "success"
            assert len(output_of(client, run_id)) == 600_012
            assert client.get(f"/api/runs/{run_id}/files/left.txt").text == "hi"


def test_full_disk_refuses_new_runs_with_a_remedy_until_there_is_space(
    beside: ServerFactory, tmp_path: Path
) -> None:
    with mounted(tmp_path / "data", "4m") as disk, beside().client() as client:
        filler = fill(disk)
        assert "disk is full" in store_said(client)
        body = {"code": "#" * 500_000, "task": "x"}
        answer = client.post("/api/runs", json=body)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "the disk is full: free some space" in answer.json()["detail"]
        filler.unlink()
        assert execute(client, "print(1)")["status"] == "success"
        assert store_said(client) == "ok"


@pytest.mark.matrix
def test_run_that_ends_while_the_database_is_locked_is_shown_right_and_written_later(
    beside: ServerFactory, tmp_path: Path
) -> None:
    server = beside()
    with server.client() as client:
        run_id = start(client, some_time(1))
        wait_for(client, run_id, "running")
        with locked(tmp_path / "data"):
            wait_for(client, run_id, "success")
            assert client.get("/api/runs").json()["runs"][0]["status"] == "success"
            assert "locked" in store_said(client)
            refused = client.post("/api/execute", json={"code": "", "task": "x"})
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert re.search("another process has locked it", refused.json()["detail"])
            assert output_of(client, run_id) == "begun\ndone\n"
        wait_until(lambda: store_said(client) == "ok")
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "runs.sqlite3")) as database:
            assert database.execute("SELECT status FROM runs").fetchall() == [("success",)]
            texts = database.execute("SELECT data FROM events WHERE kind = 'output'").fetchall()
        assert ["begun" in texts[0][0], "done" in texts[-1][0]] == [True, True]


@pytest.mark.matrix
def test_stop_while_the_database_is_locked_takes_few_seconds(
    beside: ServerFactory, tmp_path: Path
) -> None:
    server = beside()
    with server.client() as client:
        wait_for(client, start(client, SLOW), "running")
        with locked(tmp_path / "data"):
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
    assert "its result is not in the history" in server.log


def test_deleted_data_folder_is_reported(beside: ServerFactory, tmp_path: Path) -> None:
    server: Serving = beside()
    with server.client() as client:
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        assert "was deleted or replaced" in store_said(client)
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        assert store_said(client) == "ok"


@pytest.mark.matrix
def test_large_history_is_cut_to_a_lowered_limit_while_runs_go_on(
    beside: ServerFactory, tmp_path: Path
) -> None:
    beside().stop()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "runs.sqlite3")) as database:
        database.executemany(
            "INSERT INTO runs (id, created_at, status, code, task)"
            " VALUES (?, '2026-01-01 00:00:00.000000', 'success', '', '')",
            [(f"{number:032x}",) for number in range(100_000)],
        )
        database.commit()
    server = beside(AGENT_BUILDER_KEEP_RUNS="10")
    with server.client() as client:
        for _ in range(3):
            assert execute(client, "")["status"] == "success"

        def count() -> int:
            with contextlib.closing(
                sqlite3.connect(tmp_path / "data" / "runs.sqlite3")
            ) as database:
                found: int = database.execute("SELECT count(*) FROM runs").fetchone()[0]
            return found

        wait_until(lambda: count() <= 10, 120)
        assert len(client.get("/api/runs").json()["runs"]) == 10


def test_database_server_that_restarts_in_the_middle_of_a_run_costs_nothing(
    serve: ServerFactory, own_postgres: Postgres
) -> None:
    server = serve(AGENT_BUILDER_DATABASE_URL=own_postgres.database())
    with server.client() as client:
        run_id = start(client, some_time(3))
        wait_for(client, run_id, "running")
        own_postgres.stop()
        assert "does not respond" in store_said(client)
        refused = client.post("/api/runs", json={"code": "", "task": "x"})
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        wait_for(client, run_id, "success")
        assert output_of(client, run_id) == "begun\ndone\n"
        own_postgres.start()
        wait_until(lambda: store_said(client) == "ok")
        assert client.get("/api/runs").json()["runs"][0]["status"] == "success"
        assert execute(client, "print(1)")["status"] == "success"


@pytest.mark.matrix
def test_silent_database_server_delays_no_health_and_no_stop(
    serve: ServerFactory, own_postgres: Postgres
) -> None:
    server = serve(AGENT_BUILDER_DATABASE_URL=own_postgres.database())
    with server.client() as client:
        wait_for(client, start(client, SLOW), "running")
        run = start(client, SLOW)
        wait_for(client, run, "running")
        own_postgres.signal(signal.SIGSTOP)
        try:
            client.timeout = httpx.Timeout(9)  # what asks the database waits 10 s for it
            assert client.get(f"/api/runs/{run}").json()["status"] == "running"
            assert client.delete(f"/api/runs/{run}").status_code == 204
            assert client.get(f"/api/runs/{run}").json()["status"] == "cancelled"
            client.timeout = httpx.Timeout(90)
            assert "did not respond" in store_said(client)
            assert client.get("/api/catalog").status_code == 200
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
        finally:
            own_postgres.signal(signal.SIGCONT)
    assert "its result is not in the history" in server.log
