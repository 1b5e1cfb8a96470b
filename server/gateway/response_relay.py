"""Relays one response to the run unchanged, meters it, and cuts it when a budget is used up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from server.budgets.ledger import Amount, BudgetError, Reservation
from server.gateway.call import Call, error_event
from server.gateway.metering import Meter, encoding_of
from server.gateway.recorder import Recording
from server.gateway.timeouts import Deadline, Deadlines
from server.gateway.turns import Turns
from server.gateway.write_ahead import BufferedWriter, BufferTotal, TooSlowError

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
HOP_BY_HOP |= {"te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
_SERVER_ONLY = HOP_BY_HOP | {"set-cookie"}
BROKE_OFF = "the local model stopped in the middle of its answer; run the agent again"
_EVENT_ENDS = (b"\n\n", b"\n\r", b"\r\r")
"""Two consecutive line ends of any kind; another \\n may follow."""
_OVERLAP = 2
_MAX_BUFFERED = 64 * 1024
"""Limit on an incomplete event in bytes; longer ones are relayed in pieces."""

Write = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Answer:
    """An upstream's response, live or recorded."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    whole: bytes | None = None
    """The body, if all of it arrived together with the headers."""
    close: Callable[[], None] = lambda: None
    """Closes the connection, so that the upstream stops working."""


def without_headers(headers: Mapping[str, str], dropped: Set[str]) -> CIMultiDict[str]:
    """Return headers without `dropped`, and without those that `Connection` names."""
    if named := headers.get("Connection"):
        dropped = dropped | {name.strip().lower() for name in named.split(",")}
    return CIMultiDict(
        [(name, value) for name, value in headers.items() if name.lower() not in dropped]
    )


def is_stream(headers: Mapping[str, str]) -> bool:
    """Return whether a response is a stream of server-sent events."""
    return headers.get("Content-Type", "").lower().startswith("text/event-stream")


def _response_to(answer: Answer) -> web.StreamResponse:
    headers = without_headers(answer.headers, _SERVER_ONLY)
    if answer.whole is None:
        return web.StreamResponse(status=answer.status, headers=headers)
    return web.Response(status=answer.status, headers=headers, body=answer.whole)


class _EventBuffer:
    """Relays only whole events, so that another event can be inserted after any of them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.at_boundary = True
        """Whether the bytes relayed so far end with a whole event."""

    def whole(self, chunk: bytes) -> bytes:
        """Add a chunk; return the bytes up to the last event's end, or a part of a long event."""
        searched = max(0, len(self._buffer) - _OVERLAP)
        self._buffer += chunk
        end = max(self._buffer.rfind(mark, searched) + len(mark) for mark in _EVENT_ENDS)
        if end < len(_EVENT_ENDS[0]):  # -1 for none of them
            return self._take_part() if len(self._buffer) > _MAX_BUFFERED else b""
        end += self._buffer[end - 1 : end + 1] == b"\r\n"
        self.at_boundary = True
        return self._take(end)

    def _take_part(self) -> bytes:
        self.at_boundary = False
        return self._take(len(self._buffer) - _OVERLAP)

    def _take(self, end: int) -> bytes:
        taken = bytes(self._buffer[:end])
        del self._buffer[:end]
        return taken

    def rest(self) -> bytes:
        return bytes(self._buffer)


