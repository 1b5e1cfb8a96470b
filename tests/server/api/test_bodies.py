"""Hostile bodies are refused by every route, unparsed and with short messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_agent_builder.errors import ServerBusyError, TooLargeError
from server.api.bodies import SMALL_BYTES, Bodies
from tests.support.api_client import SPEC, fields

JSON = {"Content-Type": "application/json"}
PROGRAM = {"code": "print(1)", "task": "x"}
CALL = {
    "provider": "anthropic",
    "request": {"method": "POST", "path": "/v1/messages"},
    "response": {"status": 200, "headers": {}, "chunks": []},
}
ROUTES = [
    "/api/execute",
    "/api/runs",
    "/api/generate",
    "/api/inspect",
    "/api/read",
    "/api/import",
    "/api/upgrade",
    "/api/session",
]


def post(client: httpx.Client, path: str, body: bytes, **headers: str) -> httpx.Response:
    return client.post(path, content=body, headers={**JSON, **headers})


@pytest.mark.parametrize("path", [path for path in ROUTES if path != "/api/session"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"code": [' + b"0," * 300_000 + b"0]}", "has more than 250,000 values"),
        (b'{"code": [' + b"{}," * 100_000 + b"0]}", "has more than 250,000 values"),
        (b'{"code": ' + b"[" * 101 + b"]" * 101 + b"}", "more than 100 lists and objects"),
        (b'{"code": ' + b"[" * 100_000, "more than 100 lists and objects"),
        (b'{"code": ' + b"9" * 100_000 + b"}", "a number of more than 1,000 characters"),
        (b'{"code": NaN}', "NaN is not a JSON value"),
        (b'{"code": "\xff"}', "is not UTF-8"),
        (b'{"code": ', "is not JSON"),
    ],
    ids=["values", "objects", "depth", "brackets", "digits", "NaN", "UTF-8", "part"],
)
def test_body_that_is_not_json_or_too_complex_is_refused_by_each_route(
    client: httpx.Client, path: str, body: bytes, said: str
) -> None:
    answer = post(client, path, body)
    [problem] = answer.json()["detail"]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert said in problem["msg"]
    assert problem["loc"][0] == "body"


@pytest.mark.parametrize("route", ["/api/execute", "/api/runs"])
@pytest.mark.parametrize(
    ("place", "item"),
    [
        (["files"], 0),
        (["files"], {}),
        (["egress"], 0),
        (["replay", "calls"], {}),
        (["replay", "calls", 0, "response", "chunks"], 0),
        (["replay", "calls", 0, "response", "chunks"], {}),
    ],
)
def test_a_list_with_many_things_wrong_has_one_problem(
    client: httpx.Client, route: str, place: list[Any], item: Any
) -> None:
    body: dict[str, Any] = {**PROGRAM, "replay": {"calls": [CALL]}}
    body = json.loads(json.dumps(body))
    inner: Any = body
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = [item] * 50_000
    [problem] = client.post(route, json=body).json()["detail"]
    assert problem["loc"] == ["body", place[0]]


@pytest.mark.parametrize("field", ["tools", "stop_sequences", "mcp_servers"])
@pytest.mark.parametrize("item", [0, {}])
def test_a_list_of_a_spec_with_many_items_has_one_problem(
    client: httpx.Client, field: str, item: Any
) -> None:
    found = fields(client.post("/api/generate", json={**SPEC, field: [item] * 50_000}))
    assert list(found) == [field]


@pytest.mark.parametrize("field", ["command", "env"])
def test_a_list_of_an_mcp_server_with_many_items_has_one_problem(
    client: httpx.Client, field: str
) -> None:
    servers = [{"name": "a", "url": "https://example.com/mcp", field: [0] * 50_000}]
    found = fields(client.post("/api/generate", json={**SPEC, "mcp_servers": servers}))
    assert list(found) == [f"mcp_servers.0.{field}"]


def test_error_of_a_body_is_short_and_echoes_no_value(client: httpx.Client) -> None:
    crowd = {f"{number}" + "k" * 50_000: "secret" for number in range(90)}
    answer = client.post("/api/execute", json={**PROGRAM, "limits": crowd, "backend": "secret"})
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) == 20
    assert len(answer.content) < 10_000
    assert "secret" not in answer.text


@pytest.mark.parametrize("path", ROUTES)
def test_lone_surrogates_in_keys_and_values_are_no_fault_of_the_server(
    client: httpx.Client, path: str
) -> None:
    for body in (b'{"\\ud800": 1}', b'{"provider": "\\ud800", "agent": "\\ud800"}'):
        assert post(client, path, body).status_code == 422


def test_compressed_body_is_refused(client: httpx.Client) -> None:
    for value in ("gzip", "identity, gzip", "br"):
        answer = post(client, "/api/read", b"{}", **{"Content-Encoding": value})
        assert (answer.status_code, answer.json()["code"]) == (415, "not_compressed")
    assert post(client, "/api/read", b"{}", **{"Content-Encoding": "identity"}).status_code == 422


def test_body_without_a_length_is_read_up_to_the_same_size(client: httpx.Client) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        yield b'{"code": "'
        for _ in range(size // 65_536):
            yield b"x" * 65_536
        yield b'"}'

    fits = client.post("/api/read", content=pieces(2**20), headers=JSON)
    assert (fits.status_code, fits.json()["code"]) == (422, "not_ours")
    large = client.post("/api/read", content=pieces(9 * 2**20), headers=JSON)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("path", ["/api/execute", "/api/runs", "/api/read", "/api/inspect"])
def test_only_routes_with_recordings_say_how_to_replay_larger_ones(
    client: httpx.Client, path: str, has_length: bool
) -> None:
    body = b" " * (9 * 2**20)
    content = body if has_length else iter([body])
    answer = client.post(path, content=content, headers=JSON)
    advice = "run --replay FILE" in answer.json()["detail"]
    assert (answer.status_code, advice) == (413, path in {"/api/execute", "/api/runs"})


def test_who_has_no_token_can_not_send_much(client: httpx.Client) -> None:
    answer = client.post("/api/session", json={"token": "x" * 5_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_the_largest_program_with_the_largest_files_is_taken(client: httpx.Client) -> None:
    code = "print(1)  # " + "\u0001" * (2**20 - 12)
    file = {"name": "a", "base64": "AAAA" * 2**18}
    escaped = json.dumps({"code": code, "task": "x", "files": [file]}).encode()
    assert len(escaped) > 7 * 2**20
    assert post(client, "/api/execute", escaped).json()["stdout"] == "1\n"
    binary = json.dumps({**PROGRAM, "files": [{"name": "a", "base64": "AAAA" * (2**20 + 2**18)}]})
    assert post(client, "/api/execute", binary.encode()).json()["status"] == "success"


# ---------------------------------------------------------------- at once


class _Request(Request):
    """A request whose body comes in pieces, and waits before its last one."""

    def __init__(self, pieces: list[bytes], last: asyncio.Event) -> None:
        super().__init__({"type": "http", "path": "/", "headers": []})
        self._pieces = pieces
        self._last = last

    async def stream(self) -> AsyncIterator[bytes]:  # type: ignore[override]
        yield self._pieces[0]
        await self._last.wait()
        for piece in self._pieces[1:]:
            yield piece


def test_bodies_that_are_read_at_once_share_one_amount() -> None:
    large = [b'"' + b"x" * (SMALL_BYTES + 1000), b'"']

    async def inside() -> None:
        bodies, last = Bodies(max_bytes=2500), asyncio.Event()
        waiting = [asyncio.create_task(bodies.read(_Request(large, last), 10**6)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ServerBusyError) as raised:
            await asyncio.wait_for(bodies.read(_Request(large, last), 10**6), 20)
        assert raised.value.retry_after > 0
        last.set()
        small = await bodies.read(_Request([b'"', b'x"'], last), 10**6)
        assert await small.json() == "x"
        for request in await asyncio.gather(*waiting):
            assert len(await request.json()) == SMALL_BYTES + 1000
        await bodies.read(_Request(large, last), 10**6)  # what they took up is free again

    asyncio.run(inside())


def test_body_that_is_too_large_is_not_read_to_its_end() -> None:
    async def inside() -> None:
        never = asyncio.Event()
        with pytest.raises(TooLargeError, match="limited to 10 bytes"):
            await Bodies().read(_Request([b"x" * 11, b"x"], never), 10)

    asyncio.run(inside())


# ---------------------------------------------------------------- fuzz

_keys = st.sampled_from(
    [
        "code",
        "task",
        "files",
        "replay",
        "limits",
        "budget",
        "egress",
        "calls",
        "response",
        "chunks",
        "name",
        "provider",
        "tools",
        "mcp_servers",
        "answer",
        "token",
        "to",
        "�",
    ]
)
_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
_values = st.recursive(
    _leaves | st.just("\ud800\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("path", ROUTES)
def test_no_body_is_a_fault_of_the_server(client: httpx.Client, path: str) -> None:
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(_values, st.sampled_from(["utf-8", "utf-16", "utf-32"]), st.booleans())
    def try_all(value: Any, encoding: str, cut: bool) -> None:
        if isinstance(value, dict):
            value.pop("code", None) if path in ROUTES[:2] else None  # nothing is to be run
        body = json.dumps(value).encode(encoding)
        answer = post(client, path, body[: len(body) // 2] if cut else body)
        assert answer.status_code < 500, answer.text
        assert answer.headers["content-type"].startswith("application/json") or not answer.content

    try_all()


@pytest.mark.parametrize(
    "path",
    [
        "/%00",
        "/%ff",
        "/" + "a" * 30_000,
        "/" + "%2e%2e%2f" * 1000,
        "/api/runs/%00",
        "/api/runs/%00/events",
        "/api/runs/%00/cassette",
        "/api/runs/%00/files/%00",
        "/api/runs/" + "x" * 30_000,
        "/api/runs?limit=" + "9" * 5000,
        "/api/runs?before=%00",
        "/api/runs?before=" + "x" * 30_000,
    ],
)
def test_no_path_is_a_fault_of_the_server(client: httpx.Client, path: str) -> None:
    for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
        answer = client.request(method, path)
        assert 400 <= answer.status_code < 500 or answer.status_code == 200, (method, answer.text)
        assert len(answer.content) < 50_000


def test_unknown_methods_make_one_series_in_the_metrics(client: httpx.Client) -> None:
    for number in range(3):
        assert client.request(f"BREW{number}", "/api/runs").status_code == 405
    text = client.get("/metrics").text
    assert "BREW" not in text
    assert 'method="UNKNOWN"' in text
