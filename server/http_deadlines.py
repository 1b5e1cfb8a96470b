"""HTTP connections that must send what they began: uvicorn has no deadline for that."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class DeadlineProtocol(H11Protocol):
    """uvicorn's protocol, which also ends connections whose request does not come to its end.

    Each such connection would keep a descriptor for as long as its other side likes. What is
    answered, however long, has no deadline here; idle connections are uvicorn's own business.
    Tests make the deadlines shorter.
    """

    head_s: ClassVar[float] = 10.0
    """Seconds for a whole request head, from its first byte; of a new connection, from its start.
    A head is one or two packets, and a lost one is sent again within a few seconds."""
    body_s: ClassVar[float] = 60.0
    """Seconds for a whole body, from the end of its head: 8 MiB, the most that is taken, come in
    that time over 1.2 Mbit/s."""

    _awaited: tuple[object, object] | None = None
    """The part that is to come, and the request before which, or of which, it is."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the first head's time: uvicorn does not count a new connection as idle."""
        super().connection_made(transport)
        self._follow()

    def data_received(self, data: bytes) -> None:
        """Take what came, then see what is to come."""
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Go on with a request that waited for this answer; where none did, uvicorn's time runs."""
        super().on_response_complete()
        if self.conn.their_state is not h11.IDLE:
            self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._await(None)
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
