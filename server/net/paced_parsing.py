"""aiohttp's protocols with limits on the time that parsing takes from the event loop.

aiohttp parses everything that a socket returns at once: up to 256 KiB, or 43,000 chunks of one
byte, which takes 0.2 s of the event loop and costs the sender almost nothing. Every element that
takes parsing time (a chunk, a header, a head) ends with a line. So lines are counted here:
connections take turns, and a connection with extremely small pieces is closed.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol as _Protocol
else:
    _Protocol = object

LINES_PER_ROUND = 256
"""Limit for all connections in one iteration of the event loop, about 1 ms. A response to another
client takes some twenty iterations."""
FEW_LINES = 64
"""Up to this many lines need no turn: ordinary requests and events of streams have fewer."""
STEP_BYTES = 1024
"""Bytes parsed at once for a connection that takes turns."""
FREE_BYTES = 32 * 1024
"""Bytes that the framing of a body (its head, and the sizes and ends of chunks) may always have."""
REQUEST_SHARE = 8
ANSWER_SHARE = 2
"""Beyond FREE_BYTES, the framing may be 1/8 of a request's body and 1/2 of a response's: chunks of
some 48 and 10 bytes on average. Each event of a stream may have a chunk of its own."""
MAX_HEADS = 9
"""Limit on the heads of one response: its own, and those with status 1xx before it."""
_REQUEST_BUFFER = 32 * 1024
ANSWER_BUFFER = 64 * 1024
"""Bytes that aiohttp parses before they are read, and 1/16 of that as the number of chunks. It can
be up to twice as much, because aiohttp takes all chunks out of its buffer at once."""


class TooManyPiecesError(aiohttp.ClientPayloadError):
    """An upstream's response has extremely small pieces or too many heads."""


class Pace:
    """Shares parsing time between the connections of one event loop."""

    def __init__(self) -> None:
        self._left = LINES_PER_ROUND
        self._waiting: dict[Paced, None] = {}
        self._is_renewed = False

    def allows(self, lines: int) -> bool:
        """Return whether this many lines may be parsed now, and count them."""
        self._renew()
        if self._left <= 0:
            return False
        self._left -= lines
        return True

    def wait(self, connection: Paced) -> None:
        """Let a connection continue in one of the next iterations of the loop."""
        self._waiting[connection] = None
        self._renew()

    def _renew(self) -> None:
        if not self._is_renewed:
            self._is_renewed = True
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._is_renewed, self._left = False, LINES_PER_ROUND
        while self._waiting and self._left > 0:
            connection = next(iter(self._waiting))
            del self._waiting[connection]
            connection.resume()
        if self._waiting:
            self._renew()


class Paced(_Protocol):
    """A mixin that paces a protocol of aiohttp; it must be the first base class."""

    share: int
    """The framing may be 1/share of a body, beyond FREE_BYTES."""

    def __init__(self, pace: Pace, *arguments: Any, **options: Any) -> None:
        self._pace = pace
        self._pending = bytearray()
        self._is_ended = False
        self._fed = 0
        self._body: aiohttp.StreamReader = EMPTY_PAYLOAD
        super().__init__(*arguments, **options)

    def data_received(self, data: bytes) -> None:
        """Parse bytes as far as this connection's turn allows."""
        if self._is_ended:
            return
        if not data:  # aiohttp continues with its own buffer
            super().data_received(data)
        elif self._pending or data.count(b"\n") > FEW_LINES:
            self._pending += data
            self.resume()
        else:
            self._feed(data)

    def resume(self) -> None:
        """Parse pending bytes; resume reading when none are left."""
        while self._pending and not self._is_full():
            bit = bytes(self._pending[:STEP_BYTES])
            if not self._pace.allows(bit.count(b"\n")):
                self._pace.wait(self)
                break
            del self._pending[:STEP_BYTES]
            self._feed(bit)
        if self._pending:
            self._pause_transport_reading()
        elif not (self._is_full() or self._is_ended):
            super()._resume_transport_reading()

    def _is_full(self) -> bool:
        """Return whether aiohttp's buffer is full; aiohttp resumes reading once it is emptied."""
        return self._reading_paused or self._buffer_paused

    def _resume_transport_reading(self) -> None:
        if self._pending:  # to be parsed before further bytes of the socket
            self._pace.wait(self)
        elif not self._is_ended:
            super()._resume_transport_reading()

    def _feed(self, data: bytes) -> None:
        # Checked first, because now aiohttp has parsed all bytes that it was fed.
        if self._has_tiny_pieces():
            self._is_ended = True
            self._pending.clear()
            self._pause_transport_reading()
            self._end()
            return
        self._fed += len(data)
        super().data_received(data)

    def _has_tiny_pieces(self) -> bool:
        body = self._body.total_bytes
        return self._fed - body > FREE_BYTES + body // self.share

    def _begin(self, body: aiohttp.StreamReader) -> None:
        """Start counting for a new body, after its head was parsed."""
        self._body = body
        self._fed = body.total_bytes

    def _end(self) -> None:
        """Close the connection: its pieces are too small."""
        raise NotImplementedError


