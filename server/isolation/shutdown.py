"""The end of a server, or of a command: within a bound, whatever does not end by itself.

A server has `SHUTDOWN_S` from the first SIGTERM or Ctrl-C; then, and at once at a second one, its
helper processes are killed and the process leaves. The kernel ends what ran in cells with that.
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

from server.isolation.helper_process import kill_known

SHUTDOWN_S = 4.5
"""From the first signal to the last resort."""
GRACE_S = 1.0
"""Of that, for answers under way; their runs are cancelled at once."""
CLOSE_S = 4.0
"""Of that, until all parts of the server are closed."""
_LEAST_S = 0.1
_log = logging.getLogger(__name__)


class Ending:
    """Watches over the end of this process, from the first signal on."""

    def __init__(self, seconds: float = SHUTDOWN_S) -> None:
        self._seconds = seconds
        self._over = threading.Event()
        self._begun: float | None = None

    @contextlib.contextmanager
    def watching(self, first: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Have `first` called at the first signal, before what there is for it; see `Ending`.

        Signals that would end the process at once are left to do so. Does nothing outside of the
        main thread, where Python handles no signals.
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
            if self._begun is None:  # else a second signal ends the process, however far it is
                for number, handler in before.items():
                    signal.signal(number, handler)

    def left(self) -> float:
        """Return the seconds that are left for closing what is open."""
        since = 0 if self._begun is None else time.monotonic() - self._begun
        return CLOSE_S - since

    def done(self) -> None:
        """Leave the process alone: it has ended what it had to, and goes on."""
        self._over.set()

    def _begin(self, number: int) -> None:
        self._begun = time.monotonic()

        def wait() -> None:
            if not self._over.wait(self._seconds):
                _say(f"not everything has ended within {self._seconds:g} s: it is killed")
                leave(128 + number)

        threading.Thread(target=wait, name="ending", daemon=True).start()


def _handlers() -> dict[int, Callable[[int, FrameType | None], Any]]:
    found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    return {number: handler for number, handler in found.items() if callable(handler)}


def _say(problem: str) -> None:
    """Write to the log, without waiting for whoever should read it."""
    saying = threading.Thread(target=_log.error, args=(problem,), daemon=True)
    saying.start()
    saying.join(_LEAST_S)


def leave(code: int) -> None:
    """End this process now, and its helper processes first. Nothing is flushed: that can wait."""
    kill_known()
    os._exit(code)


class Closing:
    """The steps of a server's end, which share one deadline: what one leaves, the next can use."""

    def __init__(self, left: Callable[[], float] = lambda: CLOSE_S) -> None:
        """`left` is asked once, at the first step: how many seconds there are for all of them."""
        self._left = left
        self._deadline: float | None = None

    async def step(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do one of them. What fails or takes too long is written to the log, and left behind."""
        now = time.monotonic()
        self._deadline = self._deadline or now + self._left()
        task = asyncio.ensure_future(work())
        done, _ = await asyncio.wait({task}, timeout=max(_LEAST_S, self._deadline - now))
        if not done:
            task.cancel()
            _log.error("closing %s takes too long: it is left behind", name)
        elif not task.cancelled() and (error := task.exception()) is not None:
            _log.error("closing %s failed", name, exc_info=error)
