"""The HTTP interface, on a real server process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import ServerFactory, Serving, bare_environment, wait_until
from tests.upstream import Answer, Received, message, message_events, scripted

SPEC = {
    "name": "Geographer",
    "prompt": "You are a helpful assistant.",
    "task": "What is the capital of France?",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}
CANARY = "canary-key-" + "0123456789"


@pytest.fixture
def client(server: Serving) -> Any:
    with server.client() as client:
        yield client


def execute(client: httpx.Client, code: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/execute", json={"code": code, "task": "x", **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def events_of(text: str) -> list[tuple[int, str, dict[str, Any]]]:
    """Parse a whole SSE answer."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def fields(answer: httpx.Response) -> dict[str, str]:
    """Return the fields that a 422 names, with what it says of them."""
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid_request"
    return {".".join(map(str, item["loc"][1:])): item["msg"] for item in answer.json()["detail"]}


# ---------------------------------------------------------------- catalog and generate


def test_catalog_lists_providers_models_backends_and_sandbox(client: httpx.Client) -> None:
    catalog = client.get("/api/catalog").json()
    providers = {provider["id"]: provider for provider in catalog["providers"]}
    assert set(providers) == {"anthropic", "huggingface"}
    assert providers["anthropic"]["key_env"] == "ANTHROPIC_API_KEY"
    assert providers["anthropic"]["key_configured"] is False
    models = {model["id"]: model for model in providers["anthropic"]["models"]}
    assert models["claude-3-5-haiku-20241022"]["lifecycle"] == "retired"
    assert models["claude-3-5-haiku-20241022"]["retires_on"] == "2026-02-19"
    assert set(models["claude-sonnet-5-5"]["price"]) == {"input_per_mtok", "output_per_mtok"}
    ids = {model["id"] for model in providers["huggingface"]["models"]}
    assert {"meta-llama/Meta-Llama-3-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3"} <= ids
    backends = {backend["id"]: backend for backend in catalog["backends"]}
    assert backends["local"]["available"] is True
    assert backends["provider"]["available"] is False
    assert "ANTHROPIC_API_KEY" in backends["provider"]["reason"]
    layers = catalog["sandbox"]["layers"]
    assert all(layer["active"] or layer["reason"] for layer in layers)


@pytest.mark.parametrize("provider", ["anthropic", "huggingface"])
def test_generated_file_is_returned_with_its_name(client: httpx.Client, provider: str) -> None:
    model = {"anthropic": "claude-sonnet-5-5", "huggingface": "openai/gpt-oss-20b"}[provider]
    answer = client.post("/api/generate", json={**SPEC, "provider": provider, "model": model})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["filename"]) == ("success", "geographer.py")
    assert "class Geographer:" in body["code"]
    assert body["warnings"] == []


def test_retired_model_is_written_with_a_warning(client: httpx.Client) -> None:
    body = client.post("/api/generate", json={**SPEC, "model": "claude-3-5-haiku-20241022"}).json()
    assert body["status"] == "success"
    assert "2026-02-19" in body["warnings"][0]


def test_model_of_another_provider_names_the_field_and_lists_what_is_allowed(
    client: httpx.Client,
) -> None:
    answer = client.post("/api/generate", json={**SPEC, "model": "openai/gpt-oss-20b"})
    problem = fields(answer)["model"]
    assert "claude-sonnet-5-5" in problem
    assert "Hugging Face" in problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 3}, "name"),
        ({"prompt": ""}, "prompt"),
        ({"task": "x" * 102_401}, "task"),
        ({"provider": "openai"}, "provider"),
        ({"stream": "perhaps"}, "stream"),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_value_that_can_not_be_used_is_named(
    client: httpx.Client, change: dict[str, Any], field: str
) -> None:
    assert field in fields(client.post("/api/generate", json={**SPEC, **change}))


def test_errors_do_not_echo_what_was_sent(client: httpx.Client) -> None:
    answer = client.post("/api/generate", json={**SPEC, "name": CANARY * 20})
    assert answer.status_code == 422
    assert CANARY not in answer.text


def test_lone_surrogates_and_nul_are_taken(client: httpx.Client) -> None:
    body = json.dumps({**SPEC, "prompt": "a\ud800\0b"})
    answer = client.post(
        "/api/generate", content=body, headers={"Content-Type": "application/json"}
    )
    assert "a\\ud800\\x00b" in answer.json()["code"]


# ---------------------------------------------------------------- execute and runs


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
    assert result["stdout"] == "The capital of France is Paris.\n"
    assert result["stderr"] == ""
    assert (result["backend"], result["returncode"]) == ("local", 0)
    assert (result["usage"], result["cost_usd"]) == (None, None)
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


def test_limits_of_the_request_are_kept(client: httpx.Client) -> None:
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


def test_provider_without_a_key_says_which_is_missing(client: httpx.Client) -> None:
    body = {"code": "import anthropic", "task": "x", "backend": "provider"}
    answer = client.post("/api/execute", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "backend_unavailable")
    assert "ANTHROPIC_API_KEY" in answer.json()["detail"]