class _Requests(Paced, web.RequestHandler):
    share = REQUEST_SHARE
    _heads = 0

    def _feed(self, data: bytes) -> None:
        super()._feed(data)
        if self._messages and self._request_count != self._heads:
            self._heads = self._request_count
            self._begin(self._messages[-1][1])

    def _is_full(self) -> bool:
        # After an upgrade request, aiohttp parses nothing until its response, then all at once.
        return super()._is_full() or self._upgraded

    async def finish_response(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        """Send a response. After a refused upgrade, the pending bytes are the next request."""
        try:
            return await super().finish_response(*arguments)
        finally:
            if self._pending:
                self._pace.wait(self)

    def _end(self) -> None:
        if self._body.is_eof():
            if self.transport is not None:
                self.transport.abort()
            return
        self._body.set_exception(web.RequestPayloadError("a body in too many small pieces"))
        self.close()  # after a response with this error


class PacedServer(web.Server):
    """aiohttp's server, for requests that may be hostile."""

    def __init__(self, pace: Pace, handler: Any, **options: Any) -> None:
        super().__init__(handler, read_bufsize=_REQUEST_BUFFER, **options)
        self._pace = pace

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return _Requests(self._pace, self, loop=self._loop, **self._kwargs)


class _Answers(Paced, ResponseHandler):
    share = ANSWER_SHARE
    _heads = 0

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the response to the next request."""
        self._heads = 0
        self._begin(EMPTY_PAYLOAD)
        super().set_response_params(**options)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Handle a parsed head."""
        self._heads += 1
        self._begin(data[1])
        super().feed_data(data, size)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Parse pending bytes: over TLS, a connection may end while reading is paused."""
        while self._pending:
            bit = bytes(self._pending[:STEP_BYTES])
            del self._pending[:STEP_BYTES]
            self._feed(bit)
        super().connection_lost(exc)

    @property
    def should_close(self) -> bool:
        """Whether the connection can't be reused, for example because of unexpected bytes."""
        return super().should_close or bool(self._pending)

    def _has_tiny_pieces(self) -> bool:
        return self._heads > MAX_HEADS or super()._has_tiny_pieces()

    def _end(self) -> None:
        error = TooManyPiecesError("an answer in too many small pieces")
        if self._payload is not None:
            self._payload.set_exception(error)
            self._payload = (
                None  # otherwise its error would be replaced by the end of the connection
            )
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()


class PacedConnector(aiohttp.TCPConnector):
    """aiohttp's connector, for upstreams that may be hostile."""

    def __init__(self, pace: Pace, **options: Any) -> None:
        super().__init__(**options)
        answers = functools.partial(_Answers, pace, loop=self._loop)
        self._factory = answers  # type: ignore[assignment]
