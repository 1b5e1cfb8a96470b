"""Execute, runs and their events, on a real server process."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api_client import SPEC, events_of, execute, fields, start
from tests.support.serving import (
    INSTALLED_MODEL,
    ServerFactory,
    Serving,
    marked_processes,
    wait_until,
)

CANARY = "canary-key-" + "0123456789"


@pytest.mark.parametrize("provider", ["anthropic", "huggingface"])
@pytest.mark.parametrize("stream", [False, True])
def test_generated_agent_is_answered_by_the_local_model(
    client: httpx.Client, provider: str, stream: bool
) -> None:
    model = {"anthropic": "claude-sonnet-5-5", "huggingface": "openai/gpt-oss-20b"}[provider]
    spec = {**SPEC, "provider": provider, "model": model, "stream": stream}
    code = client.post("/api/generate", json=spec).json()["code"]
    result = execute(client, code, task=SPEC["task"])
    assert result["status"] == "success", result
    assert "Paris" in result["stdout"]
    assert result["stderr"] == ""
    assert (result["backend"], result["returncode"]) == ("local", 0)
    assert result["usage"]["input_tokens"] > 0
    assert result["cost_usd"] is None  # the local model has no price
    events = events_of(client.get(f"/api/runs/{result['run_id']}/events").text)
    calls = [data for _, kind, data in events if kind == "model_call"]
    assert [call["http.response.status_code"] for call in calls] == [200]
    assert calls[0]["gen_ai.request.model"] == model
    assert calls[0]["gen_ai.response.model"] == "SmolLM2-135M-Instruct"
    if stream:
        assert len([1 for _, kind, _ in events if kind == "output"]) >= 2


def test_failed_program_is_200_with_status_error(client: httpx.Client) -> None:
    result = execute(client, "import sys; print('out'); sys.exit('err')")
    assert (result["status"], result["returncode"]) == ("error", 1)
    assert (result["stdout"], result["stderr"]) == ("out\n", "err\n")
    assert result["stopped_early"] is False


def test_agent_that_reaches_its_own_limit_is_reported_as_stopped_early(
    client: httpx.Client,
) -> None:
    code = client.post("/api/generate", json={**SPEC, "max_tokens": 1}).json()["code"]
    result = execute(client, code, task=SPEC["task"])
    assert "stopped early" in result["stderr"]
    assert (result["status"], result["stopped_early"]) == ("error", True)
    events = events_of(client.get(f"/api/runs/{result['run_id']}/events").text)
    assert events[-1][2]["stopped_early"] is True


def test_limits_of_the_request_are_applied(client: httpx.Client) -> None:
    result = execute(client, "while True: pass", limits={"cpu_s": 1})
    assert (result["status"], result["reason"]) == ("limit", "cpu")
    result = execute(client, "import time; time.sleep(30)", limits={"wall_s": 0.3})
    assert (result["status"], result["reason"]) == ("timeout", "wall")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "x" * (2**20 + 1)}, "code"),
        ({"task": "é" * 60_000}, "task"),
        ({"backend": "cloud"}, "backend"),
        ({"limits": {"cpu_s": 0}}, "limits.cpu_s"),
        ({"limits": {"memory_mib": 10**9}}, "limits.memory_mib"),
        ({"limits": {"gpu": 1}}, "limits.gpu"),
        ({"extra": 1}, "extra"),
    ],
)
def test_run_that_can_not_be_admitted_names_the_field(
    client: httpx.Client, change: dict[str, Any], field: str
) -> None:
    body = {"code": "print(1)", "task": "x", **change}
    assert field in fields(client.post("/api/execute", json=body))
    assert field in fields(client.post("/api/runs", json=body))


def test_limit_that_there_is_none_of_is_answered_with_those_there_are(
    client: httpx.Client,
) -> None:
    body = {"code": "", "task": "x", "limits": {"gpu": 1, "cpu_s": "{much}"}}
    first, second = client.post("/api/execute", json=body).json()["detail"]
    assert (first["loc"], second["loc"]) == (["body", "limits", "cpu_s"], ["body", "limits", "gpu"])
    assert second["msg"] == (
        "unknown field; known: cpu_s, memory_mib, output_kib, processes, scratch_mib, wall_s"
    )
    assert second["type"] == "extra_forbidden"


def test_provider_without_a_key_is_an_error_with_its_variable(client: httpx.Client) -> None:
    body = {"code": "import anthropic", "task": "x", "backend": "provider"}
    answer = client.post("/api/execute", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "backend_unavailable")
    assert "ANTHROPIC_API_KEY" in answer.json()["detail"]


def test_events_are_numbered_and_resume_behind_the_last_one_seen(client: httpx.Client) -> None:
    run_id = start(client, "import time\nfor i in range(3): print(i); time.sleep(0.1)")
    live = events_of(client.get(f"/api/runs/{run_id}/events").text)
    assert [seq for seq, _, _ in live] == list(range(1, len(live) + 1))
    assert live[0][1] == "started"
    assert live[-1][1] == "exit"
    assert "".join(data["text"] for _, kind, data in live if kind == "output") == "0\n1\n2\n"
    resumed = client.get(f"/api/runs/{run_id}/events", headers={"Last-Event-ID": "2"})
    assert events_of(resumed.text) == live[2:]


def test_output_is_streamed_while_the_program_is_going(client: httpx.Client) -> None:
    run_id = start(client, "import time\nprint('first')\ntime.sleep(60)")
    with client.stream("GET", f"/api/runs/{run_id}/events") as answer:
        for line in answer.iter_lines():
            if "first" in line:
                break
    assert client.get(f"/api/runs/{run_id}").json()["status"] == "running"
    assert client.delete(f"/api/runs/{run_id}").status_code == 204
    assert client.get(f"/api/runs/{run_id}").json()["status"] == "cancelled"


def test_cancelled_run_keeps_its_output_and_can_be_cancelled_again(client: httpx.Client) -> None:
    run_id = start(client, "import time\nprint('first')\ntime.sleep(60)")
    wait_until(lambda: client.get(f"/api/runs/{run_id}").json()["status"] == "running")
    client.delete(f"/api/runs/{run_id}")
    assert client.delete(f"/api/runs/{run_id}").status_code == 204
    events = events_of(client.get(f"/api/runs/{run_id}/events").text)
    assert events[-1][2]["status"] == "cancelled"


@pytest.fixture(scope="module")
def narrow(serve_all: ServerFactory) -> Serving:
    """Return a server with one run in progress and one waiting."""
    return serve_all(AGENT_BUILDER_MAX_CONCURRENT_RUNS="1", AGENT_BUILDER_MAX_QUEUED_RUNS="1")


def test_events_of_a_queued_run_can_be_opened_before_it_starts(narrow: Serving) -> None:
    with narrow.client() as client:
        first = start(client, "import time; time.sleep(60)")
        second = start(client, "print('second')")
        with client.stream("GET", f"/api/runs/{second}/events") as answer:
            assert answer.status_code == 200
            client.delete(f"/api/runs/{first}")
            assert "second" in answer.read().decode()


def test_odd_event_numbers_mean_from_the_start(client: httpx.Client) -> None:
    run_id = execute(client, "print(1)")["run_id"]
    for odd in ("9" * 5000, "-1", "abc", "1.5", "0x1"):
        answer = client.get(f"/api/runs/{run_id}/events", headers={"Last-Event-ID": odd})
        assert events_of(answer.text)[0][0] == 1


def test_history_is_newest_first_and_paged(client: httpx.Client) -> None:
    ids = [execute(client, f"print({n})")["run_id"] for n in range(3)]
    page = client.get("/api/runs", params={"limit": 2}).json()
    rest = client.get("/api/runs", params={"limit": 2, "before": page["next"]}).json()
    seen = [run["id"] for run in page["runs"] + rest["runs"]]
    assert len(page["runs"]) == 2
    assert seen[:3] == ids[::-1]
    assert client.get(f"/api/runs/{ids[0]}").json()["code"] == "print(0)"


def test_unknown_run_is_404(client: httpx.Client) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        answer = client.request(method, f"/api/runs/nope{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


def test_full_queue_is_429_with_retry_after_and_waiting_runs_go_on(narrow: Serving) -> None:
    with narrow.client() as client:
        first = start(client, "import time; time.sleep(60)")
        second = start(client, "print('second')")
        refused = client.post("/api/runs", json={"code": "print(3)", "task": "x"})
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get(f"/api/runs/{second}").json()["status"] == "queued"
        client.delete(f"/api/runs/{first}")
        text = client.get(f"/api/runs/{second}/events").text
        assert events_of(text)[-1][2]["status"] == "success"


def test_run_is_cancelled_when_its_client_disconnects(server: Serving) -> None:
    with server.client() as client:
        earlier = execute(client, "")["run_id"]

        def newest() -> tuple[str, str]:
            [run] = client.get("/api/runs", params={"limit": 1}).json()["runs"]
            return run["id"], run["status"]

        body = json.dumps({"code": "import time; time.sleep(60)", "task": "x"})
        head = "POST /api/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", httpx.URL(server.base).port or 0)) as leaving:
            leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            wait_until(lambda: newest()[0] != earlier and newest()[1] == "running")
        wait_until(lambda: newest()[1] == "cancelled")


def test_weak_machine_answers_503_with_a_remedy_and_serves_all_else(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_SANDBOX_TIER="limits")
    with server.client() as client:
        answer = client.post("/api/execute", json={"code": "print(1)", "task": "x"})
        assert (answer.status_code, answer.json()["code"]) == (503, "sandbox_unavailable")
        assert "AGENT_BUILDER_ALLOW_WEAK_SANDBOX" in answer.json()["detail"]
        assert client.post("/api/generate", json=SPEC).status_code == 200
        sandbox = client.get("/api/catalog").json()["sandbox"]
        assert (sandbox["tier"], sandbox["available"]) == ("limits", False)


def test_runs_survive_a_restart_and_open_ones_get_their_end(
    serve: ServerFactory, tmp_path: Path
) -> None:
    first = serve(folder=tmp_path)
    with first.client() as client:
        done = execute(client, "print('kept')")["run_id"]
        going = start(client, "import time; time.sleep(60)")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = serve(folder=tmp_path)
    with second.client() as client:
        assert "kept" in client.get(f"/api/runs/{done}/events").text
        run = client.get(f"/api/runs/{going}").json()
        assert (run["status"], "server stopped" in run["reason"]) == ("failed", True)


def test_stopped_server_leaves_no_process_and_no_scratch(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    with server.client() as client:
        mark = f"stopped-{time.monotonic_ns()}"
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(600)"
        run_id = start(client, code)
        with client.stream("GET", f"/api/runs/{run_id}/events") as answer:
            next(line for line in answer.iter_lines() if '"text": "1' in line)
    assert marked_processes(mark) != []
    server.stop()
    assert marked_processes(mark) == []
    assert not [
        path for path in Path("/tmp").glob("agent-*") if str(server.process.pid) in path.name
    ]
