"""Receives and parses the bodies of model calls, within limits and in turns.

Parsing takes time of the event loop. So each run parses one body at a time, all runs take turns of
a few milliseconds, and the memory of all bodies together is limited.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts, TooComplexError, read_request
from server.gateway.call import Call, RefusedError
from server.gateway.request_headers import encoding_of, forbidden, price_problem, text_problem

MAX_BODY = 32 * 1024 * 1024
"""Limit on one request in bytes, the same as Anthropic's for a message."""
MAX_BODIES = MAX_BODY + 8 * 1024 * 1024
"""Limit on all open requests of one run, in bytes."""
MAX_ALL_BODIES = 256 * 1024 * 1024
"""Limit on the open large requests of all runs, in bytes. Small ones are always accepted."""
LARGE = 64 * 1024
"""A request with more bytes than this counts as large."""
_TURN_S = 0.004
RETRY_AFTER_S = 5

T = TypeVar("T")


@dataclass(slots=True)
class OpenRequests:
    """The open requests of one run."""

    allows_provider_tools: bool = False
    """Whether the provider may reach addresses and use its own tools for this run."""
    on_denied: Callable[[str], None] = lambda message: None
    """Called with the reason when a request is refused because it lacks a permission."""
    bytes: int = 0
    """Size of all open requests."""
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock)


class RequestReader:
    """Receives and parses the requests of all runs of a server."""

    def __init__(self, max_bytes: int = MAX_ALL_BODIES) -> None:
        self._max_bytes = max_bytes
        self._large_bytes = 0
        self._turn = asyncio.Lock()

    async def receive(
        self, open_requests: OpenRequests, request: web.BaseRequest, call: Call
    ) -> bytes:
        """Return the whole body; it counts towards the limits until `release`.

        Raises:
            RefusedError: it is too large, by itself or together with other open requests.

        """
        content = request.content
        if content.is_eof():  # most bodies arrive together with the headers
            self._count(open_requests, call, body := content.read_nowait())
            return body
        whole = io.BytesIO()
        async for piece in content.iter_any():
            self._count(open_requests, call, piece)
            whole.write(piece)
        return whole.getvalue()

    def release(self, open_requests: OpenRequests, call: Call) -> None:
        """Stop counting a call's body."""
        open_requests.bytes -= call.body_bytes
        self._large_bytes -= max(0, call.body_bytes - LARGE)
        call.body_bytes = 0

    def _count(self, open_requests: OpenRequests, call: Call, piece: bytes) -> None:
        before = max(0, call.body_bytes - LARGE)
        call.body_bytes += len(piece)
        open_requests.bytes += len(piece)
        self._large_bytes += max(0, call.body_bytes - LARGE) - before
        if call.body_bytes > MAX_BODY:
            raise RefusedError(413, "request_too_large", f"more than {MAX_BODY:,} bytes")
        if open_requests.bytes > MAX_BODIES:
            message = f"more than {MAX_BODIES:,} bytes in a run's requests at once"
            raise RefusedError(429, "rate_limit_error", message, retry_after=RETRY_AFTER_S)
        if self._large_bytes > self._max_bytes and call.body_bytes > LARGE:
            message = f"more than {self._max_bytes:,} bytes in all runs' requests at once"
            raise RefusedError(429, "rate_limit_error", message, retry_after=RETRY_AFTER_S)

    async def read(
        self, open_requests: OpenRequests, request: web.BaseRequest, call: Call, body: bytes
    ) -> RequestFacts:
        """Parse a request.

        Raises:
            RefusedError: it is more complex than any real request.

        """
        if request.method == "GET":
            if body:
                raise RefusedError(
                    400, "invalid_request_error", "a GET request must not have a body"
                )
            facts = RequestFacts()
        else:
            steps = _steps(call.provider, request, body)
            try:
                facts = await self._in_turns(open_requests, steps)
            except TooComplexError as error:
                message = f"this request is not forwarded: {error}"
                raise RefusedError(400, "invalid_request_error", message) from error
        _add_headers(facts, request)
        call.request_model = facts.model
        call.max_tokens = facts.max_tokens or facts.max_completion_tokens
        return facts

    async def _in_turns(self, open_requests: OpenRequests, steps: Generator[None, None, T]) -> T:
        async with open_requests.parsing:
            while True:
                async with self._turn:
                    end = time.monotonic() + _TURN_S
                    try:
                        while time.monotonic() < end:
                            next(steps)
                    except StopIteration as finished:
                        result: T = finished.value
                        return result
                    await asyncio.sleep(
                        0
                    )  # within the lock: one turn in each iteration of the loop


def _steps(
    provider: ProviderEnum, request: web.BaseRequest, body: bytes
) -> Generator[None, None, RequestFacts]:
    return read_request(provider, body, encoding_of(request) or "identity")


def _add_headers(facts: RequestFacts, request: web.BaseRequest) -> None:
    """Add the effects of the headers to the facts of the body."""
    if problem := text_problem(request):
        facts.unreadable = f"the encoding of its text is ambiguous ({problem})"
        facts.note_not_understood(facts.unreadable)
    if name := forbidden(request):
        facts.note_not_understood(f"the header {name}, which is not forwarded")
    if problem := price_problem(request):
        facts.note_not_understood(f"{problem} is unknown")


def require_granted(
    open_requests: OpenRequests, request: web.BaseRequest, facts: RequestFacts
) -> None:
    """Refuse requests that would charge another account, or could send the run's files elsewhere.

    Raises:
        RefusedError: the request is refused; the message says how to allow it, if that is possible.

    """
    if name := forbidden(request):
        message = f"the header {name} is not forwarded: a run may not choose the account"
        open_requests.on_denied(message)
        raise RefusedError(403, "permission_error", message)
    if facts.payer:
        message = f"{facts.payer} is not forwarded: a run may not choose which account pays"
        open_requests.on_denied(message)
        raise RefusedError(403, "permission_error", message)
    if open_requests.allows_provider_tools:
        return
    if facts.unreadable:
        message = f"this request is not forwarded: {facts.unreadable}"
        raise RefusedError(400, "invalid_request_error", message)
    if facts.reaches:
        message = (
            f"the provider would reach an address or use a tool of its own ({facts.reaches}), "
            "which could send the run's files elsewhere; allow it like a host: with --allow-host "
            "provider-tools, or on the page if AGENT_BUILDER_EGRESS_ALLOW lists it"
        )
        open_requests.on_denied(message)
        raise RefusedError(403, "permission_error", message)
