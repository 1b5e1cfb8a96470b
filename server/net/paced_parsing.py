"""aiohttp's protocols, which parse what comes in bits and in turns, and end what is absurd.

aiohttp parses all that a socket had at once. That is up to 256 KiB, or 43,000 chunks of one byte:
0.2 s of the event loop for each connection, from a sender that pays next to nothing. All that costs
its parser time ends with a line (a chunk, a header, a head), so lines are counted here.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD

if TYPE_CHECKING:
    from aiohttp.base_protocol import BaseProtocol as _Protocol
else:
    _Protocol = object

LINES_A_ROUND = 256
"""Of all connections together, each time the loop goes round: 1 ms. An answer to another client
takes some twenty rounds."""
FEW_LINES = 64
"""So many at once need no turn: a request has fewer, and so has an event of a stream."""
BIT_BYTES = 1024
FREE_BYTES = 32 * 1024
"""Of what carries a body: its head, and the sizes and ends of its chunks."""
REQUEST_SHARE = 8
ANSWER_SHARE = 2
"""Beyond FREE_BYTES, what carries a body may have 1/8 of its bytes in a request, 1/2 in an answer:
chunks of some 48 and 10 bytes on average. Each event of a stream may have a chunk of its own."""
MOST_HEADS = 9
"""Of one answer: its own, and those of status 1xx before it."""
_REQUEST_BUFFER = 32 * 1024
ANSWER_BUFFER = 64 * 1024
"""Bytes that aiohttp parses ahead of who reads them, and 1/16 of that in chunks; twice that at
most. aiohttp takes all chunks that it has out of its buffer at once."""


class TooManyPiecesError(aiohttp.ClientPayloadError):
    """An upstream's answer is in absurdly small pieces, or has too many heads."""


class Pace:
    """Shares out what the connections of one event loop may have parsed in a round of it."""

    def __init__(self) -> None:
        self._left = LINES_A_ROUND
        self._waiting: dict[Paced, None] = {}
        self._is_renewed = False

    def allows(self, lines: int) -> bool:
        """Say whether so many lines may be parsed now, and count them."""
        self._renew()
        if self._left <= 0:
            return False
        self._left -= lines
        return True

    def wait(self, connection: Paced) -> None:
        """Have a connection go on in one of the next rounds."""
        self._waiting[connection] = None
        self._renew()

    def _renew(self) -> None:
        if not self._is_renewed:
            self._is_renewed = True
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._is_renewed, self._left = False, LINES_A_ROUND
        while self._waiting and self._left > 0:
            connection = next(iter(self._waiting))
            del self._waiting[connection]
            connection.go_on()
        if self._waiting:
            self._renew()


class Paced(_Protocol):
    """What a protocol of aiohttp's becomes paced by, as the base before it."""

    share: int
    """The part of a body's bytes that what carries it may have, beyond FREE_BYTES."""

    def __init__(self, pace: Pace, *arguments: Any, **options: Any) -> None:
        self._pace = pace
        self._held = bytearray()
        self._is_ended = False
        self._fed = 0
        self._body: aiohttp.StreamReader = EMPTY_PAYLOAD
        super().__init__(*arguments, **options)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as it is this connection's turn."""
        if self._is_ended:
            return
        if not data:  # aiohttp itself asks to go on with what it has
            super().data_received(data)
        elif self._held or data.count(b"\n") > FEW_LINES:
            self._held += data
            self.go_on()
        else:
            self._feed(data)

    def go_on(self) -> None:
        """Parse what is held; read on when that is done."""
        while self._held and not self._is_full():
            bit = bytes(self._held[:BIT_BYTES])
            if not self._pace.allows(bit.count(b"\n")):
                self._pace.wait(self)
                break
            del self._held[:BIT_BYTES]
            self._feed(bit)
        if self._held:
            self._pause_transport_reading()
        elif not (self._is_full() or self._is_ended):
            super()._resume_transport_reading()

    def _is_full(self) -> bool:
        """Say whether who reads must have a turn first; then reading is resumed."""
        return self._reading_paused or self._buffer_paused

    def _resume_transport_reading(self) -> None:
        if self._held:  # comes before what is still in the socket
            self._pace.wait(self)
        elif not self._is_ended:
            super()._resume_transport_reading()

    def _feed(self, data: bytes) -> None:
        # Looked at before: then aiohttp has parsed all that it was fed.
        if self._is_absurd():
            self._is_ended = True
            self._held.clear()
            self._pause_transport_reading()
            self._end()
            return
        self._fed += len(data)
        super().data_received(data)

    def _is_absurd(self) -> bool:
        carried = self._body.total_bytes
        return self._fed - carried > FREE_BYTES + carried // self.share

    def _begin(self, body: aiohttp.StreamReader) -> None:
        """Count from here on: a head has come, and its body may have."""
        self._body = body
        self._fed = body.total_bytes

    def _end(self) -> None:
        """End what is absurd."""
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
        # What follows an upgrade isn't parsed before its answer, but then all at once.
        return super()._is_full() or (self._upgraded and self._payload_parser is None)

    async def finish_response(self, *arguments: Any) -> tuple[web.StreamResponse, bool]:
        """Answer; an upgrade may have been refused, and what follows it be the next request."""
        try:
            return await super().finish_response(*arguments)
        finally:
            if self._held:
                self._pace.wait(self)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Give all that comes to a parser, which costs nothing to speak of."""
        held = bytes(self._held)
        self._held.clear()
        super().set_parser(parser, data_received_cb)
        if held:
            parser.feed_data(held)
        if held and not self._is_full():
            self._resume_transport_reading()

    def _end(self) -> None:
        if self._body.is_eof():
            if self.transport is not None:
                self.transport.abort()
            return
        self._body.set_exception(web.RequestPayloadError("a body in too many pieces"))
        self.close()  # after an answer that says so


class PacedServer(web.Server):
    """aiohttp's server for requests that may be hostile."""

    def __init__(self, pace: Pace, handler: Any, **options: Any) -> None:
        super().__init__(handler, read_bufsize=_REQUEST_BUFFER, **options)
        self._pace = pace

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of one more connection."""
        return _Requests(self._pace, self, loop=self._loop, **self._kwargs)


class _Answers(Paced, ResponseHandler):
    share = ANSWER_SHARE
    _heads = 0

    def set_response_params(self, **options: Any) -> None:
        """Begin to read the answer to one more request."""
        self._heads = 0
        self._begin(EMPTY_PAYLOAD)
        super().set_response_params(**options)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take one more head, with the body that follows it."""
        self._heads += 1
        self._begin(data[1])
        super().feed_data(data, size)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Parse what came before the end: over TLS, an end may come while reading is paused."""
        while self._held:
            bit = bytes(self._held[:BIT_BYTES])
            del self._held[:BIT_BYTES]
            self._feed(bit)
        super().connection_lost(exc)

    @property
    def should_close(self) -> bool:
        """Whether the connection can't be used again: nor where more came than was asked for."""
        return super().should_close or bool(self._held)

    def _is_absurd(self) -> bool:
        return self._heads > MOST_HEADS or super()._is_absurd()

    def _end(self) -> None:
        error = TooManyPiecesError("an answer in too many pieces")
        if self._payload is not None:
            self._payload.set_exception(error)
            self._payload = None  # or the end of the connection would be its error
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()


class PacedConnector(aiohttp.TCPConnector):
    """aiohttp's connections to upstreams that may be hostile."""

    def __init__(self, pace: Pace, **options: Any) -> None:
        super().__init__(**options)
        answers = functools.partial(_Answers, pace, loop=self._loop)
        self._factory = answers  # type: ignore[assignment]
