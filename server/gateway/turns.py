"""Shares the event loop between long computations: one slice in each iteration of the loop."""

from __future__ import annotations

import asyncio


class Turns:
    """Lets one long computation at a time run a slice, so that short work is not delayed."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for this caller's turn, and for the next iteration of the loop."""
        async with self._lock:
            await asyncio.sleep(0)
