"""Turns at costly work in the event loop: one slice each time round, whoever waits."""

from __future__ import annotations

import asyncio


class Turns:
    """Shares the loop between many that have much to do and all that have little."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for the others that wait, and for the loop to go round."""
        async with self._lock:
            await asyncio.sleep(0)
