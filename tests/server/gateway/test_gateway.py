"""The gateway, between a real client and a scripted upstream."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

import aiohttp
import pytest
from yarl import URL

from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import ProviderEnum
from server.gateway.gateway import (
    Gateway,
    Grant,
    ModelCall,
    Upstream,
)
from tests.support.gateway_client import KEY, ask, bearer, eventually, through
from tests.support.raw_upstream import raw_upstream
from tests.support.upstream import Answer, Received, message, message_events, scripted


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_real_key_replaces_the_run_token_in_the_form_the_sdk_used(header: str) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        token = grant.token.reveal()
        value = token if header == "x-api-key" else f"Bearer {token}"
        await ask(session, grant, headers={header: value, "Cookie": "a=b"})

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        through(upstream.url, client)
    headers = upstream.received[0].headers
    expected = KEY if header == "x-api-key" else f"Bearer {KEY}"
    assert headers[header.lower()] == expected
    assert "cookie" not in headers
    assert headers["host"] == upstream.url.removeprefix("http://")


def test_bodies_are_relayed_unchanged() -> None:
    sent = b'{ "model":"m", "x": "\xc3\xa9" }'
    got = b'{"odd":   [1]}\n'

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        return await ask(session, grant, json=None, data=sent)

    with scripted(lambda _: Answer(body=got)) as upstream:
        seen = through(upstream.url, client)
    assert upstream.received[0].body == sent
    assert seen.result == (200, got)


def test_wrong_token_is_401_in_the_providers_own_format() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        headers = {"Authorization": "Bearer wrong", "anthropic-version": "1"}
        return await ask(session, grant, headers=headers)

    with scripted(lambda _: Answer()) as upstream:
        seen = through(upstream.url, client)
    status, body = seen.result
    assert status == 401
    assert json.loads(body)["error"]["type"] == "authentication_error"
    assert upstream.received == []
    assert seen.calls == []


def test_token_of_another_run_is_401() -> None:
    async def policy(provider: ProviderEnum) -> Upstream:
        raise AssertionError("not asked")

    async def inside() -> int:
        gateway = Gateway(environ={})
        await gateway.start()
        mine = await gateway.open(policy, lambda call: None)
        other = await gateway.open(policy, lambda call: None)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{mine.port}") as session:
                return (await ask(session, other))[0]
        finally:
            await mine.close()
            await other.close()
            await gateway.close()

    assert asyncio.run(inside()) == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("POST", "/v1/files"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/%6dessages"),
        ("POST", "//v1/messages"),
        ("POST", "/v1/../v1/messages"),
        ("DELETE", "/v1/models"),
        ("POST", "/"),
    ],
)
def test_other_route_is_403_with_the_reason(method: str, path: str) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, str]:
        url = URL(f"http://127.0.0.1:{grant.port}{path}", encoded=True)
        async with aiohttp.request(method, url, headers=bearer(grant)) as answer:
            return answer.status, await answer.text()

    with scripted(lambda _: Answer()) as upstream:
        status, text = through(upstream.url, client).result
    assert (status, upstream.received) == (403, [])
    assert "only reach the model API" in text


def test_stream_is_passed_on_chunk_by_chunk() -> None:
    chunks = message_events("a", "b", "c")
    arrived = threading.Semaphore(0)

    def wire(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if not arrived.acquire(timeout=60):  # before the next one is sent
                return
        connection.sendall(b"0\r\n\r\n")

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        body = b""
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            async for piece in answer.content.iter_any():
                body += piece
                if body in {b"".join(chunks[:number]) for number in range(1, len(chunks) + 1)}:
                    arrived.release()
        return body

    with raw_upstream(wire) as upstream:
        seen = through(upstream.url, client)
    [call] = seen.model_calls
    assert seen.result == b"".join(chunks)
    assert call.time_to_first_chunk is not None
    assert call.time_to_first_chunk < call.duration


def test_errors_and_their_headers_pass_through_as_they_are() -> None:
    headers = {"retry-after": "7", "request-id": "req_1", "Set-Cookie": "a=b"}

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes, Any]:
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            return answer.status, await answer.read(), answer.headers

    with scripted(lambda _: Answer(529, headers, b'{"type":"error"}')) as upstream:
        seen = through(upstream.url, client)
    status, body, got = seen.result
    [call] = seen.model_calls
    assert (status, body) == (529, b'{"type":"error"}')
    assert (got["retry-after"], got["request-id"]) == ("7", "req_1")
    assert "Set-Cookie" not in got
    assert call.status == 529


def test_redirect_is_not_followed_with_the_key() -> None:
    def script(request: Received) -> Answer:
        assert request.path == "/v1/messages"
        return Answer(307, {"Location": "/v1/elsewhere"})

    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        async with session.post(
            "/v1/messages", json={}, headers=bearer(grant), allow_redirects=False
        ) as answer:
            return answer.status

    with scripted(script) as upstream:
        status = through(upstream.url, client).result
    assert status == 307
    assert len(upstream.received) == 1


def test_stream_cut_by_the_upstream_is_cut_for_the_agent_too() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            await answer.read()

    cut = Answer(chunks=message_events("a")[:1], cut=True)
    with scripted(lambda _: cut) as upstream, pytest.raises(aiohttp.ClientPayloadError):
        through(upstream.url, client)


def test_upstream_that_is_not_there_is_502_in_the_providers_form_without_secrets() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        return await ask(session, grant)

    seen = through("http://127.0.0.1:9", client)
    status, body = seen.result
    [call] = seen.model_calls
    assert status == 502
    error = json.loads(body)["error"]
    assert error["type"] == "api_error"
    assert "no answer from 127.0.0.1" in error["message"]
    assert KEY not in json.dumps(call.to_wire()) + body.decode()


def test_agent_that_disconnects_stops_the_upstream() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            await answer.content.readany()
        await session.close()
        await eventually(lambda: upstream.broken_pipes)

    chunks = [b": ping\n\n"] * 5000
    with scripted(lambda _: Answer(chunks=chunks, pause=0.02)) as upstream:
        through(upstream.url, client)
    assert 0 < len(upstream.sent_at) < len(chunks)


def test_unavailable_backend_is_403_with_a_remedy() -> None:
    calls: list[ModelCall] = []

    async def policy(provider: ProviderEnum) -> Upstream:
        raise BackendUnavailableError("set ANTHROPIC_API_KEY")

    async def inside() -> tuple[int, bytes]:
        gateway = Gateway(environ={})
        await gateway.start()
        grant = await gateway.open(policy, calls.append)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{grant.port}") as session:
                return await ask(session, grant)
        finally:
            await grant.close()
            await gateway.close()

    status, body = asyncio.run(inside())
    assert status == 403
    assert b"set ANTHROPIC_API_KEY" in body
    assert calls[0].error == "permission_error"


def test_response_without_usage_leaves_it_unknown() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        await ask(session, grant, json={"model": "claude-sonnet-5-5"})

    with scripted(lambda _: Answer(body=b"{}")) as upstream:
        [call] = through(upstream.url, client).model_calls
    assert call.provider == "anthropic"
    assert call.request_model == "claude-sonnet-5-5"
    assert call.status == 200
    assert call.usage is None
    assert call.cost_usd is None


def test_closed_grant_answers_no_request() -> None:
    async def policy(provider: ProviderEnum) -> Upstream:
        raise AssertionError("not asked")

    async def inside() -> None:
        gateway = Gateway(environ={})
        await gateway.start()
        grant = await gateway.open(policy, lambda call: None)
        await grant.close()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{grant.port}") as session:
            try:
                await ask(session, grant)
            finally:
                await gateway.close()

    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(inside())
