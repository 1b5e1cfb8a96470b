"""Upstreams that fail in different ways: the agent and the event see it, and nothing leaks.

`observe` checks after every fault what must always be true: the run's way out closes, no connection
and no task is left, no key is in what the agent got or in the event, and the next call works.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import aiohttp
import anthropic
import pytest

from llm_agent_builder.providers import ProviderEnum
from server.gateway.gateway import Grant, Upstream
from server.gateway.timeouts import Timeouts
from server.secret import Secret
from tests.support.gateway_client import KEY, Seen, asking, bearer, eventually, through
from tests.support.raw_upstream import Wire, raw_upstream
from tests.support.upstream import Answer, message, message_events, scripted

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SSE_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def read_all(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, Any, bytes, str]:
    """Make a call; return status, headers, the received part of the body, and how it broke off."""
    async with session.post("/v1/messages", json=asking(), headers=bearer(grant)) as answer:
        body = bytearray()
        try:
            async for piece in answer.content.iter_any():
                body += piece
        except aiohttp.ClientError as error:
            return answer.status, answer.headers, bytes(body), type(error).__name__
        return answer.status, answer.headers, bytes(body), ""


def others_than(current: asyncio.Task[Any] | None) -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if not task.done()} - {current}


def observe(upstream: str, **options: Any) -> Seen:
    """Make one call through the gateway, and check what must be true after any fault."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> Any:
        found = await asyncio.wait_for(read_all(session, grant), 60)
        await session.close()
        await eventually(lambda: not grant.open_connections)
        await eventually(lambda: len(others_than(asyncio.current_task())) <= 1)
        return found

    seen = through(upstream, client, **options)
    assert len(seen.calls) == 1
    assert KEY not in repr(seen.result) + json.dumps(seen.calls)
    return seen


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 529])
def test_error_of_the_provider_raises_the_sdks_own_exception(status: int) -> None:
    body = b'{"type": "error", "error": {"type": "some_error", "message": "as it is"}}'
    headers = {"retry-after": "7", "request-id": "req_1", "Content-Type": "application/json"}

    async def client(session: aiohttp.ClientSession, grant: Grant) -> anthropic.APIStatusError:
        sdk = anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{grant.port}",
            api_key=grant.token.reveal(),
            max_retries=0,
        )
        async with sdk:
            with pytest.raises(anthropic.APIStatusError) as raised:
                await sdk.messages.create(**asking())
        return raised.value

    with scripted(lambda _: Answer(status, headers, body)) as upstream:
        seen = through(upstream.url, client)
    error = seen.result
    assert (error.status_code, error.request_id) == (status, "req_1")
    assert error.response.headers["retry-after"] == "7"
    assert error.body == json.loads(body)
    assert seen.calls[0]["http.response.status_code"] == status
    assert seen.calls[0]["gen_ai.usage.input_tokens"] is None
    assert seen.calls[0]["cost_usd"] is None


def test_malformed_json_is_passed_on_and_its_usage_is_unknown() -> None:
    broken = b'{"usage": {"input_tokens": 3, "output_'
    with scripted(lambda _: Answer(body=broken)) as upstream:
        seen = observe(upstream.url)
    assert seen.result[2] == broken
    assert seen.calls[0]["gen_ai.usage.input_tokens"] is None


def test_malformed_events_are_passed_on_and_the_good_ones_read() -> None:
    first, *rest = message_events("a")
    chunks = [first, b"data: {nonsense\n\n", b"\xff\xfe\n\n", b"data: []\n\n", *rest]
    answer = Answer(headers={"Content-Type": "text/event-stream"}, chunks=chunks)
    with scripted(lambda _: answer) as upstream:
        seen = observe(upstream.url)
    assert seen.result[2] == b"".join(chunks)
    assert seen.calls[0]["gen_ai.usage.output_tokens"] == 5


def cut_mid_event(connection: socket.socket) -> None:
    connection.sendall(SSE_HEAD + chunked(message_events("a")[0] + b"event: content_bl"))


def stalling(connection: socket.socket) -> None:
    connection.sendall(SSE_HEAD + chunked(message_events("a")[0]))
    connection.recv(1)


def slow_drip(connection: socket.socket) -> None:
    connection.sendall(SSE_HEAD)
    while True:
        connection.sendall(chunked(b": ping\n\n"))
        time.sleep(0.1)


