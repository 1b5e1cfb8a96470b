"""Limits on the connections of a server: their number, and the bytes that are buffered for them.

Beyond a limit, connections that wait for their client are closed, the longest waiting first. New
ones are not refused: clients that send whole requests and read the responses are served, however
many others don't.
"""

from __future__ import annotations

from typing import Protocol

CONNECTIONS_MAX = 2000
"""Each needs a descriptor and some 15 KiB."""
BUFFERED_MAX_BYTES = 16 * 1024 * 1024
"""Approximate limit on the received heads and bodies that no route has read yet. Only the first
64 KiB of a body count; `api/bodies.py` counts the rest."""
_TARGET = 3 / 4
"""Share of BUFFERED_MAX_BYTES at which closing stops, so that the exact count is rarely needed."""


class Connection(Protocol):
    """One connection."""

    def buffered_bytes(self) -> int:
        """Return how many bytes that the client sent are buffered."""
        ...

    def end(self) -> None:
        """Close the connection at once, without sending the rest."""
        ...


class Connections:
    """Closes connections when there are too many, or when too many bytes are buffered."""

    def __init__(self) -> None:
        self.max_connections = CONNECTIONS_MAX
        self.max_bytes = BUFFERED_MAX_BYTES
        self._bytes: dict[Connection, int] = {}
        self._sum = 0
        self._waiting: dict[Connection, None] = {}
        """Connections that wait for their client to send or to read, the longest wait first."""

    def update(self, connection: Connection, *, waits: bool) -> None:
        """Update the counts with the current state of a connection."""
        self._count(connection)
        if not waits:
            self._waiting.pop(connection, None)
        else:
            self._waiting.setdefault(connection)
        while len(self._bytes) > self.max_connections:
            self._end(next(iter(self._waiting), connection))
        if self._sum > self.max_bytes:
            self._free_bytes()

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self._sum -= self._bytes.pop(connection, 0)
        self._waiting.pop(connection, None)

    def _count(self, connection: Connection) -> None:
        size = connection.buffered_bytes()
        self._sum += size - self._bytes.get(connection, 0)
        self._bytes[connection] = size

    def _free_bytes(self) -> None:
        for each in self._bytes:  # routes may have read some meanwhile
            self._count(each)
        average = self._sum / len(self._bytes)
        self._end_waiting(average)  # closing small ones would free little
        self._end_waiting(0)

    def _end_waiting(self, least: float) -> None:
        """Close waiting connections that buffer at least `least` bytes, until enough is free."""
        if self._sum <= self.max_bytes:
            return
        for each in [each for each in self._waiting if self._bytes[each] >= least]:
            if self._sum > self.max_bytes * _TARGET:
                self._end(each)

    def _end(self, connection: Connection) -> None:
        self.leave(connection)
        connection.end()
