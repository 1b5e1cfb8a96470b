"""Tunnels and ordinary requests on one listener: their first bytes decide."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import aiohttp

from server.gateway.egress_proxy import Egress
from server.gateway.gateway import MAX_CONNECTIONS, Grant
from tests.server.gateway.test_egress_proxy import credentials
from tests.support.gateway_client import eventually, through

NOWHERE = "http://127.0.0.1:9"


async def echo_in_capitals(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()


@asynccontextmanager
async def granted_echo(grant: Grant) -> AsyncIterator[bytes]:
    """Run a host that the run was granted; yields the head of a request for a tunnel to it."""
    server = await asyncio.start_server(echo_in_capitals, "127.0.0.1", 0)
    name = f"service.example:{server.sockets[0].getsockname()[1]}"
    grant.egress.granted = {name}
    proof = credentials(grant.token.reveal())
    async with server:
        head = [f"CONNECT {name} HTTP/1.1", f"Host: {name}", f"Proxy-Authorization: {proof}"]
        yield "\r\n".join([*head, "", ""]).encode()


def local_egress() -> Egress:
    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    return Egress(resolve=here, may_reach=lambda address: True)


def test_request_that_arrives_byte_by_byte_opens_a_tunnel() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[bytes, bytes]:
        async with granted_echo(grant) as head, asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with closing(writer):
                for byte in head + b"hi":
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                return await reader.readuntil(b"\r\n\r\n"), await reader.readexactly(2)

    answer, echoed = through(NOWHERE, client, egress=local_egress()).result
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n"
    assert echoed == b"HI"


def test_tunnel_on_a_connection_that_was_used_is_refused() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        async with granted_echo(grant) as head, asyncio.timeout(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
            with closing(writer):
                writer.write(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" + head)
                await reader.readuntil(b"HTTP/1.1 401 ")
                await reader.readuntil(b"HTTP/1.1 ")
                return await reader.readexactly(3)

    seen = through(NOWHERE, client, egress=local_egress())
    assert seen.result == b"400"
    assert seen.events[0][1]["message"] == "a tunnel needs a new connection"


def test_connections_end_with_their_run() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[bytes]:
        async with granted_echo(grant) as head, asyncio.timeout(20):
            started = [b"", b"CONN", b"CONNECT ", head]
            opened = [await asyncio.open_connection("127.0.0.1", grant.port) for _ in started]
            for sent, (_, writer) in zip(started, opened, strict=True):
                writer.write(sent)
            await opened[-1][0].readuntil(b"\r\n\r\n")
            assert grant.open_connections == len(started)
            await grant.close()
            await eventually(lambda: not grant.open_connections)
            rest = []
            for reader, writer in opened:
                with closing(writer), suppress(ConnectionResetError):
                    rest.append(await reader.read())
            return rest

    seen = through(NOWHERE, client, egress=local_egress())
    assert not any(seen.result)
    assert seen.events == []


def test_connections_that_have_sent_nothing_are_counted() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        addresses = [("127.0.0.1", grant.port)] * (MAX_CONNECTIONS + 5)
        opened = await asyncio.gather(*(asyncio.open_connection(*each) for each in addresses))
        ends = [asyncio.create_task(reader.read()) for reader, _ in opened]
        await eventually(lambda: sum(end.done() for end in ends) >= 5)
        for _, writer in opened:
            writer.close()
        closed = sum(end.done() for end in ends)
        await asyncio.gather(*ends, return_exceptions=True)
        return closed

    assert through(NOWHERE, client).result == 5
