"""Writes an answer to a client that may be slow, while its upstream is read on.

A stream that a budget cuts has to be read as fast as it comes: what a model writes while nobody
reads it is not counted, and is paid for.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

MOST_AHEAD = 4 * 1024 * 1024
"""Bytes of one answer that its client has not taken: some 20,000 tokens of an ordinary stream."""
MOST_AHEAD_TOGETHER = 16 * 1024 * 1024
"""Bytes of all such answers of a gateway. Beyond it, those with more than `_AT_ONCE` end."""
_AT_ONCE = 64 * 1024


class Ahead:
    """Counts what is held for the clients of one gateway together."""

    def __init__(self, most: int = MOST_AHEAD_TOGETHER) -> None:
        self.most = most
        self.held = 0


class TooSlowError(Exception):
    """A client has left more unread than is held for it."""


class WritingAhead:
    """Holds what a client hasn't taken, and writes it on the side; use it as a context."""

    def __init__(self, response: web.StreamResponse, together: Ahead) -> None:
        self._response = response
        self._together = together
        self._held = bytearray()
        self._news = asyncio.Event()
        self._ended = False

    async def write(self, piece: bytes) -> None:
        """Take a piece; returns before it is written.

        Raises:
            ConnectionError: the client is gone.
            TooSlowError: it has left too much unread.

        """
        if self._task.done():
            await self._task
        held = len(self._held) + len(piece)
        is_full = self._together.held + len(piece) > self._together.most
        if held > MOST_AHEAD or (is_full and held > _AT_ONCE):
            raise TooSlowError
        self._held += piece
        self._together.held += len(piece)
        self._news.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_all())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Write the rest, also where the upstream broke off; drop it after any other error."""
        try:
            await self._finish(error)
        finally:
            self._together.held -= len(self._held)
            self._held.clear()

    async def _finish(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, aiohttp.ClientError):
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            return
        self._ended = True
        self._news.set()
        try:
            await self._task
        except ConnectionError:
            if error is None:
                raise
        finally:
            self._task.cancel()

    async def _write_all(self) -> None:
        while self._held or not self._ended:
            if not self._held:
                self._news.clear()
                await self._news.wait()
                continue
            piece = bytes(self._held[:_AT_ONCE])
            del self._held[:_AT_ONCE]
            self._together.held -= len(piece)
            await self._response.write(piece)
