"""HTTP connections that must send what they began and read what they asked for.

uvicorn has no deadline for either, and no limit on the work that a few bytes can make.
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.net.connections import Connections

HEAD_MAX_BYTES = 32 * 1024
"""Of a request's head, about: it is parsed when it is whole, by the event loop, 10 us a line."""
SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel holds of an unread answer, about; by itself it lets that grow to 4 MiB."""
HEAD_MAX_LINES = 256
"""Each is some objects, which take up many times its bytes."""
_BYTES_A_LINE = 300
_UNCOUNTED_BODY_BYTES = 64 * 1024
"""Of a body that `api/bodies.py` has read; it counts the rest itself."""
_FREE_PIECES = 64
_BYTES_A_PIECE = 64


class _Connection(h11.Connection):
    """h11's connection, which refuses a body in tiny pieces: each takes 10 us of the event loop.

    It also refuses heads of many lines, and knows the bytes of its last request.
    """

    pieces_left = _FREE_PIECES
    head_bytes = 0
    body_bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return what comes next.

        Raises:
            h11.RemoteProtocolError: the other side does not keep to HTTP, or to this limit.

        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._count_head(event)
        elif isinstance(event, h11.Data):
            self.body_bytes += len(event.data)
            self.pieces_left -= 1
            if self.pieces_left < 0:
                raise h11.RemoteProtocolError("a body in too many pieces")
        return event

    def _count_head(self, head: h11.Request) -> None:
        if len(head.headers) > HEAD_MAX_LINES:
            raise h11.RemoteProtocolError("a head of too many lines")
        self.head_bytes = sum(len(name) + len(text) + _BYTES_A_LINE for name, text in head.headers)
        self.body_bytes = 0


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol, which also ends connections that do not come to their end.

    Each such connection would keep a descriptor, and what it does not read would keep memory, for
    as long as its other side likes. An answer may take any time as long as it is read; idle
    connections are uvicorn's own business. Tests make the deadlines shorter.
    """

    head_s: ClassVar[float] = 10.0
    """Seconds for a whole request head, from its first byte; of a new connection, from its start.
    A head is one or two packets, and a lost one is sent again within a few seconds."""
    body_s: ClassVar[float] = 60.0
    """Seconds for a whole body, from the end of its head: 8 MiB, the most that is taken, come in
    that time over 1.2 Mbit/s."""

    unread_s: ClassVar[float] = 120.0
    """Seconds in which what is written has to go out. The kernel holds a little more."""
    unread_max_bytes: ClassVar[int] = 64 * 1024 * 1024
    """Of all answers that are written and not yet read; beyond, those unread longest are ended. The
    last one never is: it may be the one that is larger."""

    _unread: ClassVar[dict[DeadlineProtocol, asyncio.TimerHandle]] = {}
    """Connections whose other side has something to read, those that wait longest first."""

    all_connections: ClassVar[Connections] = Connections()
    _awaited: tuple[object, object] | None = None
    """The part that is to come, and the request before which, or of which, it is."""
    conn: _Connection
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the first head's time: uvicorn does not count a new connection as idle."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that anything unread is noticed
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.conn = _Connection(h11.SERVER, HEAD_MAX_BYTES)
        self._follow()

    def held_bytes(self) -> int:
        """Return how much is held of what this connection sent, about."""
        body = len(self.cycle.body) if self.cycle else 0
        if self._is_answering() and self.conn.their_state is h11.SEND_BODY:
            body = max(body, min(self.conn.body_bytes, _UNCOUNTED_BODY_BYTES))
        return len(self.conn.trailing_data[0]) + self.conn.head_bytes + body

    def end(self) -> None:
        """Close the connection at once, and hold no more of what it sent.

        Its end comes in a later turn of the event loop, behind all that others have sent by now.
        """
        self.transport.abort()
        self.conn = _Connection(h11.SERVER, HEAD_MAX_BYTES)
        if self._is_answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is not None:
            self.cycle.conn, self.cycle.body = self.conn, bytearray()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _count(self) -> None:
        is_sending = not self._is_answering() or self.conn.their_state is h11.SEND_BODY
        self.all_connections.update(self, waits=is_sending or self in self._unread)

    def data_received(self, data: bytes) -> None:
        """Take what came, then see what is to come."""
        self.conn.pieces_left = _FREE_PIECES + len(data) // _BYTES_A_PIECE
        for start in range(0, len(data), HEAD_MAX_BYTES):  # or a head could have all of it
            if not self.transport.is_closing():
                super().data_received(data[start : start + HEAD_MAX_BYTES])
        self._follow()

    def pause_writing(self) -> None:
        """Begin the time in which the other side has to read."""
        super().pause_writing()
        self._unread[self] = self.loop.call_later(self.unread_s, self.transport.abort)
        sizes = {each: each.transport.get_write_buffer_size() for each in self._unread}
        excess = sum(sizes.values()) - self.unread_max_bytes
        for each, size in sizes.items():
            if excess <= 0 or each is self:  # this one has just been written
                break
            excess -= size
            each.transport.abort()
        self._count()

    def resume_writing(self) -> None:
        """End that time: all is read, or on its way."""
        self._forget_unread()
        super().resume_writing()
        self._count()

    def _forget_unread(self) -> None:
        if (timer := self._unread.pop(self, None)) is not None:
            timer.cancel()

    def on_response_complete(self) -> None:
        """Go on with a request that waited for this answer; where none did, uvicorn's time runs."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._follow()
        else:
            self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._await(None)
        self._forget_unread()
        super().connection_lost(exc)
        self.all_connections.leave(self)

    def _follow(self) -> None:
        """Let each part that is to come have a time of its own, which more of it doesn't renew."""
        seconds = {h11.IDLE: self.head_s, h11.SEND_BODY: self.body_s}.get(self.conn.their_state)
        awaited = None if seconds is None else (self.conn.their_state, self.cycle)
        if awaited != self._awaited:
            self._await(awaited, seconds)
        self._count()

    def _await(self, awaited: tuple[object, object] | None, seconds: float | None = None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited = awaited
        # Aborted, not closed: what is still to be written would wait for the same slow client.
        self._deadline = self.loop.call_later(seconds, self.transport.abort) if seconds else None
