"""Runs that this server does not have in memory: ended ones, and those of other servers.

All that is known of them is in the database, which another server may be writing to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from llm_agent_builder.errors import RunElsewhereError, RunNotFoundError, StoreError
from server.storage.database_threads import DatabaseThreads
from server.storage.store import Store
from server.storage.tables import OPEN

_LOOK_S = 0.5
_CANCEL_LOOK_S = 0.1
_CANCEL_WAIT_S = 15.0
_FAILURES = 10
"""Looks in a row that may fail before a stream of events ends."""


class StoredRuns:
    """What the database knows of runs. Every method raises StoreError where that can't be read."""

    def __init__(self, store: Store, threads: DatabaseThreads) -> None:
        self._store = store
        self._threads = threads
        self._paging = asyncio.Lock()

    async def event_pages(
        self, run_id: str, after: int
    ) -> AsyncIterator[Sequence[tuple[int, str, Any]]]:
        """Yield the events of a run behind number `after`, and those that come, to its end.

        Some at a time: a reader that is slow holds one page.
        """
        failures, has_ended = 0, False
        while failures < _FAILURES:
            try:
                # First: then all its events are there.
                has_ended = has_ended or await self._has_ended(run_id)
                page = await self._page(run_id, after)
                failures = 0
            except StoreError:
                failures += 1
                await asyncio.sleep(_LOOK_S)
                continue
            if page:
                yield page
                after = page[-1][0]
            elif has_ended:
                return
            else:
                await asyncio.sleep(_LOOK_S)

    async def _page(self, run_id: str, after: int) -> Sequence[tuple[int, str, Any]]:
        async with self._paging:  # many readers are not to take all threads that others need
            return await self._threads.read(self._store.events, run_id, after=after)

    async def _has_ended(self, run_id: str) -> bool:
        try:
            return await self._threads.read(self._store.status, run_id) not in OPEN
        except RunNotFoundError:  # it was removed from the history in the meantime
            return True

    async def cancel(self, run_id: str) -> None:
        """Have the server that has a run cancel it; returns when it has ended.

        Raises:
            RunNotFoundError: there is no such run.
            RunElsewhereError: that server has not done so in 15 s.

        """
        if await self._threads.read(self._store.status, run_id) not in OPEN:
            return
        await self._threads.write(self._store.ask_to_cancel, run_id)
        try:
            async with asyncio.timeout(_CANCEL_WAIT_S):
                while await self._threads.read(self._store.status, run_id) in OPEN:
                    await asyncio.sleep(_CANCEL_LOOK_S)
        except TimeoutError:
            raise RunElsewhereError(
                f"another server has this run and has not cancelled it within {_CANCEL_WAIT_S:.0f} "
                "s; it does when it answers again, and if it is gone the run ends within a minute"
            ) from None
