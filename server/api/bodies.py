"""Request bodies: read within limits, and parsed as JSON before a model validates them.

All bodies that are being read share one memory limit, and large ones are parsed one at a time, in a
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar, NoReturn

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from llm_agent_builder.errors import ServerBusyError, TooLargeError
from llm_agent_builder.json_input.limits import JsonProblem, read_json
from server.api.security import MAX_BODY, too_large

__all__ = [
    "BODIES_MAX_BYTES",
    "SMALL_BYTES",
    "Bodies",
    "BoundedRoute",
    "SmallBodyRoute",
    "forget_body",
]

BODIES_MAX_BYTES = 4 * MAX_BODY
"""Limit on the bytes of all bodies that are being read or wait to be parsed."""
SMALL_BYTES = 64 * 1024
"""A body up to this size is parsed faster than a thread starts, and does not count towards the
limit: `serve` counts as much for every connection (see `net/connections.py`)."""
_OPEN_ROUTE_BYTES = 4 * 1024
_RETRY_AFTER_S = 1.0


class Bodies:
    """Reads the bodies of one server's requests."""

    def __init__(self, max_bytes: int = BODIES_MAX_BYTES) -> None:
        self._free = max_bytes
        self._parser = asyncio.Semaphore(1)

    async def read(self, request: Request, max_bytes: int) -> Request:
        """Return the request with its JSON parsed.

        Raises:
            TooLargeError: the body has more than `max_bytes`.
            ServerBusyError: other bodies use up the shared limit.
            RequestValidationError: the body is not JSON, or has too many parts.

        """
        async with self._received(request, max_bytes) as body:
            if not body:
                return _ReadRequest(request, b"", None)
            return _ReadRequest(request, b"read", await self._parsed(body))

    async def _parsed(self, body: bytearray) -> Any:
        try:
            if len(body) <= SMALL_BYTES:
                return read_json(body)
            async with self._parser:
                return await asyncio.to_thread(read_json, body)
        except JsonProblem as problem:
            _refuse(problem)

    @asynccontextmanager
    async def _received(self, request: Request, max_bytes: int) -> AsyncIterator[bytearray]:
        """Yield the whole body; its bytes count towards the limit until the block ends."""
        body, counted = bytearray(), 0
        try:
            async for piece in _pieces(request):
                body += piece
                if len(body) > max_bytes:
                    raise TooLargeError(too_large(max_bytes, request.scope["path"]))
                more = max(0, len(body) - SMALL_BYTES) - counted
                if more > self._free:
                    raise ServerBusyError("too many large requests at once", _RETRY_AFTER_S)
                counted, self._free = counted + more, self._free - more
            yield body
        finally:
            self._free += counted


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:  # nearly always, no client is left to read this
        raise HTTPException(400, "the request body is incomplete") from None


def _refuse(problem: JsonProblem) -> NoReturn:
    location = ("body",) if problem.position is None else ("body", problem.position)
    context = {"problem": str(problem)}
    error = {"type": "json_invalid", "loc": location, "msg": str(problem), "ctx": context}
    raise RequestValidationError([error]) from None


class _ReadRequest(Request):
    """A request whose body was parsed and dropped from memory."""

    def __init__(self, request: Request, body: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive, request._send)
        self._body = body
        self.value = value

    async def json(self) -> Any:
        """Return the parsed body."""
        return self.value


def forget_body(request: Request) -> None:
    """Free the parsed body during a long request; the route uses only the model made from it."""
    if isinstance(request, _ReadRequest) and isinstance(request.value, dict):
        request.value.clear()  # FastAPI still refers to the object itself


class BoundedRoute(APIRoute):
    """A route whose body, if it takes one, is read within limits."""

    max_bytes: ClassVar[int] = MAX_BODY

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function that answers a request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_first(request: Request) -> Response:
            bodies: Bodies = request.app.state.bodies
            read = await bodies.read(request, self.max_bytes)
            await self.check(await read.json())
            return await handle(read)

        return read_first

    async def check(self, value: Any) -> None:
        """Check a body's value before its model validates it.

        Raises:
            RequestValidationError: the value can't be used.

        """


class SmallBodyRoute(BoundedRoute):
    """A route that is open to everybody, so its body must be small."""

    max_bytes: ClassVar[int] = _OPEN_ROUTE_BYTES
