"""Large answers that are in memory as a whole: few at once, and written in pieces.

The limit on bytes that a client has not read yet (`net/http_deadlines.py`) does not limit how many
answers are made meanwhile. Here, an answer takes a place before it is made, and gives it back after
its last piece was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llm_agent_builder.errors import ServerBusyError

__all__ = ["LargeAnswers"]

_PIECE_BYTES = 64 * 1024
"""An answer up to this size is one write, which the kernel buffers: its place is free at once."""
_WAIT_S = 10.0
_TAKEN_IN_S = 60.0
"""Seconds that a client has to read an answer, enough for 4 MiB at 0.6 Mbit/s. After that, the
connection is closed and the place is free."""
_RETRY_AFTER_S = 5.0


class LargeAnswers:
    """Limits how many answers are in memory at once."""

    def __init__(self, most: int, wait_s: float = _WAIT_S, taken_in_s: float = _TAKEN_IN_S) -> None:
        self._places = asyncio.Semaphore(most)
        self._wait_s = wait_s
        self.taken_in_s = taken_in_s

    def answer(self, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return a response that is made by `make` once a place is free.

        Sending it raises what `make` raises, and ServerBusyError if no place gets free in time.
        """
        return _LargeAnswer(self, make)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place for as long as the block lasts."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise ServerBusyError("too many large answers at once", _RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._places.release()


class _LargeAnswer(Response):
    def __init__(self, answers: LargeAnswers, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._answers = answers
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._answers.place())
            made = await self._make()
            if len(made.body) <= _PIECE_BYTES:
                await held.aclose()
            try:
                async with asyncio.timeout(self._answers.taken_in_s):
                    await _write(made, send)
            except TimeoutError:
                return  # without an end, so that the connection is closed


async def _write(made: Response, send: Send) -> None:
    start = {"type": "http.response.start", "status": made.status_code}
    await send({**start, "headers": made.raw_headers})
    for at in range(0, len(made.body), _PIECE_BYTES):
        piece = bytes(made.body[at : at + _PIECE_BYTES])
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
