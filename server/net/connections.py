"""All connections of a server: how many there may be, and how much of what they sent is held.

Both are this module's decision and not the senders'. Beyond either, connections that wait for their
other side are ended, those that wait longest first, rather than new ones refused: whoever sends a
request whole and reads its answer is served, however many others don't.
"""

from __future__ import annotations

from typing import Protocol

CONNECTIONS_MAX = 2000
"""Each takes a descriptor and some 15 KiB."""
HELD_MAX_BYTES = 16 * 1024 * 1024
"""Bytes of heads and bodies in all connections, about: those that have come and are not yet read
whole by what answers them. Of a larger body's first 64 KiB; `api/bodies.py` counts the rest."""
_LEFT = 3 / 4
"""Of the bytes, once there were too many: so that they are rarely counted one by one."""


class Connection(Protocol):
    """One of them."""

    def held_bytes(self) -> int:
        """Return how much is held of what it sent."""
        ...

    def end(self) -> None:
        """Close it at once; what was to be written is dropped."""
        ...


class Connections:
    """Ends connections where there are too many, or too much is held of what they sent."""

    def __init__(self) -> None:
        self.most = CONNECTIONS_MAX
        self.most_bytes = HELD_MAX_BYTES
        self._bytes: dict[Connection, int] = {}
        self._sum = 0
        self._waiting: dict[Connection, None] = {}
        """Those whose other side is to send or to read something, the longest first."""

    def update(self, connection: Connection, *, waits: bool) -> None:
        """Count a connection, as it is now."""
        self._count(connection)
        if not waits:
            self._waiting.pop(connection, None)
        else:
            self._waiting.setdefault(connection)
        while len(self._bytes) > self.most:
            self._end(next(iter(self._waiting), connection))
        if self._sum > self.most_bytes:
            self._free_bytes()

    def leave(self, connection: Connection) -> None:
        """Count a connection no more."""
        self._sum -= self._bytes.pop(connection, 0)
        self._waiting.pop(connection, None)

    def _count(self, connection: Connection) -> None:
        held = connection.held_bytes()
        self._sum += held - self._bytes.get(connection, 0)
        self._bytes[connection] = held

    def _free_bytes(self) -> None:
        for each in self._bytes:  # what was read since is not known yet
            self._count(each)
        average = self._sum / len(self._bytes)
        self._end_waiting(average)  # ending those that hold little would free little
        self._end_waiting(0)

    def _end_waiting(self, least: float) -> None:
        """End connections that hold so much at least, until enough is free again."""
        if self._sum <= self.most_bytes:
            return
        for each in [each for each in self._waiting if self._bytes[each] >= least]:
            if self._sum > self.most_bytes * _LEFT:
                self._end(each)

    def _end(self, connection: Connection) -> None:
        self.leave(connection)
        connection.end()
