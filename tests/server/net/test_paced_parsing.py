"""Requests and responses in tiny pieces: parsed in turns, and refused if extreme."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

import aiohttp
import pytest
import trustme
from aiohttp import web

from server.gateway.egress_proxy import Egress
from server.gateway.gateway import MAX_REFUSED, Grant
from server.net.paced_parsing import (
    FEW_LINES,
    FREE_BYTES,
    LINES_PER_ROUND,
    MAX_HEADS,
    Pace,
    PacedConnector,
    PacedServer,
)
from tests.server.gateway.test_egress_proxy import connect
from tests.support.gateway_client import Seen, ask, asking, bearer, eventually, through
from tests.support.raw_upstream import raw_upstream
from tests.support.upstream import Answer, message, scripted

MIB = 1024 * 1024
NOWHERE = "http://127.0.0.1:9"
PADDED = json.dumps(asking()).encode().ljust(100_000)


def cut(data: bytes, size: int) -> bytes:
    """Return data in chunks of `size` bytes, without the last, empty one."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def head_of(grant: Grant, first: str = "POST /v1/messages", **more: str) -> bytes:
    fields = {"Host": "x", "Content-Type": "application/json", **bearer(grant), **more}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"{first} HTTP/1.1", *lines, "\r\n"]).encode()


async def send(grant: Grant, *data: bytes) -> bytes:
    """Send bytes over a new connection; return everything received until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
    found = b""
    with suppress(ConnectionError):
        writer.writelines(data)
        while piece := await asyncio.wait_for(reader.read(65536), 20):
            found += piece
    writer.close()
    return found


async def most_parsed_a_round(bodies: list[aiohttp.StreamReader], work: asyncio.Task[None]) -> int:
    """Return the largest number of body bytes that were parsed in one round of the loop."""
    before, most = sum(body.total_bytes for body in bodies), 0
    while not work.done():
        await asyncio.sleep(0)
        now = sum(body.total_bytes for body in bodies)
        before, most = now, max(most, now - before)
    await work
    return most


# ---------------------------------------------------------------- what a run sends


def test_requests_in_small_chunks_share_the_parsing_time_of_each_round() -> None:
    bodies: list[aiohttp.StreamReader] = []
    connections, size = 20, 48

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        bodies.append(request.content)
        async for _ in request.content.iter_any():
            pass
        return web.Response()

    async def post(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + cut(b"x" * 200_000, size) + b"0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()

    async def all_post(port: int) -> None:
        await asyncio.gather(*(post(port) for _ in range(connections)))

    async def inside() -> int:
        server = PacedServer(Pace(), handle)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        async with listener:
            most = await most_parsed_a_round(bodies, asyncio.create_task(all_post(port)))
            await server.shutdown()
        return most

    most = asyncio.run(inside())
    lines = LINES_PER_ROUND + connections * FEW_LINES
    assert [body.total_bytes for body in bodies] == [200_000] * connections
    assert most < lines / 2 * size + connections * 2048


def test_body_in_chunks_of_one_byte_is_refused_with_a_message() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        head = head_of(grant, Transfer_Encoding="chunked")
        return await send(grant, head, cut(PADDED[:20_000], 1), b"0\r\n\r\n")

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client)
    assert upstream.received == []
    [call] = seen.calls
    assert call["http.response.status_code"] == 400
    assert call["error.type"] == "invalid_request_error"
    assert b"in larger chunks" in seen.result


@pytest.mark.parametrize(
    "flood",
    [
        *(b"1\r\nx\r\n", b"1;" + b"a" * 500 + b"\r\nx\r\n", b"1\r\nx\r\n" + b"0" * 50),
        b"0\r\n" + b"a: b\r\n" * 10_000,
    ],
)
def test_call_with_an_endless_body_of_nothing_ends(flood: bytes) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        head = head_of(grant, Transfer_Encoding="chunked")
        await send(grant, head, flood * (2 * MIB // len(flood)))
        return await ask(session, grant)

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client)
    assert seen.result[0] == 200
    assert len(upstream.received) == 1


@pytest.mark.parametrize(
    "flood",
    [
        b"\r\n" * FREE_BYTES,
        b"GET / HTTP/1.1\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(9000)),
        b"GET / HTTP/1.1\r\n" + (b"x: " + b"y" * 8000 + b"\r\n") * 16,
    ],
)
def test_flood_instead_of_a_request_ends_its_connection(flood: bytes) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        return await send(grant, flood)

    assert b" 200 " not in through(NOWHERE, client).result


def test_refused_requests_have_an_end_and_so_has_the_listener() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        requests = b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 699
        last = b"GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n"
        answers = [await send(grant, requests + last) for _ in range(5)]
        assert answers[3:] == [b"", b""]
        return sum(found.count(b"HTTP/1.1 401") for found in answers)

    assert through(NOWHERE, client).result == MAX_REFUSED


def test_requests_behind_a_refused_upgrade_are_answered() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        upgrade = head_of(grant, "GET /nowhere", Upgrade="websocket", Connection="Upgrade")
        follow = head_of(grant, "GET /nowhere") * 50
        last = head_of(grant, "GET /nowhere", Connection="close")
        return (await send(grant, upgrade + follow + last)).count(b"HTTP/1.1 403")

    assert through(NOWHERE, client).result == 52


def test_bytes_sent_right_behind_connect_arrive_whole() -> None:
    sent = b"\n" * 50_000

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        found = asyncio.get_running_loop().create_future()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(await reader.readexactly(len(sent)))
            writer.close()

        place = await asyncio.start_server(take, "127.0.0.1", 0)
        name = f"service.example:{place.sockets[0].getsockname()[1]}"
        grant.egress.granted = {name}
        async with place:
            _, _, writer = await connect(grant, name, behind=sent)
            arrived: bytes = await asyncio.wait_for(found, 20)
            writer.close()
        return arrived

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    egress = Egress(resolve=here, may_reach=lambda address: True)
    assert through(NOWHERE, client, egress=egress).result == sent


@pytest.mark.parametrize("size", [64, 1000, 65_536])
def test_chunked_upload_is_forwarded_completely(size: int) -> None:
    body = json.dumps(asking()).encode().ljust(2 * MIB)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        head = head_of(grant, Transfer_Encoding="chunked", Connection="close")
        return await send(grant, head, cut(body, size), b"0\r\n\r\n")

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client)
    assert seen.result.startswith(b"HTTP/1.1 200 ")
    assert upstream.received[0].body == body


def test_body_of_many_lines_is_forwarded_completely() -> None:
    body = json.dumps(asking(), indent=0).encode() + b"\n " * 300_000

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        return [(await ask(session, grant, json=None, data=body))[0] for _ in "ab"]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        assert through(upstream.url, client).result == [200, 200]
    assert [each.body == body for each in upstream.received] == [True, True]


def test_many_small_requests_over_one_connection_are_all_answered() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        requests = head_of(grant, "GET /v1/models", Padding="x" * 2000) * 49
        last = head_of(grant, "GET /v1/models", Connection="close")
        return (await send(grant, requests + last)).count(b"HTTP/1.1 200")

    with scripted(lambda _: Answer(body=b"{}")) as upstream:
        assert through(upstream.url, client).result == 50


# ---------------------------------------------------------------- what an upstream answers

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
LAST = b"0\r\n\r\n"


def answering(*data: bytes) -> Callable[[socket.socket], None]:
    """Return the script of an upstream that sends bytes and waits until the peer disconnects."""

    def wire(connection: socket.socket) -> None:
        for each in data:
            connection.sendall(each)
        while connection.recv(65536):
            pass

    return wire


def asked_of(wire: Callable[[socket.socket], None]) -> Seen:
    """Return the result of one call to an upstream with such a script."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        status, found = 0, b""
        async with session.post("/v1/messages", json=asking(), headers=bearer(grant)) as answer:
            status = answer.status
            with suppress(aiohttp.ClientError):
                async for piece in answer.content.iter_any():
                    found += piece
        return status, found

    with raw_upstream(wire) as upstream:
        return through(upstream.url, client)