def start(client: httpx.Client, code: str) -> str:
    answer = client.post("/api/runs", json={"code": code, "task": "x"})
    assert answer.status_code == 202
    run_id: str = answer.json()["id"]
    return run_id


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


def test_history_is_newest_first_and_paged(client: httpx.Client) -> None:
    ids = [execute(client, f"print({n})")["run_id"] for n in range(3)]
    page = client.get("/api/runs", params={"limit": 2}).json()
    rest = client.get("/api/runs", params={"limit": 2, "before": page["next"]}).json()
    seen = [run["id"] for run in page["runs"] + rest["runs"]]
    positions = [seen.index(run_id) for run_id in reversed(ids) if run_id in seen]
    assert len(page["runs"]) == 2
    assert positions == sorted(positions)
    assert client.get(f"/api/runs/{ids[0]}").json()["code"] == "print(0)"


def test_unknown_run_is_404(client: httpx.Client) -> None:
    for method, path in (("GET", ""), ("GET", "/events"), ("DELETE", "")):
        answer = client.request(method, f"/api/runs/nope{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")


def test_full_queue_is_429_with_retry_after_and_waiting_runs_go_on(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_MAX_CONCURRENT_RUNS="1", AGENT_BUILDER_MAX_QUEUED_RUNS="1")
    with server.client() as client:
        first = start(client, "import time; time.sleep(60)")
        second = start(client, "print('second')")
        refused = client.post("/api/runs", json={"code": "print(3)", "task": "x"})
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get(f"/api/runs/{second}").json()["status"] == "queued"
        client.delete(f"/api/runs/{first}")
        text = client.get(f"/api/runs/{second}/events").text
        assert events_of(text)[-1][2]["status"] == "success"


def test_client_that_goes_away_takes_its_run_along(server: Serving) -> None:
    with server.client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(
                "/api/execute",
                json={"code": "import time; time.sleep(60)", "task": "x"},
                timeout=1,
            )
        newest = client.get("/api/runs", params={"limit": 1}).json()["runs"][0]["id"]
        wait_until(lambda: client.get(f"/api/runs/{newest}").json()["status"] == "cancelled")


def test_weak_machine_answers_503_with_the_mend_and_does_all_else(serve: ServerFactory) -> None:
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
    server = serve()
    with server.client() as client:
        code = "import os, time\nprint(os.getcwd(), os.getpid())\ntime.sleep(600)"
        run_id = start(client, code)
        with client.stream("GET", f"/api/runs/{run_id}/events") as answer:
            line = next(line for line in answer.iter_lines() if "agent-run-" in line)
    folder, pid = json.loads(line.partition(": ")[2])["text"].split()
    server.stop()
    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


# ---------------------------------------------------------------- the provider backend


def test_agent_reaches_the_provider_with_the_servers_key_and_never_sees_it(
    serve: ServerFactory,
) -> None:
    def script(request: Received) -> Answer:
        streamed = json.loads(request.body).get("stream")
        if streamed:
            headers = {"Content-Type": "text/event-stream"}
            return Answer(headers=headers, chunks=message_events("Bon", "jour"), pause=0.05)
        return Answer(headers={"Content-Type": "application/json"}, body=message("Bonjour"))

    with scripted(script) as upstream:
        server = serve(
            ANTHROPIC_API_KEY=CANARY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url,
            AGENT_BUILDER_LOG_LEVEL="DEBUG",
        )
        with server.client() as client:
            for stream in (False, True):
                code = client.post("/api/generate", json={**SPEC, "stream": stream}).json()["code"]
                spy = "import os\nprint(sorted(os.environ.items()))\n"
                result = execute(client, code.replace("import os\n", spy, 1))
                assert result["stdout"].endswith("Bonjour\n"), result
                assert result["backend"] == "provider"
                assert CANARY not in json.dumps(result)
            assert client.get("/api/catalog").json()["providers"][0]["key_configured"] is True
        assert [r.headers["authorization"] for r in upstream.received] == [f"Bearer {CANARY}"] * 2
    server.stop()
    written = server.log + "".join(
        path.read_bytes().decode("latin-1") for path in (server.folder / "data").iterdir()
    )
    assert CANARY not in written


def test_key_added_to_dot_env_is_taken_up_without_a_restart(serve: ServerFactory) -> None:
    with scripted(lambda _: Answer(body=message("by key"))) as upstream:
        server = serve(AGENT_BUILDER_ANTHROPIC_UPSTREAM=upstream.url)
        with server.client() as client:
            code = client.post("/api/generate", json=SPEC).json()["code"]
            assert client.get("/api/catalog").json()["providers"][0]["key_configured"] is False
            (server.folder / ".env").write_text(f"ANTHROPIC_API_KEY={CANARY}\n")
            result = execute(client, code)
        assert (result["stdout"], result["backend"]) == ("by key\n", "provider")