class ResponseRelay:
    """Relays one response to the run."""

    def __init__(
        self,
        request: web.BaseRequest,
        call: Call,
        deadlines: Deadlines,
        turns: Turns,
        reservation: Reservation | None = None,
        on_limit: Callable[[BudgetError], None] = lambda error: None,
        buffered: BufferTotal | None = None,
    ) -> None:
        self.recording: Recording | None = None
        self._request = request
        self._call = call
        self._deadlines = deadlines
        self._turns = turns
        self._events: _EventBuffer | None = None
        self._reservation = reservation or Reservation(Amount())
        self._on_limit = on_limit
        self._buffered = buffered or BufferTotal()

    @property
    def wants_plain_text(self) -> bool:
        """Whether an event may have to be inserted, or the response is recorded for people."""
        return self._reservation.cut_at is not None or self.recording is not None

    async def stream(self, answer: Answer) -> web.StreamResponse:
        """Relay a response. If it breaks off, close the connection so that the SDK notices."""
        response = _response_to(answer)
        done = False
        if self.recording is not None:
            self.recording.begin(answer.status, answer.headers)
        try:
            await response.prepare(self._request)
            await self._copy(answer, response)
            done = True
        except (aiohttp.ClientError, TimeoutError) as error:
            why = self._call.error or f"cut: {type(error).__name__}"
            await self._end_early(answer, response, why)
        except TooSlowError:
            self._break_off("client_too_slow")
        except ConnectionError:
            self._call.error = self._call.error or "client_disconnected"
        finally:
            if self.recording is not None:
                self.recording.end(cut=not done)
        return response

    async def _end_early(self, answer: Answer, response: web.StreamResponse, error: str) -> None:
        """End a response that broke off; for the local model, with an error event if possible."""
        if not (self._is_local and self._can_add(answer)):
            self._break_off(error)
            return
        self._call.error = error
        end = asyncio.get_running_loop().time() + self._deadlines.timeouts.idle
        with suppress(ConnectionError, TimeoutError):
            async with self._deadlines.at(end):
                await response.write(error_event(self._call.provider, "api_error", BROKE_OFF))
                await response.write_eof()

    def _break_off(self, error: str) -> None:
        self._call.error = error
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _copy(self, answer: Answer, response: web.StreamResponse) -> None:
        meter = Meter(self._call, answer.headers, count_text=self._reservation.cut_at is not None)
        left = self._deadlines.timeouts.total - (time.monotonic() - self._call.started)
        async with self._deadlines.at(asyncio.get_running_loop().time() + left) as deadline:
            if answer.whole is None:
                await self._copy_stream(answer, response, meter, deadline)
                await response.write_eof()
                return
            try:
                await response.write_eof()  # sends the headers and the body
            finally:
                await self._read(meter, answer.whole)
                meter.finish()

    async def _read(self, meter: Meter, piece: bytes) -> None:
        if self.recording is not None:
            self.recording.add(piece)
        for _ in meter.feed(piece):
            await self._turns.take()

    async def _copy_stream(
        self, answer: Answer, response: web.StreamResponse, meter: Meter, deadline: Deadline
    ) -> None:
        """Copy chunks as fast as the client reads, or as they arrive if a budget may cut them."""
        if self._reservation.cut_at is None:
            await self._copy_pieces(answer, response.write, meter, deadline)
            return
        async with BufferedWriter(response, self._buffered) as writer:
            await self._copy_pieces(answer, writer.write, meter, deadline)

    async def _copy_pieces(
        self, answer: Answer, write: Write, meter: Meter, deadline: Deadline
    ) -> None:
        events = self._events = _EventBuffer() if self._may_add(answer) else None
        now, idle, end = (
            asyncio.get_running_loop().time,
            self._deadlines.timeouts.idle,
            deadline.end,
        )
        deadline.end = min(end, now() + idle)
        async for chunk in answer.chunks:
            deadline.end = end
            await self._read(meter, chunk)
            piece = chunk if events is None else events.whole(chunk)
            if piece:
                await write(piece)
            if self._is_used_up():
                deadline.end = min(end, now() + idle)
                await self._cut(answer, write)
                return
            deadline.end = min(end, now() + idle)
        deadline.end = end
        meter.finish()
        if events is not None and events.rest():
            await write(events.rest())

    @property
    def _is_local(self) -> bool:
        return self._call.backend == "local"

    def _may_add(self, answer: Answer) -> bool:
        """Return whether an event may have to be inserted: then only whole events are relayed."""
        wanted = self._reservation.cut_at is not None or self._is_local
        return wanted and is_stream(answer.headers)

    def _can_add(self, answer: Answer) -> bool:
        plain = encoding_of(answer.headers) == "identity"
        is_at_boundary = self._events is None or self._events.at_boundary
        return plain and is_at_boundary and self._may_add(answer)

    def _is_used_up(self) -> bool:
        """Return whether a stream has used up its budget."""
        limit = self._reservation.cut_at
        return limit is not None and self._call.seen.text_bytes >= limit

    async def _cut(self, answer: Answer, write: Write) -> None:
        """Stop the upstream before ending the response, because the client may be slow."""
        answer.close()
        self._call.error = "budget"
        if (error := self._reservation.cut_error) is not None:
            self._on_limit(error)
        if not self._can_add(answer):
            self._break_off("budget")
        else:
            await write(error_event(self._call.provider, "billing_error", str(error)))
