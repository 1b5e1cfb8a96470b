"""Limits how many large answers are in memory at once; they are written in pieces.

The limit on unread bytes (`net/http_deadlines.py`) does not limit how many answers are made
meanwhile. Here, an answer takes a slot before it is made, and frees it after its last piece was
written.
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
"""An answer up to this size is one write, which the kernel buffers: its slot is free at once."""
_WAIT_S = 10.0
_READ_TIMEOUT_S = 60.0
"""Seconds that a client has to read an answer: enough for 4 MiB at 0.6 Mbit/s. After that, the
connection is closed and the slot is free."""
_RETRY_AFTER_S = 5.0


class LargeAnswers:
    """Limits how many answers are in memory at once."""

    def __init__(
        self, max_answers: int, wait_s: float = _WAIT_S, read_timeout_s: float = _READ_TIMEOUT_S
    ) -> None:
        self._slots = asyncio.Semaphore(max_answers)
        self._wait_s = wait_s
        self.read_timeout_s = read_timeout_s

    def answer(self, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return a response that calls `make` once a slot is free, and sends its result.

        Sending raises the errors of `make`, and ServerBusyError if no slot becomes free in time.
        """
        return _LargeAnswer(self, make)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Take a slot for the duration of the block."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise ServerBusyError("too many large answers at once", _RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._slots.release()


class _LargeAnswer(Response):
    def __init__(self, answers: LargeAnswers, make: Callable[[], Awaitable[Response]]) -> None:
        super().__init__()
        self._answers = answers
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._answers.slot())
            made = await self._make()
            if len(made.body) <= _PIECE_BYTES:
                await stack.aclose()
            try:
                async with asyncio.timeout(self._answers.read_timeout_s):
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
