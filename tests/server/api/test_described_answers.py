"""The OpenAPI document describes every route, and the real answers match it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from jsonschema import Draft202012Validator

from server.api.errors import ERRORS
from server.api.events import ExitData, RunEvent
from server.api.schemas import ErrorCode
from server.main import create_app
from server.settings import load_settings
from server.storage.records import RunResult
from server.storage.store import Store
from tests.support.api_client import SPEC, events_of
from tests.support.described import Described, Operation
from tests.support.serving import ServerFactory, wait_until

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "token-of-" + "this-test"
OPEN = {("get", "/healthz"), ("post", "/api/session")}
TOUCHES_EVERYTHING = """
import pathlib, socket, sys
print("text")
print("more", file=sys.stderr)
pathlib.Path("left.txt").write_text("left")
pathlib.Path("left.bin").write_bytes(b"\\xff")
try:
    socket.create_connection(("192.0.2.1", 9), 1)
except OSError as error:
    raise SystemExit(f"no network: {error}")
"""
FILLS_ITS_OUTPUT = "print('x' * 5000)"
OPENAI_AGENT = (
    "from agents import Agent, Runner\n"
    "agent = Agent(name='Greeter', instructions='Greet.', output_guardrails=[])\n"
    "print(Runner.run_sync(agent, 'hi').final_output)\n"
)


def written_document() -> bytes:
    script = [sys.executable, str(ROOT / "scripts" / "make_openapi.py")]
    return subprocess.run(script, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def document() -> bytes:
    return written_document()


@pytest.fixture(scope="module")
def described(document: bytes) -> Described:
    return Described(json.loads(document))


def test_every_route_describes_its_answer_and_its_errors(described: Described) -> None:
    routes = {
        (method.lower(), context.path_format)
        for context in iter_route_contexts(create_app(settings=load_settings()).routes)
        if isinstance(context.original_route, APIRoute) and context.path != "/"
        for method in context.methods or ()
    }
    assert routes == described.operations().keys()
    for name, operation in described.operations().items():
        problems = list(_undescribed(name, operation))
        assert not problems, (name, problems)


def _undescribed(name: Operation, operation: dict[str, Any]) -> Iterator[str]:
    responses = operation["responses"]
    expected = {"403", "500", "default"} | (set() if name in OPEN else {"401"})
    if "requestBody" in operation:
        expected |= {"413", "415", "422", "503"}
    if "{run_id}" in name[1]:
        expected |= {"404", "503"}
    yield from expected - responses.keys()
    if not any(status.startswith("2") for status in responses):
        yield "no success"
    for status, response in responses.items():
        if status != "204" and not all(each["schema"] for each in _contents(response)):
            yield f"{status} has no schema"
        if status == "429" and "Retry-After" not in response["headers"]:
            yield "429 without Retry-After"
    if not operation["tags"] or len(operation["description"]) < 20:
        yield "no tag or description"


def _contents(response: dict[str, Any]) -> list[dict[str, Any]]:
    return list(response.get("content", {}).values()) or [{"schema": None}]


def test_operations_have_short_unique_names(described: Described) -> None:
    names = [each["operationId"] for each in described.operations().values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", name) for name in names), names


def test_every_schema_is_valid_and_every_reference_leads_to_one(described: Described) -> None:
    schemas = described.document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    named = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described.document))
    assert set(named) <= schemas.keys()
    assert len(named) > 100


def test_table_of_errors_has_every_code_once() -> None:
    codes = [kind.code for kind in ERRORS]
    assert sorted(codes) == sorted(get_args(ErrorCode))


def test_document_is_written_as_the_server_serves_it_and_always_the_same(
    client: httpx.Client, document: bytes
) -> None:
    assert client.get("/openapi.json").json() == json.loads(document)
    assert written_document() == document


# ---------------------------------------------------------------- real answers


class Asked:
    """Asks a server, and notes how its answers differ from their descriptions."""

    def __init__(self, client: httpx.Client, described: Described) -> None:
        self.client = client
        self.described = described
        self.seen: set[tuple[Operation, int]] = set()
        self.problems: list[str] = []

    def __call__(
        self, method: str, path: str, *, of: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        answer = self.client.request(method, path.format(**of or {}), **more)
        operation = (method.lower(), path)
        self.seen.add((operation, answer.status_code))
        self.problems += self.described.problems(operation, answer)
        return answer


def ask_for_agents(ask: Asked) -> str:
    code: str = ask("POST", "/api/generate", json=SPEC).json()["code"]
    ask("POST", "/api/inspect", json={"provider": SPEC["provider"], "tools": [code]})
    edited = code + "\n# by hand\n"
    ask("POST", "/api/generate", json={**SPEC, "base": edited, "prompt": "Other."})
    assert ask("POST", "/api/read", json={"code": edited}).json()["edits"]
    spec_file = {"code": "stream: maybe", "filename": "a.yaml"}
    assert ask("POST", "/api/read", json=spec_file).json()["ignored"]
    assert ask("POST", "/api/import", json={"code": OPENAI_AGENT}).json()["report"]
    retired = code.replace(SPEC["model"], "claude-3-5-haiku-20241022")
    assert ask("POST", "/api/upgrade", json={"code": retired}).json()["successors"]
    ask("GET", "/api/spec-schema")
    return code


def ask_for_runs(ask: Asked, code: str) -> set[str]:
    """Run programs that cause all kinds of events; return the kinds that were sent."""
    run = ask("POST", "/api/execute", json={"code": TOUCHES_EVERYTHING, "task": "x"}).json()
    limits = {"output_kib": 1}
    full = {"code": FILLS_ITS_OUTPUT, "task": "x", "limits": limits}
    asked = {"code": code, "task": "x", "backend": "local", "record": True}
    calling = ask("POST", "/api/execute", json=asked).json()
    over = {**asked, "budget": {"calls": 0}}
    ids = [run["run_id"], calling["run_id"]]
    ids += [ask("POST", "/api/runs", json=each).json()["id"] for each in (full, over)]
    kinds = set()
    for run_id in ids:
        events = ask("GET", "/api/runs/{run_id}/events", of={"run_id": run_id})
        kinds |= {kind for _, kind, _ in events_of(events.text)}
        ask("GET", "/api/runs/{run_id}", of={"run_id": run_id})
    ask("GET", "/api/runs/{run_id}/cassette", of={"run_id": calling["run_id"]})
    for name in ("left.txt", "left.bin"):
        ask("GET", "/api/runs/{run_id}/files/{name}", of={"run_id": run["run_id"], "name": name})
    return kinds


def ask_for_a_cancelled_run(ask: Asked) -> None:
    program = {"code": "import time; time.sleep(60)", "task": "x"}
    going = {"run_id": ask("POST", "/api/runs", json=program).json()["id"]}

    def status() -> str:
        found: str = ask("GET", "/api/runs/{run_id}", of=going).json()["status"]
        return found

    wait_until(lambda: status() == "running")
    ask("DELETE", "/api/runs/{run_id}", of=going)
    assert status() == "cancelled"
    ask("GET", "/api/runs")


def test_answers_of_every_route_are_as_described(
    client: httpx.Client, described: Described
) -> None:
    ask = Asked(client, described)
    ask("GET", "/api/catalog")
    kinds = ask_for_runs(ask, ask_for_agents(ask))
    ask_for_a_cancelled_run(ask)
    ask("POST", "/api/session", json={"token": "any"})
    ask("GET", "/healthz")
    ask("GET", "/metrics")
    assert not ask.problems
    assert {operation for operation, _ in ask.seen} == described.operations().keys()
    assert kinds == {"started", "output", "model_call", "denied", "limit", "exit"}


def test_errors_are_as_described(client: httpx.Client, described: Described) -> None:
    ask = Asked(client, described)
    code = ask("POST", "/api/generate", json=SPEC).json()["code"]
    mine = code.replace("Geographer", "Mapmaker", 1).replace(SPEC["prompt"], "Mine.")
    ask("POST", "/api/generate", json={**SPEC, "name": "9", "model": ""})
    ask("POST", "/api/generate", json={**SPEC, "model": "no-such-model"})
    ask("POST", "/api/generate", json={**SPEC, "base": mine, "prompt": "Theirs."})
    ask("POST", "/api/generate", content=b"{", headers={"Content-Type": "application/json"})
    ask("POST", "/api/read", content=b"{}", headers={"Content-Type": "text/plain"})
    ask("POST", "/api/read", json={"code": "print(1)"})
    ask("POST", "/api/read", json={"code": "a: [", "filename": "a.yaml"})
    ask("POST", "/api/import", json={"code": "print(1)"})
    ask("POST", "/api/session", json={"token": "x" * 5000})
    ask("POST", "/api/runs", json={"code": code, "task": "x", "backend": "provider"})
    ask("GET", "/api/runs", params={"limit": 0})
    for path in ("", "/events", "/cassette", "/files/{name}"):
        ask("GET", "/api/runs/{run_id}" + path, of={"run_id": "none", "name": "x"})
    ask("DELETE", "/api/runs/{run_id}", of={"run_id": "none"})
    ask("GET", "/api/catalog", headers={"Host": "elsewhere.example"})
    assert not ask.problems
    assert {status for _, status in ask.seen} == {200, 403, 404, 409, 413, 415, 422}


def test_refusals_of_a_server_with_a_token_that_can_not_run_code_are_as_described(
    serve: ServerFactory, described: Described
) -> None:
    with serve("--token", TOKEN, AGENT_BUILDER_SANDBOX_TIER="limits").client() as client:
        ask = Asked(client, described)
        ask("GET", "/metrics")
        ask("POST", "/api/session", json={"token": "wrong"})
        ask("GET", "/healthz")
        signed_in = {"Authorization": f"Bearer {TOKEN}"}
        ask("POST", "/api/execute", json={"code": "1", "task": "x"}, headers=signed_in)
    assert not ask.problems
    assert {status for _, status in ask.seen} == {401, 503}


def test_end_that_the_history_makes_up_is_a_described_event(tmp_path: Path) -> None:
    store = Store(tmp_path)
    try:
        store.add_run("lost", code="", task="", backend="local")
        store.end_run("lost", RunResult(status="failed", reason="the server was killed"))
        [(seq, kind, data)] = store.events("lost")
    finally:
        store.close()
    event = RunEvent.model_validate({"id": seq, "event": kind, "data": data}).root
    assert (event.event, event.data) == (
        "exit",
        ExitData(status="failed", reason="the server was killed"),
    )


# ---------------------------------------------------------------- methods


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/execute", "POST"),
        ("HEAD", "/api/generate", "POST"),
        ("DELETE", "/api/catalog", "GET"),
        ("PUT", "/api/runs", "GET, POST"),
        ("PATCH", "/api/runs/x", "DELETE, GET"),
        ("OPTIONS", "/healthz", "GET"),
    ],
)
def test_method_that_a_path_does_not_take_is_405(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path, headers={"Content-Type": "application/json"})
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    if method != "HEAD":
        assert answer.json() == {"detail": "Method Not Allowed", "code": "method_not_allowed"}


def test_path_that_is_neither_route_nor_page_is_404(client: httpx.Client) -> None:
    for path in ("/api/nothing", "/nothing", "/api/runs/x/nothing"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_file_of_the_page_allows_only_get_and_head(client: httpx.Client) -> None:
    answer = client.post("/index.html", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
