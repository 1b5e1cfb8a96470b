"""Server-sent events: the events of a run as a byte stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from llm_agent_builder.errors import ServerBusyError
from server.storage.records import Event

READERS_MAX = 256
"""Limit on open event streams. Each uses a connection and up to 64 KiB of events."""
_RETRY_AFTER_S = 5.0
_PING_S = 15.0
_PIECE_BYTES = 16 * 1024
_SLICE_CHARS = 1024
"""Characters that are encoded at a time; each can become 12 bytes of JSON."""


class Readers:
    """Counts the clients that read events, and limits their number."""

    def __init__(self, max_readers: int = READERS_MAX) -> None:
        self._free = max_readers

    def require_capacity(self) -> None:
        """Raise ServerBusyError if the limit is reached."""
        if self._free <= 0:
            raise ServerBusyError("too many clients read events of runs", _RETRY_AFTER_S)

    async def count(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Yield a stream's pieces; its reader counts from the first piece to the last."""
        self._free -= 1
        try:
            async for piece in stream:
                yield piece
        finally:
            self._free += 1
            await stream.aclose()


async def event_stream(pages: AsyncIterator[Sequence[Event]]) -> AsyncGenerator[bytes, None]:
    """Yield events as SSE. Comments in between detect clients that are gone."""
    following: asyncio.Task[Sequence[Event] | None] | None = None
    try:
        while True:
            following = following or asyncio.create_task(_next(pages))
            done, _ = await asyncio.wait({following}, timeout=_PING_S)
            if not done:
                yield b": still here\n\n"
                continue
            page = following.result()
            following = None
            if page is None:
                return
            for piece in _pieces(page):
                yield piece
    finally:
        if following is not None:
            following.cancel()


async def _next(pages: AsyncIterator[Sequence[Event]]) -> Sequence[Event] | None:
    return await anext(pages, None)


def _pieces(page: Sequence[Event]) -> Iterator[bytes]:
    """Yield events as bytes, small ones joined, because each piece takes a turn of the event loop.

    A large event becomes several pieces, so that only one is in memory for a slow client.
    """
    piece = bytearray()
    for part in _parts(page):
        piece += part.encode()
        if len(piece) >= _PIECE_BYTES:
            whole = bytes(piece)
            piece.clear()
            yield whole
            del whole
    if piece:
        yield bytes(piece)


def _parts(page: Sequence[Event]) -> Iterator[str]:
    for seq, kind, data in page:
        yield f"id: {seq}\nevent: {kind}\ndata: "
        yield from _json_parts(data)
        yield "\n\n"


def _json_parts(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield an object as JSON, its long texts in slices."""
    before = "{"
    for key, value in data.items():
        yield f"{before}{json.dumps(key)}: "
        before = ", "
        if not isinstance(value, str):
            yield json.dumps(value)
            continue
        yield '"'
        for start in range(0, len(value), _SLICE_CHARS):
            yield json.dumps(value[start : start + _SLICE_CHARS])[1:-1]
        yield '"'
    yield "}" if data else "{}"
