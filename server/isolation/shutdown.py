"""Ends a server or a command within a fixed time, even if a part of it does not end by itself.

A server has `SHUTDOWN_S` from the first SIGTERM or Ctrl-C. After that time, or at once at a second
signal, it kills its helper processes and exits. The kernel then ends the processes in cells.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any

from server.isolation.helper_process import kill_registered

SHUTDOWN_S = 4.5
"""From the first signal to the forced exit."""
GRACE_S = 1.0
"""The part of it for responses in progress; their runs are cancelled at once."""
CLOSE_S = 4.0
"""The part of it until all parts of the server are closed."""
_LEAST_S = 0.1
_log = logging.getLogger(__name__)


class Ending:
    """Limits the time in which this process ends, from the first signal on."""

    def __init__(self, seconds: float = SHUTDOWN_S) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self._begun: float | None = None

    @contextlib.contextmanager
    def watching(self, first: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Call `first` at the first signal, before the present handler of that signal.

        A signal without a Python handler still ends the process at once. Does nothing outside the
        main thread, because Python handles signals only there.
        """
        before = _handlers() if threading.current_thread() is threading.main_thread() else {}

        def handle(number: int, frame: FrameType | None) -> None:
            if self._begun is not None:
                leave(128 + number)
            self._begin(number)
            first()
            before[number](number, frame)

        for number in before:
            signal.signal(number, handle)
        try:
            yield
        finally:
            if self._begun is None:  # otherwise a second signal must still end the process at once
                for number, handler in before.items():
                    signal.signal(number, handler)

    def left(self) -> float:
        """Return how many seconds are left for closing the parts of the server."""
        since = 0 if self._begun is None else time.monotonic() - self._begun
        return CLOSE_S - since

    def done(self) -> None:
        """Cancel the forced exit: everything has been closed, and the process continues."""
        self._over.set()

    def _begin(self, number: int) -> None:
        self._begun = time.monotonic()

        def wait() -> None:
            if not self._over.wait(self._seconds):
                _log_error(f"shutdown took more than {self._seconds:g} s: forcing the exit")
                leave(128 + number)

        threading.Thread(target=wait, name="ending", daemon=True).start()


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in found.items() if callable(handler)}


def _log_error(problem: str) -> None:
    """Write to the log, but don't wait long: the reader of the log may have stopped."""
    writing = threading.Thread(target=_log.error, args=(problem,), daemon=True)
    writing.start()
    writing.join(_LEAST_S)


def leave(code: int) -> None:
    """Kill the helper processes and end this process now, without flushing: that could block."""
    kill_registered()
    os._exit(code)


class Closing:
    """The steps of a shutdown, with a common deadline: a step can use the time of earlier ones."""

    def __init__(self, left: Callable[[], float] = lambda: CLOSE_S) -> None:
        """`left` returns the seconds for all steps together; it is called once, at the first."""
        self._left = left
        self._deadline: float | None = None

    async def step(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run one step. If it fails or takes too long, log that and return."""
        now = time.monotonic()
        self._deadline = self._deadline or now + self._left()
        task = asyncio.ensure_future(work())
        done, _ = await asyncio.wait({task}, timeout=max(_LEAST_S, self._deadline - now))
        if not done:
            task.cancel()
            _log.error("closing %s takes too long: continuing without it", name)
        elif not task.cancelled() and (error := task.exception()) is not None:
            _log.error("closing %s failed", name, exc_info=error)
