"""One run against the gateway: connections, headers, bodies and malformed requests."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import pytest

from server.gateway.gateway import (
    MAX_BODY,
    MAX_CONNECTIONS,
    Grant,
)
from tests.support.gateway_client import ask, bearer, eventually, through
from tests.support.upstream import Answer, message, scripted


def test_request_that_is_too_large_is_413() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        async def endless() -> Any:
            for _ in range(MAX_BODY // 2**20 + 1):
                yield b"x" * 2**20

        return (await ask(session, grant, json=None, data=endless()))[0]

    with scripted(lambda _: Answer()) as upstream:
        status = through(upstream.url, client).result
    assert (status, upstream.received) == (413, [])


def test_connections_of_one_run_are_limited() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, int]:
        idle = [
            await asyncio.open_connection("127.0.0.1", grant.port)
            for _ in range(MAX_CONNECTIONS + 5)
        ]
        await eventually(lambda: sum(reader.at_eof() for reader, _ in idle) >= 5)
        ended = sum(reader.at_eof() for reader, _ in idle)
        for _, writer in idle:
            writer.close()
        await eventually(lambda: not grant.open_connections)
        return ended, (await ask(session, grant))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        ended, status = through(upstream.url, client).result
    assert (ended, status) == (5, 200)


@pytest.mark.parametrize("size", [10_000, 200])
def test_headers_of_a_request_are_limited(size: int) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        many = {f"X-{number}": "x" * size for number in range(1 if size > 8190 else 200)}
        return (await ask(session, grant, headers={**bearer(grant), **many}))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        status = through(upstream.url, client).result
    assert (status, upstream.received) == (400, [])


def test_requests_of_one_run_may_not_hold_more_than_their_share_of_memory() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        refused = asyncio.Event()

        async def held() -> Any:
            yield b'{"model": "'
            for _ in range(18):
                yield b"x" * 2**20
            await refused.wait()
            yield b'"}'

        async def one() -> int:
            status, _ = await ask(session, grant, json=None, data=held())
            refused.set()
            return status

        async with asyncio.timeout(60):
            return sorted(await asyncio.gather(*(one() for _ in range(3))))

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        statuses = through(upstream.url, client).result
    assert statuses == [200, 200, 429]


def test_compressed_body_and_expectation_are_passed_on_as_they_are() -> None:
    packed = gzip.compress(b'{"model": "m"}')

    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        headers = {**bearer(grant), "Content-Encoding": "gzip"}
        options = {"json": None, "data": packed, "headers": headers}
        return (await ask(session, grant, expect100=True, **options))[0]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        status = through(upstream.url, client).result
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

    answer = through("http://127.0.0.1:9", client).result
    assert answer.startswith(b"HTTP/1.0 400")