def early_close(connection: socket.socket) -> None:
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (cut_mid_event, "cut: ClientPayloadError"),
        (stalling, "cut: TimeoutError"),
        (slow_drip, "cut: TimeoutError"),
        (early_close, "cut: ClientPayloadError"),
    ],
)
def test_answer_that_does_not_end_as_it_should_is_cut_for_the_agent_too(
    wire: Wire, error: str
) -> None:
    short: dict[Wire, Timeouts] = {stalling: Timeouts(idle=0.5), slow_drip: Timeouts(total=1.5)}
    with raw_upstream(wire) as upstream:
        seen = observe(upstream.url, timeouts=short.get(wire, Timeouts()))
    assert seen.result[3] in {"ClientPayloadError", "ClientOSError", "ServerDisconnectedError"}
    assert seen.calls[0]["error.type"] == error
    assert seen.calls[0]["gen_ai.usage.output_tokens"] is None


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def closing(connection: socket.socket) -> None:
    """Send nothing and close."""


def nonsense(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def endless_head(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100_000):
        connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 1000))


def odd_status(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("wire", "status"),
    [(silent, 504), (closing, 502), (nonsense, 502), (endless_head, 502), (odd_status, 502)],
)
def test_silent_upstream_is_reported_in_the_providers_format(wire: Wire, status: int) -> None:
    timeouts = Timeouts(first_byte=0.5) if wire is silent else Timeouts()
    with raw_upstream(wire) as upstream:
        seen = observe(upstream.url, timeouts=timeouts)
    found, _, body, _ = seen.result
    assert found == status
    assert json.loads(body)["error"]["type"] == ("timeout_error" if status == 504 else "api_error")
    assert seen.calls[0]["error.type"] is not None


def http_1_0(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + message("hi"))


def trailing_garbage(connection: socket.socket) -> None:
    body = message("hi")
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    connection.sendall(HEAD + length + body + b"HTTP/1.1 200 OK\r\nX-Poison: 1\r\n\r\ngarbage")
    connection.recv(1)


@pytest.mark.parametrize("wire", [http_1_0, trailing_garbage])
def test_odd_but_whole_answer_arrives_whole_and_nothing_of_it_is_left(wire: Wire) -> None:
    with raw_upstream(wire) as upstream:

        async def twice(session: aiohttp.ClientSession, grant: Grant) -> list[Any]:
            return [await read_all(session, grant) for _ in range(2)]

        seen = through(upstream.url, twice)
    for status, headers, body, error in seen.result:
        assert (status, body, error) == (200, message("hi"), "")
        assert "X-Poison" not in headers
    assert [call["gen_ai.usage.output_tokens"] for call in seen.calls] == [5, 5]


@pytest.mark.parametrize(("mebibytes", "known"), [(50, 1), (100, None)])
def test_answer_of_many_megabytes_passes_whole_and_is_read_up_to_a_limit(
    mebibytes: int, known: int | None
) -> None:
    piece = b'"' + b"x" * (2**20 - 3) + b'",'
    end = b'0],"usage":{"input_tokens":1,"output_tokens":1}}'

    def large(connection: socket.socket) -> None:
        body_length = len(b'{"a":[') + mebibytes * len(piece) + len(end)
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % body_length + b'{"a":[')
        for _ in range(mebibytes):
            connection.sendall(piece)
        connection.sendall(end)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        size = 0
        async with session.post("/v1/messages", json=asking(), headers=bearer(grant)) as answer:
            async for part in answer.content.iter_any():
                size += len(part)
        return size

    with raw_upstream(large) as upstream:
        seen = through(upstream.url, client)
    assert seen.result > mebibytes * 2**20
    assert seen.calls[0]["gen_ai.usage.input_tokens"] == known


def test_agent_that_disconnects_before_the_response_closes_the_upstream_connection() -> None:
    ended: list[bool] = []

    def wait(connection: socket.socket) -> None:
        connection.recv(1)
        ended.append(True)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        call = asyncio.create_task(read_all(session, grant))
        await eventually(lambda: upstream.requests)
        call.cancel()
        await session.close()
        await eventually(lambda: ended)

    with raw_upstream(wait) as upstream:
        seen = through(upstream.url, client)
    assert seen.calls[0]["error.type"] == "client_disconnected"


def test_connection_is_reused_for_the_same_key_only() -> None:
    peers: list[Any] = []

    def wire(connection: socket.socket) -> None:
        peers.append(connection)
        body = message("hi")
        for _ in range(2):
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            while (piece := connection.recv(65536)) and b"\r\n\r\n" not in piece:
                pass

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        for expected in (1, 1, 2):
            await read_all(session, grant)
            assert len(peers) == expected

    keys = iter(["key-a", "key-a", "key-b"])

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream.url, Secret(next(keys)))

    with raw_upstream(wire) as upstream:
        through(policy, client)
