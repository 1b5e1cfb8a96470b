"""The gateway, between a real client and a scripted upstream."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from yarl import URL

from llm_agent_builder.errors import BackendUnavailableError
from llm_agent_builder.providers import ProviderEnum
from server.gateway.gateway import (
    MAX_BODY,
    MAX_CONNECTIONS,
    Gateway,
    Grant,
    ModelCall,
    Upstream,
    tls_context,
)
from server.secret import Secret
from tests.support.upstream import Answer, Received, message, message_events, scripted

KEY = "canary-key-" + "42"
Client = Callable[[aiohttp.ClientSession, Grant], Awaitable[Any]]


def through(
    upstream: str, client: Client, environ: dict[str, str] | None = None
) -> tuple[Any, list[ModelCall]]:
    """Open a way out to `upstream`, let `client` use it; return its result and the calls seen."""
    calls: list[ModelCall] = []

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", upstream, Secret(KEY))

    async def inside() -> Any:
        gateway = Gateway(environ=environ or {})
        await gateway.start()
        grant = await gateway.open(policy, calls.append)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{grant.port}") as session:
                return await client(session, grant)
        finally:
            await grant.close()
            await gateway.close()

    return asyncio.run(inside()), calls


def bearer(grant: Grant) -> dict[str, str]:
    return {"Authorization": f"Bearer {grant.token.reveal()}", "anthropic-version": "2023-06-01"}


async def ask(session: aiohttp.ClientSession, grant: Grant, **options: Any) -> tuple[int, bytes]:
    options = {"json": {"model": "m"}, "headers": bearer(grant), **options}
    async with session.post("/v1/messages", **options) as answer:
        return answer.status, await answer.read()


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
        result, _ = through(upstream.url, client)
    assert upstream.received[0].body == sent
    assert result == (200, got)


def test_wrong_token_is_401_in_the_providers_own_format() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        headers = {"Authorization": "Bearer wrong", "anthropic-version": "1"}
        return await ask(session, grant, headers=headers)

    with scripted(lambda _: Answer()) as upstream:
        (status, body), calls = through(upstream.url, client)
    assert status == 401
    assert json.loads(body)["error"]["type"] == "authentication_error"
    assert upstream.received == []
    assert calls == []


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
        (status, text), _ = through(upstream.url, client)
    assert (status, upstream.received) == (403, [])
    assert "only reach the model API" in text


def test_stream_is_passed_on_chunk_by_chunk() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[bytes, list[float]]:
        arrived: list[float] = []
        body = b""
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            async for chunk in answer.content.iter_any():
                arrived.append(time.monotonic())
                body += chunk
        return body, arrived

    chunks = message_events("a", "b", "c")
    with scripted(lambda _: Answer(chunks=chunks, pause=0.2)) as upstream:
        (body, arrived), [call] = through(upstream.url, client)
    assert body == b"".join(chunks)
    assert arrived[0] < upstream.sent_at[1]
    assert call.time_to_first_chunk is not None
    assert call.time_to_first_chunk < call.duration


def test_errors_and_their_headers_pass_through_as_they_are() -> None:
    headers = {"retry-after": "7", "request-id": "req_1", "Set-Cookie": "a=b"}

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes, Any]:
        async with session.post("/v1/messages", json={}, headers=bearer(grant)) as answer:
            return answer.status, await answer.read(), answer.headers

    with scripted(lambda _: Answer(529, headers, b'{"type":"error"}')) as upstream:
        (status, body, got), [call] = through(upstream.url, client)
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
        status, _ = through(upstream.url, client)
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

    (status, body), [call] = through("http://127.0.0.1:9", client)
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
        for _ in range(100):
            if upstream.broken_pipes:
                return
            await asyncio.sleep(0.05)

    chunks = [b": ping\n\n"] * 200
    with scripted(lambda _: Answer(chunks=chunks, pause=0.02)) as upstream:
        through(upstream.url, client)
    assert upstream.broken_pipes


def test_request_that_is_too_large_is_413() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        async def endless() -> Any:
            for _ in range(MAX_BODY // 2**20 + 1):
                yield b"x" * 2**20

        return (await ask(session, grant, json=None, data=endless()))[0]

    with scripted(lambda _: Answer()) as upstream:
        status, _ = through(upstream.url, client)
    assert (status, upstream.received) == (413, [])


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
        _, [call] = through(upstream.url, client)
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


# ---------------------------------------------------------------- proxy and certificates


@pytest.fixture
def tls_upstream(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, bundle


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_custom_certificates_are_trusted(
    tls_upstream: tuple[ssl.SSLContext, Path], variable: str
) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        return (await ask(session, grant))[0]

    context, bundle = tls_upstream
    with scripted(lambda _: Answer(body=message("hi")), tls=context) as upstream:
        assert through(upstream.url, client, {variable: str(bundle)})[0] == 200
        assert through(upstream.url, client, {})[0] == 502


def test_bundle_that_is_not_one_names_its_variable(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    with pytest.raises(Exception, match="SSL_CERT_FILE"):
        tls_context({"SSL_CERT_FILE": str(broken)})


def proxied(received: list[Received]) -> Callable[[Received], Answer]:
    def script(request: Received) -> Answer:
        received.append(request)
        return Answer(body=message("by proxy"))

    return script


@pytest.mark.matrix
def test_calls_to_providers_go_through_the_proxy_of_the_environment(
    serve: Callable[..., Any],
) -> None:
    seen: list[Received] = []
    with scripted(proxied(seen)) as proxy:
        server = serve(
            HTTP_PROXY=proxy.url,
            HTTPS_PROXY=proxy.url,
            ANTHROPIC_API_KEY=KEY,
            AGENT_BUILDER_ANTHROPIC_UPSTREAM="http://provider.example",
        )
        code = (
            "import os, urllib.request, anthropic\n"
            "print(anthropic.Anthropic().messages.create(model='m', max_tokens=5,"
            " messages=[{'role': 'user', 'content': 'x'}]).content[0].text)\n"
        )
        with server.client() as client:
            answer = client.post("/api/execute", json={"code": code, "task": "x"}).json()
    assert (answer["output"], answer["backend"]) == ("by proxy\n", "provider")
    assert seen[0].path == "http://provider.example/v1/messages"
    assert seen[0].headers["authorization"] == f"Bearer {KEY}"


# ---------------------------------------------------------------- one run against the gateway


def test_connections_of_one_run_are_limited() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, int]:
        idle = [
            await asyncio.open_connection("127.0.0.1", grant.port)
            for _ in range(MAX_CONNECTIONS + 5)
        ]
        await asyncio.sleep(0.2)
        ended = sum(reader.at_eof() for reader, _ in idle)
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.2)
        return ended, (await ask(session, grant))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        (ended, status), _ = through(upstream.url, client)
    assert (ended, status) == (5, 200)


@pytest.mark.parametrize("size", [10_000, 200])
def test_headers_of_a_request_are_limited(size: int) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        many = {f"X-{number}": "x" * size for number in range(1 if size > 8190 else 200)}
        return (await ask(session, grant, headers={**bearer(grant), **many}))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        status, _ = through(upstream.url, client)
    assert (status, upstream.received) == (400, [])


def test_requests_of_one_run_may_not_hold_more_than_their_share_of_memory() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        async def held() -> Any:
            yield b'{"model": "'
            for _ in range(18):
                yield b"x" * 2**20
            await asyncio.sleep(1)
            yield b'"}'

        async def one() -> int:
            return (await ask(session, grant, json=None, data=held()))[0]

        return sorted(await asyncio.gather(*(one() for _ in range(3))))

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        statuses, _ = through(upstream.url, client)
    assert statuses == [200, 200, 429]


def test_compressed_body_and_expectation_are_passed_on_as_they_are() -> None:
    packed = gzip.compress(b'{"model": "m"}')

    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        headers = {**bearer(grant), "Content-Encoding": "gzip"}
        options = {"json": None, "data": packed, "headers": headers}
        return (await ask(session, grant, expect100=True, **options))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        status, _ = through(upstream.url, client)
    assert status == 200
    assert upstream.received[0].body == packed
    assert "expect" not in upstream.received[0].headers


def test_malformed_request_does_not_put_the_token_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
        token = grant.token.reveal()
        writer.write(f"POST /v1/messages HTTP/1.1\r\nx-api-key : {token}\r\n\r\n".encode())
        answer = await reader.read(100)
        writer.close()
        assert token not in caplog.text
        return answer

    answer, _ = through("http://127.0.0.1:9", client)
    assert answer.startswith(b"HTTP/1.0 400")
