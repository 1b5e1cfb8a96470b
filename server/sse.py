"""Server-sent events: the events of a run as a byte stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from server.run import Event

_PING_S = 15.0


async def event_stream(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
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
