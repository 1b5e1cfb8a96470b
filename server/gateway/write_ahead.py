"""Writes a response to a slow client without slowing down the reading of its upstream.

A stream that a budget can cut must be read as fast as it arrives: tokens that the model writes
while the stream is not read are charged, but not counted.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

MAX_UNSENT = 4 * 1024 * 1024
"""Limit on unsent bytes of one response: some 20,000 tokens of an ordinary stream."""
MAX_UNSENT_TOTAL = 16 * 1024 * 1024
"""Limit on unsent bytes of all responses of a gateway. Beyond it, responses with more than
`_WRITE_BYTES` of them are ended."""
_WRITE_BYTES = 64 * 1024


class BufferTotal:
    """Counts the unsent bytes of all responses of one gateway."""

    def __init__(self, max_bytes: int = MAX_UNSENT_TOTAL) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0


class TooSlowError(Exception):
    """A client has left more bytes unread than the buffer allows."""


class BufferedWriter:
    """A context manager that buffers a response and writes it in its own task."""

    def __init__(self, response: web.StreamResponse, total: BufferTotal) -> None:
        self._response = response
        self._total = total
        self._buffer = bytearray()
        self._changed = asyncio.Event()
        self._ended = False

    async def write(self, piece: bytes) -> None:
        """Buffer a piece; returns before it is sent.

        Raises:
            ConnectionError: the client is gone.
            TooSlowError: it has left too many bytes unread.

        """
        if self._task.done():
            await self._task
        size = len(self._buffer) + len(piece)
        is_full = self._total.bytes + len(piece) > self._total.max_bytes
        if size > MAX_UNSENT or (is_full and size > _WRITE_BYTES):
            raise TooSlowError
        self._buffer += piece
        self._total.bytes += len(piece)
        self._changed.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Send the rest, even if the upstream broke off; drop it after any other error."""
        try:
            await self._finish(error)
        finally:
            self._total.bytes -= len(self._buffer)
            self._buffer.clear()

    async def _finish(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, aiohttp.ClientError):
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            return
        self._ended = True
        self._changed.set()
        try:
            await self._task
        except ConnectionError:
            if error is None:
                raise
        finally:
            self._task.cancel()

    async def _write_all(self) -> None:
        while self._buffer or not self._ended:
            if not self._buffer:
                self._changed.clear()
                await self._changed.wait()
                continue
            piece = bytes(self._buffer[:_WRITE_BYTES])
            del self._buffer[:_WRITE_BYTES]
            self._total.bytes -= len(piece)
            await self._response.write(piece)
