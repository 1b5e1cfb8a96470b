"""The way back of one call: the answer's bytes as they come, watched, cut where they must be."""

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
from server.gateway.timeouts import Wait, Waits
from server.gateway.turns import Turns
from server.gateway.write_ahead import Ahead, TooSlowError, WritingAhead

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
HOP_BY_HOP |= {"te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
_SERVER_ONLY = HOP_BY_HOP | {"set-cookie"}
BROKE_OFF = "the local model broke off in the middle of its answer; run the agent again"
_EVENT_ENDS = (b"\n\n", b"\n\r", b"\r\r")
"""Two line ends in a row, of any kind; a last \\n may follow."""
_REACH = 2
_MOST_HELD = 64 * 1024
"""Bytes of an event that isn't whole; a longer one goes on in pieces."""

Write = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Answer:
    """An upstream's answer, live or recorded."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    whole: bytes | None = None
    """The body, where all of it had come together with the headers."""
    close: Callable[[], None] = lambda: None
    """Ends the upstream's work."""


def kept_headers(headers: Mapping[str, str], dropped: Set[str]) -> CIMultiDict[str]:
    """Return headers without some, and without those that `Connection` names."""
    if named := headers.get("Connection"):
        dropped = dropped | {name.strip().lower() for name in named.split(",")}
    return CIMultiDict(
        [(name, value) for name, value in headers.items() if name.lower() not in dropped]
    )


def is_stream(headers: Mapping[str, str]) -> bool:
    """Say whether an answer is made of server-sent events."""
    return headers.get("Content-Type", "").lower().startswith("text/event-stream")


def _response_to(answer: Answer) -> web.StreamResponse:
    headers = kept_headers(answer.headers, _SERVER_ONLY)
    if answer.whole is None:
        return web.StreamResponse(status=answer.status, headers=headers)
    return web.Response(status=answer.status, headers=headers, body=answer.whole)


class _Events:
    """Holds back the event that isn't whole yet, so that another can be put in behind the last."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.between = True
        """Whether what has gone on ends with a whole event."""

    def whole(self, chunk: bytes) -> bytes:
        """Return what can go on: up to the last event's end, or all of an event that is long."""
        searched = max(0, len(self._held) - _REACH)
        self._held += chunk
        end = max(self._held.rfind(mark, searched) + len(mark) for mark in _EVENT_ENDS)
        if end < len(_EVENT_ENDS[0]):  # -1 for none of them
            return self._too_long() if len(self._held) > _MOST_HELD else b""
        end += self._held[end - 1 : end + 1] == b"\r\n"
        self.between = True
        return self._take(end)

    def _too_long(self) -> bytes:
        self.between = False
        return self._take(len(self._held) - _REACH)

    def _take(self, end: int) -> bytes:
        taken = bytes(self._held[:end])
        del self._held[:end]
        return taken

    def rest(self) -> bytes:
        return bytes(self._held)


class ResponseRelay:
    """Passes one answer back."""

    def __init__(
        self,
        request: web.BaseRequest,
        call: Call,
        waits: Waits,
        turns: Turns,
        reservation: Reservation | None = None,
        on_limit: Callable[[BudgetError], None] = lambda error: None,
        ahead: Ahead | None = None,
    ) -> None:
        self.recording: Recording | None = None
        self._request = request
        self._call = call
        self._waits = waits
        self._turns = turns
        self._events: _Events | None = None
        self._reservation = reservation or Reservation(Amount())
        self._on_limit = on_limit
        self._ahead = ahead or Ahead()

    @property
    def wants_plain_text(self) -> bool:
        """Whether an event may have to be put in, or people are to read a recording."""
        return self._reservation.cut_at is not None or self.recording is not None

    async def stream(self, answer: Answer) -> web.StreamResponse:
        """Pass the answer on. If it breaks off, break off too: the SDK must notice."""
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
        """End what the upstream did not: as it did, but for the local model with words."""
        if not (self._is_local and self._can_add(answer)):
            self._break_off(error)
            return
        self._call.error = error
        patience = asyncio.get_running_loop().time() + self._waits.timeouts.idle
        with suppress(ConnectionError, TimeoutError):
            async with self._waits.until(patience):
                await response.write(error_event(self._call.provider, "api_error", BROKE_OFF))
                await response.write_eof()

    def _break_off(self, error: str) -> None:
        self._call.error = error
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _copy(self, answer: Answer, response: web.StreamResponse) -> None:
        meter = Meter(self._call, answer.headers, count_text=self._reservation.cut_at is not None)
        left = self._waits.timeouts.total - (time.monotonic() - self._call.started)
        async with self._waits.until(asyncio.get_running_loop().time() + left) as wait:
            if answer.whole is None:
                await self._copy_stream(answer, response, meter, wait)
                await response.write_eof()
                return
            try:
                await response.write_eof()  # carries it, and the headers
            finally:
                await self._read(meter, answer.whole)
                meter.finish()

    async def _read(self, meter: Meter, piece: bytes) -> None:
        if self.recording is not None:
            self.recording.add(piece)
        for _ in meter.feed(piece):
            await self._turns.take()

    async def _copy_stream(
        self, answer: Answer, response: web.StreamResponse, meter: Meter, wait: Wait
    ) -> None:
        """Copy the pieces as fast as the client takes them, or as they come, to cut them."""
        if self._reservation.cut_at is None:
            await self._copy_pieces(answer, response.write, meter, wait)
            return
        async with WritingAhead(response, self._ahead) as ahead:
            await self._copy_pieces(answer, ahead.write, meter, wait)

    async def _copy_pieces(self, answer: Answer, write: Write, meter: Meter, wait: Wait) -> None:
        events = self._events = _Events() if self._may_add(answer) else None
        now, idle, end = asyncio.get_running_loop().time, self._waits.timeouts.idle, wait.end
        wait.end = min(end, now() + idle)
        async for chunk in answer.chunks:
            wait.end = end
            await self._read(meter, chunk)
            piece = chunk if events is None else events.whole(chunk)
            if piece:
                await write(piece)
            if self._is_used_up():
                wait.end = min(end, now() + idle)
                await self._cut(answer, write)
                return
            wait.end = min(end, now() + idle)
        wait.end = end
        meter.finish()
        if events is not None and events.rest():
            await write(events.rest())

    @property
    def _is_local(self) -> bool:
        return self._call.backend == "local"

    def _may_add(self, answer: Answer) -> bool:
        """Say whether an event may have to be put in: then only whole ones go on."""
        wanted = self._reservation.cut_at is not None or self._is_local
        return wanted and is_stream(answer.headers)

    def _can_add(self, answer: Answer) -> bool:
        plain = encoding_of(answer.headers) == "identity"
        is_between = self._events is None or self._events.between
        return plain and is_between and self._may_add(answer)

    def _is_used_up(self) -> bool:
        """Say whether a stream has written all that its budget allows."""
        limit = self._reservation.cut_at
        return limit is not None and self._call.seen.text_bytes >= limit

    async def _cut(self, answer: Answer, write: Write) -> None:
        """End the upstream's work first, then the answer: its client may be slow."""
        answer.close()
        self._call.error = "budget"
        if (error := self._reservation.cut_error) is not None:
            self._on_limit(error)
        if not self._can_add(answer):
            self._break_off("budget")
        else:
            await write(error_event(self._call.provider, "billing_error", str(error)))
