"""Runs that are not in this server's memory: ended ones, and those of other servers.

They are only in the database, which another server may be writing to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from llm_agent_builder.errors import RunElsewhereError, RunNotFoundError, StoreError
from server.storage.database_threads import DatabaseThreads
from server.storage.records import Event
from server.storage.store import Store
from server.storage.tables import OPEN

_POLL_S = 0.5
_CANCEL_POLL_S = 0.1
_CANCEL_WAIT_S = 15.0
_FAILURES = 10
"""Reads in a row that may fail before a stream of events ends."""


class StoredRuns:
    """Reads runs from the database. Every method raises StoreError if that fails."""

    def __init__(self, store: Store, threads: DatabaseThreads) -> None:
        self._store = store
        self._threads = threads
        self._paging = asyncio.Lock()

    async def event_pages(self, run_id: str, after: int) -> AsyncIterator[Sequence[Event]]:
        """Yield the events of a run after number `after`, and new ones until it ends.

        They come in pages, so a slow reader keeps only one page in memory.
        """
        failures, has_ended = 0, False
        while failures < _FAILURES:
            try:
                # Before the events: if it has ended, they are complete.
                has_ended = has_ended or await self._has_ended(run_id)
                page = await self._page(run_id, after)
                failures = 0
            except StoreError:
                failures += 1
                await asyncio.sleep(_POLL_S)
                continue
            if page:
                yield page
                after = page[-1].seq
            elif has_ended:
                return
            else:
                await asyncio.sleep(_POLL_S)

    async def _page(self, run_id: str, after: int) -> Sequence[Event]:
        async with self._paging:  # many readers must not take all threads
            return await self._threads.read(self._store.events, run_id, after=after)

    async def _has_ended(self, run_id: str) -> bool:
        try:
            return await self._threads.read(self._store.status, run_id) not in OPEN
        except RunNotFoundError:  # it was removed from the history in the meantime
            return True

    async def cancel(self, run_id: str) -> None:
        """Have the run's server cancel it; returns when it has ended.

        Raises:
            RunNotFoundError: there is no such run.
            RunElsewhereError: that server has not cancelled it within 15 s.

        """
        if await self._threads.read(self._store.status, run_id) not in OPEN:
            return
        await self._threads.write(self._store.ask_to_cancel, run_id)
        try:
            async with asyncio.timeout(_CANCEL_WAIT_S):
                while await self._threads.read(self._store.status, run_id) in OPEN:
                    await asyncio.sleep(_CANCEL_POLL_S)
        except TimeoutError:
            raise RunElsewhereError(
                f"another server has this run and has not cancelled it within {_CANCEL_WAIT_S:.0f} "
                "s; it will when it responds again, and if it is gone, the run ends within a minute"
            ) from None
