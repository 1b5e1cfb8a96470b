"""How long a call may take, and what ends it when it takes longer.

`asyncio.timeout` sets a timer for each wait, which is a twentieth of a call's whole way. Here one
timer looks after all that are open, ten times a second, and none is set while none is open.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_GRAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds: the longest that a provider's own clients wait."""

    body: float = 120
    """Until all of a request has come."""
    connect: float = 10
    first_byte: float = 600
    """Until the answer's headers: an answer that doesn't stream is written before they come."""
    idle: float = 120
    """Between two pieces of an answer; providers send something at least each 15 s."""
    total: float = 1800


class Waits:
    """Looks after every open wait of one event loop."""

    def __init__(self, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self._open: set[Wait] = set()
        self._timer: asyncio.TimerHandle | None = None

    def for_first_byte(self) -> Wait:
        """Return the wait for an answer to begin."""
        return self.until(asyncio.get_running_loop().time() + self.timeouts.first_byte)

    def until(self, end: float) -> Wait:
        """Return a wait that ends when the loop's clock says `end`, or a tenth of a second late."""
        return Wait(self, end)

    def add(self, wait: Wait) -> None:
        """Look after one more."""
        self._open.add(wait)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GRAIN_S, self._look)

    def discard(self, wait: Wait) -> None:
        """Look after it no longer."""
        self._open.discard(wait)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_GRAIN_S, self._look) if self._open else None
        now = loop.time()
        for wait in [each for each in self._open if each.end <= now]:
            self._open.discard(wait)
            wait.expire()


class Wait:
    """Ends what is awaited inside it with TimeoutError at its `end`, which may be moved at will."""

    __slots__ = ("_timeout", "_waits", "end")

    def __init__(self, waits: Waits, end: float) -> None:
        self.end = end
        self._waits = waits
        self._timeout = asyncio.timeout(None)

    def expire(self) -> None:
        """End it now."""
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._waits.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._waits.discard(self)
        await self._timeout.__aexit__(kind, error, traceback)
