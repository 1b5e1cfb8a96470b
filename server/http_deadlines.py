"""HTTP connections that must send what they began and read what they asked for.

uvicorn has no deadline for either, and no limit on the work that a few bytes can make.
"""

from __future__ import annotations

import asyncio
import socket
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_MAX_BYTES = 32 * 1024
"""Of a request's head, about: it is parsed when it is whole, by the event loop, 10 us a line."""
SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel holds of an unread answer, about; by itself it lets that grow to 4 MiB."""
_FREE_PIECES = 64
_BYTES_A_PIECE = 64


class _Connection(h11.Connection):
    """h11's connection, which refuses a body in tiny pieces: each takes 10 us of the event loop."""

    pieces_left = _FREE_PIECES

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return what comes next.

        Raises:
            h11.RemoteProtocolError: the other side does not keep to HTTP, or to this limit.

        """
        event = super().next_event()
        if isinstance(event, h11.Data):
            self.pieces_left -= 1
            if self.pieces_left < 0:
                raise h11.RemoteProtocolError("a body in too many pieces")
        return event


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

    def resume_writing(self) -> None:
        """End that time: all is read, or on its way."""
        self._forget_unread()
        super().resume_writing()

    def _forget_unread(self) -> None:
        if (timer := self._unread.pop(self, None)) is not None:
            timer.cancel()

    def on_response_complete(self) -> None:
        """Go on with a request that waited for this answer; where none did, uvicorn's time runs."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._await(None)
        self._forget_unread()
        super().connection_lost(exc)

    def _follow(self) -> None:
        """Let each part that is to come have a time of its own, which more of it doesn't renew."""
        seconds = {h11.IDLE: self.head_s, h11.SEND_BODY: self.body_s}.get(self.conn.their_state)
        awaited = None if seconds is None else (self.conn.their_state, self.cycle)
        if awaited != self._awaited:
            self._await(awaited, seconds)

    def _await(self, awaited: tuple[object, object] | None, seconds: float | None = None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited = awaited
        # Aborted, not closed: what is still to be written would wait for the same slow client.
        self._deadline = self.loop.call_later(seconds, self.transport.abort) if seconds else None
