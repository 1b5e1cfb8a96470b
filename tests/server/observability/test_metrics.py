"""Health, metrics, logs, the page; on a real server process."""

from __future__ import annotations

import json
import threading

import httpx
import pytest

from tests.support.api_client import execute, start
from tests.support.serving import ServerFactory, Serving, wait_until

CANARY = "canary-key-" + "0123456789"


def test_health_names_each_component(client: httpx.Client) -> None:
    body = client.get("/healthz").json()
    assert body["status"] == "ok"
    assert set(body["components"]) == {"store", "sandbox", "local_model", "budget"}
    assert set(body["components"].values()) == {"ok"}


def test_metrics_count_runs_by_outcome_and_backend(serve: ServerFactory) -> None:
    server = serve()
    with server.client() as client:
        execute(client, "print(1)")
        execute(client, "1/0")
        expected = {
            'agent_builder_runs_total{backend="local",status="success"} 1.0',
            'agent_builder_runs_total{backend="local",status="error"} 1.0',
            'agent_builder_run_duration_seconds_count{backend="local"} 2.0',
            "agent_builder_runs_in_flight 0.0",
            'http_requests_total{handler="/api/execute",method="POST",status="2xx"} 2.0',
        }
        wait_until(lambda: expected <= set(client.get("/metrics").text.splitlines()))


def test_logs_are_lines_of_json(serve: ServerFactory) -> None:
    server = serve()
    server.stop()
    lines = server.log.splitlines()
    assert lines
    assert all({"time", "level", "message"} <= set(json.loads(line)) for line in lines)


def test_page_is_served_with_a_policy_against_foreign_scripts(client: httpx.Client) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<title>" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.matrix
def test_sdks_are_preloaded_unless_disabled(serve: ServerFactory, client: httpx.Client) -> None:
    code = "with open('/proc/self/maps') as maps: print('/pydantic_core/' in maps.read())\n"
    assert execute(client, code)["output"] == "True\n"
    with serve(AGENT_BUILDER_PRELOAD="0").client() as lean:
        assert execute(lean, code)["output"] == "False\n"
        assert (
            execute(lean, "import anthropic; print('all the same')")["output"] == "all the same\n"
        )


def test_many_clients_at_once_all_get_their_own_answer(server: Serving) -> None:
    results: dict[int, str] = {}

    def work(number: int) -> None:
        with server.client() as client:
            results[number] = execute(client, f"print({number})")["stdout"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(12)}


def test_time_to_first_output_is_shorter_than_the_run(client: httpx.Client) -> None:
    run = start(client, "import time\nprint(1)\ntime.sleep(60)")
    with client.stream("GET", f"/api/runs/{run}/events") as answer:
        next(line for line in answer.iter_lines() if line == "event: output")
        client.delete(f"/api/runs/{run}")
    result = client.get(f"/api/runs/{run}").json()
    assert 0 < result["time_to_first_output"] < result["duration"]
