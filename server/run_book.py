"""Writes runs down: their events while they go, their end when it has come."""

from __future__ import annotations

import asyncio
import logging

from llm_agent_builder.errors import MachineryError
from server.run import Run
from server.store import Store

_log = logging.getLogger(__name__)
_WRITE_EVERY_S = 0.25


class RunBook:
    """Keeps runs in a store. One that can't be kept is told in the log, and goes on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write_behind(self, run: Run) -> None:
        """Keep events while the run goes, so that a killed server loses little."""
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            try:
                await self._keep_events(run)
            except MachineryError as error:
                _log.error("events of run %s can't be kept: %s", run.id, error)

    async def close(self, run: Run) -> None:
        """Write the end. The one who waits for the run gets its result even if this fails."""
        try:
            start, run.kept = run.kept, len(run.events)
            await asyncio.to_thread(
                self._store.end_run,
                run.id,
                run.result,
                files=run.files,
                events=run.events[start:],
                cassette=run.cassette,
            )
        except MachineryError as error:
            _log.error("run %s can't be kept: %s", run.id, error)

    async def _keep_events(self, run: Run) -> None:
        """Write what isn't written yet; a write that is under way is not made twice."""
        start, run.kept = run.kept, len(run.events)
        if start == run.kept:
            return
        events = run.events[start : run.kept]
        try:
            await asyncio.shield(asyncio.to_thread(self._store.add_events, run.id, events))
        except MachineryError:
            run.kept = start
            raise
