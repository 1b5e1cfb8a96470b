"""Reads runs for clients: from memory if they are there, else from the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from llm_agent_builder.errors import RunFileNotFoundError, RunNotFoundError
from server.runs.persistence import RunWriter
from server.runs.run import Run
from server.runs.stored_runs import StoredRuns
from server.storage.database_threads import DatabaseThreads
from server.storage.records import Event, RunDescription, RunSummary, StoredRun
from server.storage.store import Store
from server.storage.tables import OPEN


class RunReader:
    """The readable side of a server's runs. A silent database does not delay those in memory."""

    def __init__(self, store: Store, server_id: str) -> None:
        self._store = store
        self._server_id = server_id
        self._threads = DatabaseThreads(store.database)
        self._writer = RunWriter(store, self._threads)
        self._stored = StoredRuns(store, self._threads)
        self._open: dict[str, Run] = {}
        """The runs that wait or are in progress, by id."""
        self._cassette_reader = asyncio.Lock()

    async def require(self, run_id: str) -> None:
        """Raise RunNotFoundError if there is no such run."""
        if self._in_memory(run_id) is None:
            await self._threads.read(self._store.status, run_id)

    async def describe(self, run_id: str) -> RunDescription:
        """Return one run with its code, its task, and the names and sizes of its files.

        Raises:
            RunNotFoundError: there is no such run.

        """
        if (run := self._in_memory(run_id)) is not None:
            return run.describe()
        return await self._threads.read(self._store.run, run_id)

    async def history(self, *, limit: int, before: str | None) -> list[RunSummary]:
        """Return runs, newest first; with `before`, those older than that run."""
        rows = await self._threads.read(self._store.runs, limit=limit, before=before)
        return [await self._summary(row) for row in rows]

    async def _summary(self, row: StoredRun) -> RunSummary:
        if (run := self._in_memory(row.summary.id)) is not None:
            return run.summary()
        if row.summary.status in OPEN and row.server_id == self._server_id:
            # It has ended since its row was read.
            return await self._threads.read(self._store.summary, row.summary.id) or row.summary
        return row.summary

    async def cassette(self, run_id: str) -> str:
        """Return the recorded model calls of a run that has ended, as JSON.

        Raises:
            RunNotFoundError: there is no such run, or its calls were not recorded.

        """
        await self.require(run_id)
        run = self._in_memory(run_id)
        async with self._cassette_reader:  # each takes 16 MiB
            found = run.cassette if run else await self._threads.read(self._store.cassette, run_id)
        if found is None:
            raise RunNotFoundError(f"run {run_id[:40]!r} has no recording")
        return found

    async def file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file that the run wrote.

        Raises:
            RunNotFoundError: there is no such run.
            RunFileNotFoundError: it wrote no such file, or the content was deleted.

        """
        run = self._in_memory(run_id)
        if run is None:
            return await self._threads.read(self._store.file, run_id, name)
        for file in run.files:
            if file.name == name:
                return file.content
        raise RunFileNotFoundError(f"this run has left no file {name[:80]!r}")

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events of a run after number `after`, live ones as they come, until it ends.

        Raises:
            RunNotFoundError: there is no such run.

        """
        async for page in self.event_pages(run_id, after):
            for event in page:
                yield event

    async def event_pages(self, run_id: str, after: int = 0) -> AsyncIterator[Sequence[Event]]:
        """Yield the same events in pages: all available ones, up to the size of a page."""
        await self.require(run_id)
        position = max(0, after)
        # Looked up each time: a slow reader must not keep an ended run in memory.
        while (run := self._in_memory(run_id)) is not None:
            changed, ended = run.changed, run.done.is_set()
            page = run.page(position)
            del run
            if page:
                position += len(page)
                yield page
            elif ended:
                return
            else:
                await changed.wait()
        async for stored in self._stored.event_pages(run_id, position):
            yield stored

    def _in_memory(self, run_id: str) -> Run | None:
        """Return a run that is open, or whose result is not in the database yet."""
        return self._open.get(run_id) or self._writer.unwritten.get(run_id)
