"""Deadlines for HTTP clients to send a whole request and to read the response.

uvicorn has neither, nor a limit on the work that a few bytes can cause.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.net.connections import Connections

HEAD_MAX_BYTES = 32 * 1024
"""Approximate limit on a request's head. The event loop parses it as a whole, 10 us per line."""
IDLE_S = 5
"""Seconds for which uvicorn keeps a connection open after a response: its own default."""
SEND_BUFFER_BYTES = 128 * 1024
"""Approximate kernel buffer for an unread response; the default grows to 4 MiB."""
HEAD_MAX_LINES = 256
"""Limit on the lines of a head: each becomes several objects with many times its bytes."""
_BYTES_PER_LINE = 300
_UNCOUNTED_BODY_BYTES = 64 * 1024
"""The part of a body that is counted here; `api/bodies.py` counts the rest."""
_FREE_PIECES = 64
_BYTES_PER_PIECE = 64
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with 0 s: closing drops unsent bytes and resets the connection. Source: socket(7)."""


class _Connection(h11.Connection):
    """h11's connection with limits on the lines of heads and on tiny pieces of bodies.

    Each piece takes 10 us of the event loop. It also counts the bytes of the current request.
    """

    pieces_left = _FREE_PIECES
    head_bytes = 0
    body_bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next event.

        Raises:
            h11.RemoteProtocolError: the client violates HTTP or one of these limits.

        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._count_head(event)
        elif isinstance(event, h11.Data):
            self.body_bytes += len(event.data)
            self.pieces_left -= 1
            if self.pieces_left < 0:
                raise h11.RemoteProtocolError("a body in too many small pieces")
        return event

    def _count_head(self, head: h11.Request) -> None:
        if len(head.headers) > HEAD_MAX_LINES:
            raise h11.RemoteProtocolError("a head with too many lines")
        self.head_bytes = sum(
            len(name) + len(text) + _BYTES_PER_LINE for name, text in head.headers
        )
        self.body_bytes = 0


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol with deadlines.

    Without them, a client could occupy a descriptor and the memory of unread responses for ever. A
    response may take any time as long as the client reads it. uvicorn itself closes idle
    connections. Tests shorten the deadlines.
    """

    head_s: ClassVar[float] = 10.0
    """Seconds to send a request's head, from its first byte; on a new connection, from its start.
    A head is one or two packets, and lost packets are sent again within a few seconds."""
    body_s: ClassVar[float] = 60.0
    """Seconds to send the body, from the end of the head: enough for 8 MiB, the largest accepted
    body, over 1.2 Mbit/s."""

    unread_s: ClassVar[float] = 120.0
    """Seconds to read a response, except for its end, which the kernel buffers."""
    unread_max_bytes: ClassVar[int] = 64 * 1024 * 1024
    """Limit on all unread responses together. Beyond it, connections are closed, the longest unread
    first; the newest stays open, because it may exceed the limit by itself."""

    _unread: ClassVar[dict[DeadlineProtocol, asyncio.TimerHandle]] = {}
    """Connections with unread data, the longest unread first."""

    all_connections: ClassVar[Connections] = Connections()
    _expected: tuple[object, object] | None = None
    """The part of a request that the client must send next, and the previous request."""
    conn: _Connection
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the deadline for the first head; uvicorn does not treat new connections as idle."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that any unread data is noticed
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.conn = _Connection(h11.SERVER, HEAD_MAX_BYTES)
        self._set_deadline()

    def buffered_bytes(self) -> int:
        """Return approximately how many bytes from the client are buffered."""
        body = len(self.cycle.body) if self.cycle else 0
        if self._is_answering() and self.conn.their_state is h11.SEND_BODY:
            body = max(body, min(self.conn.body_bytes, _UNCOUNTED_BODY_BYTES))
        return len(self.conn.trailing_data[0]) + self.conn.head_bytes + body

    def end(self) -> None:
        """Close the connection at once, and drop its buffers.

        `connection_lost` is called later, after the event loop has handled other connections.
        """
        self._abort()
        self.conn = _Connection(h11.SERVER, HEAD_MAX_BYTES)
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is not None:
            self.cycle.conn, self.cycle.body = self.conn, bytearray()

    def _abort(self) -> None:
        """Reset the connection; the kernel would keep it until the client has read the rest."""
        connection = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self) -> None:
        is_sending = not self._is_answering() or self.conn.their_state is h11.SEND_BODY
        self.all_connections.update(self, waits=is_sending or self in self._unread)

    def data_received(self, data: bytes) -> None:
        """Handle bytes, then set the deadline for the next part."""
        self.conn.pieces_left = _FREE_PIECES + len(data) // _BYTES_PER_PIECE
        for start in range(0, len(data), HEAD_MAX_BYTES):  # limits the size of a head
            if not self.transport.is_closing():
                super().data_received(data[start : start + HEAD_MAX_BYTES])
        self._set_deadline()

    def pause_writing(self) -> None:
        """Start the deadline for reading: the client reads too slowly."""
        super().pause_writing()
        self._unread[self] = self.loop.call_later(self.unread_s, self._abort)
        sizes = {each: each.transport.get_write_buffer_size() for each in self._unread}
        excess = sum(sizes.values()) - self.unread_max_bytes
        for each, size in sizes.items():
            if excess <= 0 or each is self:  # this is the newest
                break
            excess -= size
            each._abort()
        self._count()

    def resume_writing(self) -> None:
        """Cancel the deadline for reading: the client has caught up."""
        self._forget_unread()
        super().resume_writing()
        self._count()

    def _forget_unread(self) -> None:
        if (timer := self._unread.pop(self, None)) is not None:
            timer.cancel()

    def on_response_complete(self) -> None:
        """Continue with a pipelined request; if there is none, uvicorn closes idle connections."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._set_deadline()
        else:
            self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadlines."""
        self._expect(None)
        self._forget_unread()
        super().connection_lost(exc)
        self.all_connections.leave(self)

    def _set_deadline(self) -> None:
        """Set one deadline for each part of a request; further bytes don't extend it."""
        seconds = {h11.IDLE: self.head_s, h11.SEND_BODY: self.body_s}.get(self.conn.their_state)
        expected = None if seconds is None else (self.conn.their_state, self.cycle)
        if expected != self._expected:
            self._expect(expected, seconds)
        self._count()

    def _expect(self, expected: tuple[object, object] | None, seconds: float | None = None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._expected = expected
        # Aborted, not closed: closing would wait until the same slow client has read everything.
        self._deadline = self.loop.call_later(seconds, self._abort) if seconds else None
