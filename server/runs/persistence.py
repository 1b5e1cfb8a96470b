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
_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 5.0
"""Shortest and longest pause between two attempts; each failure doubles it."""
_FLUSH_S = 1.5
"""How long a stopping server tries to write the waiting runs."""
_UNWRITTEN_MAX_BYTES = 64 * 1024 * 1024
"""Limit on the output and files of unwritten runs; beyond it, the oldest runs lose theirs."""
_MAX_WAITING = 100
"""Limit on unwritten runs; beyond it, new runs are refused."""


class RunWriter:
    """Writes runs to a store; writes of one run never overlap."""

    def __init__(self, store: Store, threads: DatabaseThreads) -> None:
        self._store = store
        self._threads = threads
        self._sizes: dict[str, int] = {}
        self._has_unwritten = asyncio.Event()
        self._last_problem = ""
        self.unwritten: dict[str, Run] = {}
        """Ended runs that are not, or not completely, in the database yet."""

    @property
    def problem(self) -> str | None:
        """The message why ended runs wait to be written; None if none waits."""
        if not self.unwritten:
            return None
        count = len(self.unwritten)
        waiting = "1 ended run waits" if count == 1 else f"{count} ended runs wait"
        return f"{waiting} to be written: {self._last_problem}"

    def require_capacity(self) -> None:
        """Raise StoreError if too many ended runs wait to be written."""
        if len(self.unwritten) >= _MAX_WAITING:
            raise StoreError(f"new runs are refused: {self.problem}")

    async def write_behind(self, run: Run) -> None:
        """Write events while the run goes on, so that a killed server loses little."""
        pause = _WRITE_EVERY_S
        while True:
            await asyncio.sleep(pause)
            # A write that has begun finishes even if this is cancelled: `close` waits for it.
            succeeded = await asyncio.shield(asyncio.create_task(self._write_events(run)))
            pause = _WRITE_EVERY_S if succeeded else _RETRY_MAX_S

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

    async def retry_unwritten(self) -> None:
        """Write the waiting runs, until cancelled."""
        pause = _RETRY_FIRST_S
        while True:
            await self._has_unwritten.wait()
            await asyncio.sleep(pause)
            succeeded = await self._write_waiting()
            pause = _RETRY_FIRST_S if succeeded else min(2 * pause, _RETRY_MAX_S)

    async def flush(self) -> None:
        """Try once more to write the waiting runs, for 1.5 s at most; log what is lost."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._write_waiting(), _FLUSH_S)
        for run in self.unwritten.values():
            lost = "its output is" if run.end_written else "its result is"
            _log.error("run %s ended as %s, but %s not in the history", run.id, run.status, lost)

    # ------------------------------------------------------------ waiting runs

    def _write_later(self, run: Run, error: Exception) -> None:
        self._last_problem = str(error)
        self.unwritten[run.id] = run
        self._sizes[run.id] = run.size()
        for each in list(self.unwritten.values()):
            if sum(self._sizes.values()) <= _UNWRITTEN_MAX_BYTES:
                break
            if self._sizes[each.id]:
                _log.error("output and files of run %s are dropped: too much is unwritten", each.id)
                each.drop_output()
                self._sizes[each.id] = 0
        self._has_unwritten.set()

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
        """Write each part of a run by itself, because the database can't store one of them.

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
                _log.error("run %s is saved without %s: %s", run.id, name, error)
            except Exception:
                _log.exception("run %s is saved without %s", run.id, name)
        return True

    def _forget(self, run: Run) -> None:
        del self.unwritten[run.id], self._sizes[run.id]
        if not self.unwritten:
            self._has_unwritten.clear()
        _log.info("run %s is written now", run.id)

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
