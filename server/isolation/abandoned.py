"""Places whose processes could not be ended: counted, tried again, and too many refuse new runs.

A process can't be ended while the kernel works for it without end (on a file system that does not
answer, say), and a cell can't while one of its processes waits to be reaped by one outside.
"""

from __future__ import annotations

import asyncio
import logging

from server.isolation.background_work import carried_through
from server.isolation.engine import Place

MOST = 8
"""Places that may be abandoned at once; then no run starts. Each has a run's memory at most."""
_AGAIN_S = 2.0
_log = logging.getLogger(__name__)


class AbandonedPlaces:
    """The places of one sandbox that could not be ended."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._trying: set[asyncio.Task[None]] = set()
        self.ever = 0
        """How many there have been."""

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._trying)

    @property
    def full(self) -> bool:
        """Whether there are so many that no run may start."""
        return self.count >= self._most

    @property
    def problem(self) -> str | None:
        """What to say of them, or None where there are none."""
        if not self.count:
            return None
        text = (
            f"the processes of {self.count} ended run{'' if self.count == 1 else 's'} can't be "
            "killed; see the log"
        )
        if self.full:
            text += ". No run starts until they have gone: restart the server, or the machine"
        return text

    def take(self, place: Place) -> None:
        """Go on trying to end a place, and release it when that was possible."""
        self.ever += 1
        task = asyncio.create_task(self._try_on(place))
        self._trying.add(task)
        task.add_done_callback(self._trying.discard)
        _log.error(
            "the processes of a run can't be killed: its place is abandoned (%d of at most %d)",
            self.count,
            self._most,
        )

    async def _try_on(self, place: Place) -> None:
        try:
            while not await place.close():
                await asyncio.sleep(_AGAIN_S)
            _log.warning("the processes of an abandoned run have gone")
        finally:  # also at the end of the loop, where what is left is the kernel's
            await carried_through(place.release())
