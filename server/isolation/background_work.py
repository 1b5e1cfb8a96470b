"""Work that an event loop must not wait for, and work that must outlast its event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_MAX_CLEANUP_S = 60.0
"""More than all the waits in any cleanup together."""
_log = logging.getLogger(__name__)

T = TypeVar("T")


# ---------------------------------------------------------------- blocking work in a thread


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Run blocking work in a daemon thread, for which neither a loop nor the process waits."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="helpers", daemon=True).start()
    return future


class SingleFlight:
    """Blocking work that runs once at a time: callers that come meanwhile share the result."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._running: Future[None] | None = None

    def start(self) -> Future[None]:
        """Start the work in a thread, unless it is running; return its future."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = in_thread(self._work)
            return self._running

    async def run(self) -> None:
        """Run the work in a thread and wait for it. Raises what the work raises."""
        await asyncio.shield(asyncio.wrap_future(self.start()))


# ---------------------------------------------------------------- cleanup that must finish


class _UncancellableTask(asyncio.Task[T]):
    """A task that ignores cancellation.

    `asyncio.run` cancels all tasks once at its end, and then waits for them.
    """

    _overdue = False

    def cancel(self, msg: Any | None = None) -> bool:
        """Ignore the request unless the task is overdue: see `asyncio.Task.cancel`."""
        return self._overdue and super().cancel(msg)

    def give_up(self) -> None:
        """Cancel the task after all."""
        self._overdue = True
        _log.error("%s did not finish in time and is cancelled", self.get_coro())
        self.cancel()


async def finish_despite_cancellation(
    work: Coroutine[Any, Any, T], seconds: float = _MAX_CLEANUP_S
) -> T:
    """Return what `work` returns; a cancellation of the caller takes effect only afterwards.

    For releasing processes, descriptors and files. `asyncio.shield` protects work from the
    cancellation of its caller, but not from the end of the event loop; this does both. Work that
    takes longer than `seconds` is cancelled.
    """
    loop = asyncio.get_running_loop()
    task = _UncancellableTask(work, loop=loop)
    timer = loop.call_later(seconds, task.give_up)
    try:
        return await task
    finally:
        timer.cancel()