def test_prompts_and_tasks_are_in_no_log_at_info(serve: ServerFactory) -> None:
    server = serve()
    with server.client() as client:
        body = {**SPEC, "prompt": "secret-prompt", "task": "secret-task"}
        code = client.post("/api/generate", json=body).json()["code"]
        execute(client, code, task="secret-task", limits={"wall_s": 0.3})
        client.get("/api/runs", params={"before": "secret-task"})
    server.stop()
    assert "secret-" not in server.log


def test_killed_local_model_is_started_again_for_the_next_call(serve: ServerFactory) -> None:
    server = serve()
    with server.client() as client:
        code = client.post("/api/generate", json=SPEC).json()["code"]
        assert execute(client, code, task=SPEC["task"])["status"] == "success"
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        for child in children.read_text().split():
            if b"local_model_child" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)
        result = execute(client, code, task=SPEC["task"])
    assert (result["status"], result["stdout"]) == ("success", "The capital of France is Paris.\n")


# ---------------------------------------------------------------- who may talk to the server


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example"}, "host_not_allowed"),
        ({"Host": "127.0.0.1.evil.example"}, "host_not_allowed"),
        ({"Host": "[::1"}, "host_not_allowed"),
        ({"Origin": "http://evil.example"}, "origin_not_allowed"),
        ({"Origin": "null"}, "origin_not_allowed"),
        ({"Origin": "http://localhost:1"}, "origin_not_allowed"),
        ({"Sec-Fetch-Site": "cross-site"}, "origin_not_allowed"),
    ],
)
def test_requests_from_other_sites_are_refused(
    client: httpx.Client, headers: dict[str, str], code: str
) -> None:
    for method, path in (("POST", "/api/execute"), ("GET", "/api/runs")):
        answer = client.request(method, path, headers=headers, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_own_origin_is_taken(server: Serving, client: httpx.Client) -> None:
    origin = server.base.rstrip("/")
    assert client.post("/api/generate", json=SPEC, headers={"Origin": origin}).status_code == 200


def test_body_that_is_not_json_is_415(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/api/execute", content=b"{}", headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (415, "json_only")


def test_huge_body_is_refused_before_it_is_read(client: httpx.Client) -> None:
    body = b" " * (9 * 2**20)
    answer = client.post("/api/execute", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_token_is_needed_where_one_is_set(serve: ServerFactory) -> None:
    server = serve("--token", "let-me-in")
    assert server.url.endswith("#token=let-me-in")
    with server.client() as client:
        refused = client.get("/api/catalog")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_required")
        assert client.get("/metrics").status_code == 401
        assert client.get("/openapi.json").status_code == 401
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200
        wrong = {"Authorization": "Bearer let-me-out"}
        assert client.get("/api/catalog", headers=wrong).status_code == 401
        right = {"Authorization": "Bearer let-me-in"}
        assert client.get("/api/catalog", headers=right).status_code == 200
        assert client.post("/api/session", json={"token": "no"}).status_code == 401
        answer = client.post("/api/session", json={"token": "let-me-in"})
        assert answer.status_code == 204
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert client.get("/api/catalog").status_code == 200


def test_names_beyond_loopback_need_a_token(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_ALLOWED_HOSTS="builder.example")
    token = server.url.partition("#token=")[2]
    assert len(token) > 20
    with server.client() as client:
        host = {"Host": "builder.example"}
        assert client.get("/api/catalog", headers=host).status_code == 401
        host["Authorization"] = f"Bearer {token}"
        assert client.get("/api/catalog", headers=host).status_code == 200


# ---------------------------------------------------------------- operations


def test_health_names_each_component(client: httpx.Client) -> None:
    body = client.get("/healthz").json()
    assert body["status"] == "ok"
    assert set(body["components"]) == {"store", "sandbox", "local_model"}
    assert set(body["components"].values()) == {"ok"}


def test_metrics_count_runs_by_outcome_and_backend(serve: ServerFactory) -> None:
    server = serve()
    with server.client() as client:
        execute(client, "print(1)")
        execute(client, "1/0")
        text = client.get("/metrics").text
    assert re.search(r'agent_builder_runs_total\{backend="local",status="success"\} 1\.0', text)
    assert re.search(r'agent_builder_runs_total\{backend="local",status="error"\} 1\.0', text)
    assert 'agent_builder_run_duration_seconds_count{backend="local"} 2.0' in text
    assert "agent_builder_runs_in_flight 0.0" in text
    assert "http_request_duration_seconds" in text


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


def test_openapi_describes_every_route(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/catalog", "/api/generate", "/api/execute", "/api/runs"} <= set(paths)
    assert {"get", "delete"} <= set(paths["/api/runs/{run_id}"])


def test_plain_uvicorn_serves_loopback_without_a_token(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-m", "uvicorn", "server.main:app", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=root,
        env=bare_environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "running on" in line)
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url is not None
        assert httpx.get(f"{url[0]}/api/catalog", trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)


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
    result = execute(client, "import time\nprint(1)\ntime.sleep(0.5)")
    assert 0 < result["time_to_first_output"] < result["duration"] - 0.4
