"""Runs a database's blocking calls in separate threads, for an event loop.

Nothing else uses these threads, so a slow, locked or unresponsive database only delays its own
callers. No caller waits longer than WAIT_S, and no thread prevents the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from llm_agent_builder.errors import StoreError
from server.storage.database import Database, UnclearWriteError

Answer = TypeVar("Answer")
WAIT_S = 10.0
"""Longer than the wait for a lock, so that the database's own error comes first."""
_PROBE_WAIT_S = 2.0
_STOPPING_WAIT_S = 1.0
"""Longest wait while the server is stopping."""
_POLL_S = 0.25
_MAX_WAITING = 512
"""Limit on the waiting calls of one lane; more are refused, because the database is too slow."""


class DatabaseThreads:
    """Separate threads for reads, for writes, and for the probe that writes work.

    Every method raises UnclearWriteError if the database does not respond in time; a write may
    still take place.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = _Lane("read", 2)
        self._writing = _Lane("write", 2)
        self._probing = _Lane("probe", 1)
        self._max_wait_s = WAIT_S

    def shorten_timeouts(self) -> None:
        """Shorten every wait to 1 s from now on, including those in progress."""
        self._max_wait_s = _STOPPING_WAIT_S

    async def read(self, call: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Return the result of a call that reads."""
        return await self._run(self._reading, WAIT_S, lambda: call(*args, **kwargs))

    async def write(self, call: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Return the result of a call that writes."""
        return await self._run(self._writing, WAIT_S, lambda: call(*args, **kwargs))

    async def probe(self, call: Callable[[], Answer]) -> Answer:
        """Return the result of a short call, within 2 s."""
        return await self._run(self._probing, _PROBE_WAIT_S, call)

    async def _run(self, lane: _Lane, wait_s: float, call: Callable[[], Answer]) -> Answer:
        future = lane.submit(call)
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(_retrieve_error)
        since = time.monotonic()
        while time.monotonic() - since < min(wait_s, self._max_wait_s):
            done, _ = await asyncio.wait({waiting}, timeout=_POLL_S)
            if done:
                return waiting.result()
        future.cancel()  # if it hasn't begun
        self._database.break_stuck()
        raise UnclearWriteError(
            "the run history can't be used: the database did not respond within "
            f"{time.monotonic() - since:.0f} s; "
            "check whether it is overloaded, stopped or locked"
        )

    def close(self) -> None:
        """End each thread after its current call, without waiting for that."""
        for lane in (self._reading, self._writing, self._probing):
            lane.close()


class _Lane:
    """Threads that make calls one after another; they start with the first call."""

    def __init__(self, name: str, threads: int) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._names = [f"database {name} {number}" for number in range(threads)]
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        if self._is_closed or self._calls.qsize() >= _MAX_WAITING:
            raise StoreError("the run history can't be used: too many calls wait for the database")
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name=name, daemon=True) for name in self._names
            ]
            for thread in self._threads:
                thread.start()
        future: Future[Answer] = Future()
        self._calls.put((future, call))
        return future

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            del item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call  # they reference a run's output

    def close(self) -> None:
        self._is_closed = True
        for _ in self._threads:
            self._calls.put(None)


def _retrieve_error(future: asyncio.Future[Any]) -> None:
    """Retrieve a late error, which asyncio would otherwise report as never retrieved."""
    if not future.cancelled():
        future.exception()
