"""Streams that a budget may cut are read as fast as they arrive, even if the client is slow."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress

import aiohttp
from aiohttp import web

from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.gateway import Grant
from server.gateway.write_ahead import BufferedWriter, BufferTotal, TooSlowError
from server.limits import MIB
from tests.support.gateway_client import eventually, through
from tests.support.upstream import Answer, scripted

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
SSE = {"Content-Type": "text/event-stream"}


def budget(tokens: int) -> RunBudget:
    return RunBudget(Ledger("run", Caps(tokens=tokens)))


class Stalled:
    """A client that sends a chat and reads nothing of its answer until it is asked to."""

    def __init__(self, grant: Grant) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", grant.port))
        self.socket.setblocking(False)
        messages = [{"role": "user", "content": "hi"}]
        body = json.dumps({"model": MODEL, "stream": True, "messages": messages})
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Content-Length: {len(body)}\r\n"
        head += f"Authorization: Bearer {grant.token.reveal()}\r\n\r\n"
        self.socket.sendall((head + body).encode())

    async def read(self) -> bytes:
        reader, writer = await asyncio.open_connection(sock=self.socket)
        found = bytearray()
        with suppress(ConnectionError):
            while not found.endswith(b"0\r\n\r\n") and (piece := await reader.read(65536)):
                found += piece
        writer.close()
        return bytes(found)


COUNTS = {"choices": [{"index": 0, "delta": {"content": "ten tokens"}}], "usage": {"a": [0] * 1200}}
EVENT = f"data: {json.dumps(COUNTS)}\n\n".encode()
"""Few tokens and many bytes, as with the odds of tokens."""


def test_unread_stream_is_cut_at_its_cap() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        stalled = Stalled(grant)
        await eventually(lambda: upstream.broken_pipes)  # before anything is read
        return await stalled.read()

    answer = Answer(headers=SSE, chunks=[EVENT] * 3000)
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client, budget=budget(8000))
    assert b"the answer was cut off" in seen.result
    assert seen.result.count(b"ten tokens") > 100
    assert seen.calls[0]["error.type"] == "budget"


def test_client_that_leaves_too_much_unread_loses_a_call_that_may_be_cut() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        stalled = Stalled(grant)
        await eventually(lambda: upstream.broken_pipes)
        return await stalled.read()

    answer = Answer(headers=SSE, chunks=[EVENT] * 5000)
    purse = budget(40_000)
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client, budget=purse)
    assert seen.calls[0]["error.type"] == "client_too_slow"
    assert purse.run.used.tokens == 40_000


def test_unread_responses_of_all_clients_together_are_limited() -> None:
    class Unread(web.StreamResponse):
        async def write(self, data: object) -> None:
            await asyncio.Event().wait()

    async def inside() -> tuple[int, int, int]:
        together = BufferTotal(max_bytes=MIB)
        most = ended = 0

        async def one() -> None:
            nonlocal most, ended
            try:
                async with BufferedWriter(Unread(), together) as ahead:
                    for _ in range(64):
                        await ahead.write(bytes(16 * 1024))
                        await asyncio.sleep(0)
                        most = max(most, together.bytes)
            except TooSlowError:
                ended += 1

        await asyncio.gather(*(one() for _ in range(40)))
        return most, ended, together.bytes

    most, ended, held = asyncio.run(inside())
    assert MIB // 2 < most < 4 * MIB
    assert (ended, held) == (40, 0)


def test_client_that_reads_slowly_gets_all_of_a_stream_that_may_be_cut() -> None:
    chunks = [EVENT] * 600

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        stalled = Stalled(grant)
        await eventually(lambda: len(upstream.sent_at) == len(chunks))
        return await stalled.read()

    with scripted(lambda _: Answer(headers=SSE, chunks=chunks)) as upstream:
        seen = through(upstream.url, client, budget=budget(20_000))
    assert seen.result.count(b"ten tokens") == len(chunks)
    assert seen.calls[0]["error.type"] is None
