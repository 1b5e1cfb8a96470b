"""Work that is carried through, also when its event loop is being ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_MOST_S = 60.0
"""More than all waits of the work that goes through here take together."""
_log = logging.getLogger(__name__)

T = TypeVar("T")


class _Uncancelled(asyncio.Task[T]):
    """A task that goes on to its end. `asyncio.run` cancels all tasks once, then waits for them."""

    _late = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse, unless it is late: see `asyncio.Task.cancel`."""
        return self._late and super().cancel(msg)

    def give_up(self) -> None:
        """Cancel it after all."""
        self._late = True
        _log.error("%s did not end in time, and is given up", self.get_coro())
        self.cancel()


async def carried_through(work: Coroutine[Any, Any, T], seconds: float = _MOST_S) -> T:
    """Return what `work` returns; whoever waits here is cancelled only afterwards.

    `asyncio.shield` keeps the one who waits from cancelling the work, not the end of the loop. For
    letting go of processes, descriptors and files. Work that takes longer than `seconds` is
    cancelled.
    """
    loop = asyncio.get_running_loop()
    task = _Uncancelled(work, loop=loop)
    late = loop.call_later(seconds, task.give_up)
    try:
        return await task
    finally:
        late.cancel()
