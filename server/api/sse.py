"""Server-sent events: the events of a run as a byte stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from llm_agent_builder.errors import ServerBusyError
from server.storage.records import Event

READERS_MAX = 256
"""Streams of events at once. Each holds a connection, and of an ended run 64 KiB of its events."""
_RETRY_AFTER_S = 5.0
_PING_S = 15.0
_PIECE_BYTES = 16 * 1024
_SLICE_CHARS = 1024
"""Of a text. Each may become 12 bytes of JSON."""


class Readers:
    """Counts those who read events, and admits no more than a server carries."""

    def __init__(self, most: int = READERS_MAX) -> None:
        self._free = most

    def require_place(self) -> None:
        """Raise ServerBusyError where there are as many readers as may be."""
        if self._free <= 0:
            raise ServerBusyError("too many clients read the events of runs", _RETRY_AFTER_S)

    async def count(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Pass a stream on; its reader counts from the first piece to the last."""
        self._free -= 1
        try:
            async for piece in stream:
                yield piece
        finally:
            self._free += 1
            await stream.aclose()


async def event_stream(pages: AsyncIterator[Sequence[Event]]) -> AsyncGenerator[bytes, None]:
    """Write events as SSE, and a comment now and then, by which a lost client is noticed."""
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
    """Yield events as bytes, small ones together: each piece costs a turn of the event loop.

    A large one comes in several, so that a reader who is slow holds one piece of it.
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