def test_responses_in_small_chunks_share_the_parsing_time_of_each_round() -> None:
    calls, size = 20, 12
    wire = answering(SSE, cut(b"x" * 100_000, size), LAST)

    async def inside(url: str) -> tuple[int, list[int]]:
        async with aiohttp.ClientSession(connector=PacedConnector(Pace())) as session:
            answers = await asyncio.gather(*(session.get(url) for _ in range(calls)))

            async def read() -> None:
                await asyncio.gather(*(each.read() for each in answers))

            bodies = [each.content for each in answers]
            most = await most_parsed_a_round(bodies, asyncio.create_task(read()))
            return most, [body.total_bytes for body in bodies]

    with raw_upstream(wire) as upstream:
        most, sizes = asyncio.run(inside(upstream.url))
    assert sizes == [100_000] * calls
    assert most < (LINES_PER_ROUND + calls * FEW_LINES) / 2 * size + calls * 2048


@pytest.mark.parametrize(
    "flood",
    [
        *(b"1\r\nx\r\n", b"4\r\n: \n\n\r\n", b"1;" + b"a" * 500 + b"\r\nx\r\n"),
        b"0\r\n" + b"a: b\r\n" * 100_000,
    ],
)
def test_stream_in_absurdly_small_chunks_is_cut(flood: bytes) -> None:
    seen = asked_of(answering(SSE, flood * (MIB // len(flood)), LAST))
    [call] = seen.calls
    assert call["error.type"] in {"cut: TooManyPiecesError", "api_error"}


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 103 E\r\n\r\n",
        b"HTTP/1.1 103 E\r\nLink: " + b"x" * 4000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x%d: y\r\n" % n for n in range(9000)),
    ],
)
def test_upstream_that_sends_endless_heads_counts_as_unresponsive(flood: bytes) -> None:
    seen = asked_of(answering(flood * (MIB // len(flood)), WHOLE))
    assert seen.result[0] == 502
    assert seen.calls[0]["error.type"] == "api_error"


def test_answer_may_have_early_hints_before_it() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    assert asked_of(answering(hint * (MAX_HEADS - 1), WHOLE)).result == (200, b"{}")


@pytest.mark.parametrize("size", [40, 200])
def test_long_stream_with_one_event_per_chunk_is_complete(size: int) -> None:
    events = (b"data: ".ljust(size - 2, b"x") + b"\n\n") * 20_000
    seen = asked_of(answering(SSE, cut(events, size), LAST))
    assert seen.result == (200, events)
    assert seen.calls[0]["error.type"] is None


def test_connection_with_unrequested_data_is_closed() -> None:
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" * 100_000

    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        found = await ask(session, grant)
        await eventually(lambda: upstream.gone)
        return found

    with raw_upstream(answering(WHOLE, *[flood] * 20)) as upstream:
        assert through(upstream.url, client).result == (200, b"{}")


def test_response_over_tls_that_ends_with_its_connection_is_complete() -> None:
    body = b"a\n" * MIB
    authority, theirs = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        writer.close()

    async def inside() -> bytes:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=theirs)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connector = PacedConnector(Pace(), ssl=ours)
        async with (
            server,
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url) as found,
        ):
            return await found.read()

    assert asyncio.run(inside()) == body
