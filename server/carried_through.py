"""Work that is carried through, also when its event loop is being ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Uncancelled(asyncio.Task[T]):
    """A task that goes on to its end. `asyncio.run` cancels all tasks once, then waits for them."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Refuse: see `asyncio.Task.cancel`."""
        return False


async def carried_through(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; whoever waits here is cancelled only afterwards.

    `asyncio.shield` keeps the one who waits from cancelling the work, not the end of the loop. For
    work that is sure to end: letting go of processes, descriptors and files.
    """
    return await _Uncancelled(work, loop=asyncio.get_running_loop())
