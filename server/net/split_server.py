"""One listener for two kinds of connections, which differ in their first bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class SplitServer:
    """Serves connections that begin with `prefix` by asyncio's streams, and all others by aiohttp.

    `serve` handles one connection with such a prefix, which is closed afterwards. A reader buffers
    twice `limit` bytes and what one read of the socket returns.
    """

    def __init__(self, others: web.Server, prefix: bytes, serve: Serve, limit: int) -> None:
        self.others = others
        self.prefix = prefix
        self._serve = serve
        self._limit = limit
        self.undecided: set[_FirstBytes] = set()
        """Connections whose first bytes have not arrived."""
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self.undecided) + len(self._tasks) + len(self.others.connections)

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection, which is counted from now on."""
        return _FirstBytes(self)

    def matching(self) -> asyncio.Protocol:
        """Return the protocol of a connection that begins with the prefix."""
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(self._limit), self._begin)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._run(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection. Returns when the client has read everything or is gone."""
        try:
            await self._serve(reader, writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def shutdown(self, timeout: float) -> None:
        """End all connections; requests and tunnels have `timeout` seconds to end by themselves."""
        for connection in self.undecided:
            connection.abort()
        self.undecided.clear()
        await asyncio.gather(self._end_tasks(timeout), self.others.shutdown(timeout))

    async def _end_tasks(self, timeout: float) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=timeout)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class _FirstBytes(asyncio.Protocol):
    """Waits for as many bytes as it needs to choose the protocol of a connection."""

    def __init__(self, server: SplitServer) -> None:
        self._server = server
        self._received = b""
        self._transport: asyncio.Transport | None = None
        server.undecided.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self not in self._server.undecided:  # the server was shut down just before
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.undecided.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.startswith(self._server.prefix):
            self._hand_over(self._server.matching())
        elif not self._server.prefix.startswith(self._received):
            self._hand_over(self._server.others())

    def _hand_over(self, protocol: asyncio.Protocol) -> None:
        assert self._transport is not None
        self._server.undecided.discard(self)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._received)

    def abort(self) -> None:
        """Close the connection, also if it is only about to be made."""
        if self._transport is not None:
            self._transport.abort()
