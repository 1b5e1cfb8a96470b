"""Runs whose processes can't be killed: the server reports them, and continues."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from server.isolation.abandoned import MAX_ABANDONED
from tests.support.api_client import execute, start
from tests.support.processes import pinned
from tests.support.serving import INSTALLED_MODEL, ServerFactory, marked_processes, wait_until


def asleep(client: httpx.Client) -> tuple[str, str]:
    """Start a run that sleeps; return its id and the id of its process."""
    mark = f"asleep-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\ntime.sleep(600)"
    run = start(client, code)
    [process] = wait_until(lambda: marked_processes(mark))
    return run, process


def counted(client: httpx.Client) -> str:
    lines = client.get("/metrics").text.splitlines()
    return next(line for line in lines if line.startswith("agent_builder_runs_abandoned "))


def is_well(client: httpx.Client) -> bool:
    health = client.get("/healthz").json()
    return bool(health["status"] == "ok" and health["components"]["sandbox"] == "ok")


def test_run_that_can_not_be_ended_is_reported_by_every_route_until_it_is_gone(
    serve: ServerFactory,
) -> None:
    server = serve(
        AGENT_BUILDER_MAX_CONCURRENT_RUNS="1", AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL
    )
    with server.client() as client:
        run, process = asleep(client)
        with pinned(process):
            answer = client.delete(f"/api/runs/{run}")
            assert (answer.status_code, answer.json()["code"]) == (503, "machinery_failed")
            assert "could not be killed" in answer.json()["detail"]
            found = client.get(f"/api/runs/{run}").json()
            assert found["status"] == "cancelled"
            assert "could not be killed" in found["reason"]
            health = client.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (200, "degraded")
            assert "1 ended run" in health.json()["components"]["sandbox"]
            assert counted(client).endswith(" 1.0")
            assert execute(client, "print('hi')")["output"] == "hi\n"  # its slot is free again
        wait_until(lambda: is_well(client))
        assert counted(client).endswith(" 0.0")
    assert '"level": "ERROR"' in server.log


def test_wall_limit_of_a_run_that_can_not_be_ended_is_its_end(serve: ServerFactory) -> None:
    server = serve()
    with server.client() as client:
        mark = f"asleep-{time.monotonic_ns()}"
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\ntime.sleep(600)"
        asked = {"code": code, "task": "x", "limits": {"wall_s": 5}}
        run = client.post("/api/runs", json=asked).json()["id"]
        [process] = wait_until(lambda: marked_processes(mark))
        with pinned(process):
            text = client.get(f"/api/runs/{run}/events").text
            assert "could not be killed" in text.rpartition("event: exit")[2]
            assert client.get(f"/api/runs/{run}").json()["status"] == "timeout"


@pytest.mark.matrix
def test_no_run_starts_beside_too_many_and_runs_start_again_when_they_have_gone(
    serve: ServerFactory,
) -> None:
    server = serve(
        AGENT_BUILDER_MAX_CONCURRENT_RUNS=str(MAX_ABANDONED),
        AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL,
    )
    with server.client() as client, contextlib.ExitStack() as pins:
        runs = [asleep(client) for _ in range(MAX_ABANDONED)]
        for _, process in runs:
            pins.enter_context(pinned(process))
        with ThreadPoolExecutor(MAX_ABANDONED) as threads:
            answers = threads.map(lambda run: client.delete(f"/api/runs/{run[0]}"), runs)
        assert {answer.status_code for answer in answers} == {503}
        health = client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "failing")
        refused = client.post("/api/runs", json={"code": "print(1)", "task": "x"})
        assert (refused.status_code, refused.json()["code"]) == (503, "sandbox_unavailable")
        assert "No run starts" in refused.json()["detail"]
        pins.close()
        wait_until(lambda: is_well(client), seconds=60)
        assert execute(client, "print('hi')")["output"] == "hi\n"
