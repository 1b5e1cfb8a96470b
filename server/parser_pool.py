"""Threads that parse code from outside, with a limit on the requests that wait for one.

Parsing and comparing take up to a second of processor time. In the shared default threads, a few
such requests would delay the database, and with it health checks and runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from llm_agent_builder.errors import ReadersBusyError

THREADS = 2
ADMITTED_MAX = 16
"""Requests that are being parsed or wait for a thread; more are refused."""
_RETRY_AFTER_S = 2.0

T = TypeVar("T")


class ParserPool:
    """Runs work on code from outside in its threads."""

    def __init__(self, threads: int = THREADS, admitted: int = ADMITTED_MAX) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="parser")
        self._free = admitted

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns.

        Raises:
            ReadersBusyError: too many requests are being parsed or wait.

        """
        if not self._free:
            raise ReadersBusyError(_RETRY_AFTER_S)
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Counted until the work ends, not the request: a disconnect does not stop the thread.
        future.add_done_callback(self._leave)
        return await asyncio.shield(future)

    def _leave(self, future: asyncio.Future[T]) -> None:
        self._free += 1
        if not future.cancelled():
            future.exception()  # mark as retrieved: the client may have disconnected

    def close(self) -> None:
        """Accept no more work, and drop the waiting work."""
        self._threads.shutdown(wait=False, cancel_futures=True)
