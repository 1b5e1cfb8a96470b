"""Server-sent events: the events of a run as a byte stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

from llm_agent_builder.errors import ServerBusyError
from server.run import Event

READERS_MAX = 256
"""Streams of events at once. Each holds a connection, and of an ended run 64 KiB of its events."""
_RETRY_AFTER_S = 5.0
_PING_S = 15.0


class Readers:
    """Counts those who read events, and admits no more than a server carries."""

    def __init__(self, most: int = READERS_MAX) -> None:
        self._free = most

    def require_place(self) -> None:
        """Raise ServerBusyError where there are as many readers as may be."""
        if self._free <= 0:
            raise ServerBusyError("too many clients read the events of runs", _RETRY_AFTER_S)

    async def count(self, stream: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        """Pass a stream on; its reader counts from the first piece to the last."""
        self._free -= 1
        try:
            async for piece in stream:
                yield piece
        finally:
            self._free += 1
            await stream.aclose()


async def event_stream(events: AsyncIterator[Event]) -> AsyncGenerator[bytes, None]:
    """Write events as SSE, and a comment now and then, by which a lost client is noticed."""
    following: asyncio.Task[Event | None] | None = None
    try:
        while True:
            following = following or asyncio.create_task(_next(events))
            done, _ = await asyncio.wait({following}, timeout=_PING_S)
            if not done:
                yield b": still here\n\n"
                continue
            event = following.result()
            following = None
            if event is None:
                return
            yield _sse_event(event)
    finally:
        if following is not None:
            following.cancel()


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)


def _sse_event(event: Event) -> bytes:
    seq, kind, data = event
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()
