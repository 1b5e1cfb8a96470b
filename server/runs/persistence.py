"""Writes runs to the database: their events while they run, their results when they end.

A result that the database doesn't accept stays in memory, and the write is retried: first the run's
row, which is small, then its events and files. So a full disk or a locked database never changes an
outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from llm_agent_builder.errors import MachineryError, StoreError
from server.runs.run import Run
from server.storage.database_threads import DatabaseThreads
from server.storage.records import RunResult
from server.storage.store import Store

_log = logging.getLogger(__name__)
_WRITE_EVERY_S = 0.25
_AGAIN_FIRST_S, _AGAIN_AT_LAST_S = 0.5, 5.0
"""Between two attempts; each failure doubles it."""
_FLUSH_S = 1.5
"""How long a stopping server tries to write the waiting runs."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of output and files of waiting runs; beyond it, those of the oldest are dropped."""
_MOST_WAITING = 100
"""Waiting runs; with more, new runs are refused."""


class RunWriter:
    """Writes runs to a store; writes of one run never overlap."""

    def __init__(self, store: Store, threads: DatabaseThreads) -> None:
        self._store = store
        self._threads = threads
        self._sizes: dict[str, int] = {}
        self._anything = asyncio.Event()
        self._last_problem = ""
        self.unwritten: dict[str, Run] = {}
        """Ended runs that are not, or not completely, in the database yet."""

    @property
    def problem(self) -> str | None:
        """Return why ended runs wait to be written, for people; None: none waits."""
        if not self.unwritten:
            return None
        count = len(self.unwritten)
        waiting = "1 ended run waits" if count == 1 else f"{count} ended runs wait"
        return f"{waiting} to be written: {self._last_problem}"

    def require_capacity(self) -> None:
        """Raise StoreError if too many ended runs wait to be written."""
        if len(self.unwritten) >= _MOST_WAITING:
            raise StoreError(f"no new run is taken in: {self.problem}")

    async def write_behind(self, run: Run) -> None:
        """Write events while the run goes on, so that a killed server loses little."""
        pause = _WRITE_EVERY_S
        while True:
            await asyncio.sleep(pause)
            # A write that has begun finishes even if this is cancelled: `close` waits for it.
            succeeded = await asyncio.shield(asyncio.create_task(self._write_events(run)))
            pause = _WRITE_EVERY_S if succeeded else _AGAIN_AT_LAST_S

    async def _write_events(self, run: Run) -> bool:
        async with run.writing:
            start, end = run.written, len(run.events)
            if start == end:
                return True
            try:
                events = run.events[start:end]
                await self._threads.write(self._store.add_events, run.id, events)
            except MachineryError as error:
                _log.error("events of run %s can't be written yet: %s", run.id, error)
                return False
            run.written = end
            return True

    async def close(self, run: Run) -> None:
        """Write the result. If that fails, it stays in memory and is written later."""
        async with run.writing:
            try:
                await self._write_all(run)
            except Exception as error:
                _log.error("run %s can't be written yet: %s", run.id, error)
                self._write_later(run, error)

    async def write_again(self) -> None:
        """Write the waiting runs, for ever."""
        pause = _AGAIN_FIRST_S
        while True:
            await self._anything.wait()
            await asyncio.sleep(pause)
            succeeded = await self._write_waiting()
            pause = _AGAIN_FIRST_S if succeeded else min(2 * pause, _AGAIN_AT_LAST_S)

    async def flush(self) -> None:
        """Try once more to write the waiting runs, for 1.5 s at most; log what is lost."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._write_waiting(), _FLUSH_S)
        for run in self.unwritten.values():
            lost = "what it wrote is" if run.end_written else "its end is"
            _log.error("run %s ended as %s, but %s not in the history", run.id, run.status, lost)

    # ------------------------------------------------------------ waiting runs

    def _write_later(self, run: Run, error: Exception) -> None:
        self._last_problem = str(error)
        self.unwritten[run.id] = run
        self._sizes[run.id] = run.size()
        for each in list(self.unwritten.values()):
            if sum(self._sizes.values()) <= _MOST_BYTES:
                break
            if self._sizes[each.id]:
                _log.error("output and files of run %s are given up: too much waits", each.id)
                each.drop_outputs()
                self._sizes[each.id] = 0
        self._anything.set()

    async def _write_waiting(self) -> bool:
        """Write the rows of all waiting runs, then the rest of each, until one fails."""
        for run in [run for run in self.unwritten.values() if not run.end_written]:
            if not await self._attempt(run, self._write_row):
                return False
        for run in list(self.unwritten.values()):
            if not await self._attempt(run, self._write_all):
                self.unwritten[run.id] = self.unwritten.pop(run.id)  # others may be smaller
                return False
            self._forget(run)
        return True

    async def _attempt(self, run: Run, write: Callable[[Run], Awaitable[None]]) -> bool:
        try:
            async with run.writing:
                await write(run)
        except Exception as error:
            self._last_problem = str(error)
            if isinstance(error, StoreError) and not error.lasting:
                return False
            return await self._write_parts(run)
        return True

    async def _write_parts(self, run: Run) -> bool:
        """Write each part of a run by itself, because no database accepts one of them.

        Returns False if the others can't be written now.
        """
        parts: list[tuple[str, dict[str, Any]]] = [("its end", {})]
        parts += [("an event", {"events": [event]}) for event in run.events[run.written :]]
        parts += [("a file", {"files": [file]}) for file in run.files]
        parts += [("its recording", {"cassette": run.cassette})] if run.cassette else []
        for name, part in parts:
            try:
                async with run.writing:
                    await self._threads.write(self._store.end_run, run.id, _result(run), **part)
            except StoreError as error:
                if not error.lasting:
                    return False
                _log.error("run %s is kept without %s: %s", run.id, name, error)
            except Exception:
                _log.exception("run %s is kept without %s", run.id, name)
        return True

    def _forget(self, run: Run) -> None:
        del self.unwritten[run.id], self._sizes[run.id]
        if not self.unwritten:
            self._anything.clear()
        _log.info("run %s, which waited, is written", run.id)

    async def _write_row(self, run: Run) -> None:
        await self._threads.write(self._store.end_run, run.id, _result(run))
        run.end_written = True

    async def _write_all(self, run: Run) -> None:
        await self._threads.write(
            self._store.end_run,
            run.id,
            _result(run),
            files=run.files,
            events=run.events[run.written :],
            cassette=run.cassette,
        )
        run.end_written, run.written = True, len(run.events)


def _result(run: Run) -> RunResult:
    assert run.result is not None  # only ended runs are written as a whole
    return run.result
