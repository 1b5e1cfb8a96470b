"""Where code from outside is read: few threads of its own, and few requests that wait for one.

Parsing and comparing take a processor for up to a second. In the threads that all share, some such
requests would keep the store, and with it health and runs, waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from llm_agent_builder.errors import ReadersBusyError

THREADS = 2
ADMITTED_MAX = 16
_RETRY_AFTER_S = 2.0

T = TypeVar("T")


class ParserPool:
    """Runs work on code from outside."""

    def __init__(self, threads: int = THREADS, admitted: int = ADMITTED_MAX) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="reading")
        self._free = admitted

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns.

        Raises:
            ReadersBusyError: as many requests are being read, or wait for it, as may.

        """
        if not self._free:
            raise ReadersBusyError(_RETRY_AFTER_S)
        self._free -= 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # By the work's own end: a client that goes away does not stop what a thread does.
        future.add_done_callback(self._leave)
        return await asyncio.shield(future)

    def _leave(self, future: asyncio.Future[T]) -> None:
        self._free += 1
        if not future.cancelled():
            future.exception()  # told to who waits; nobody may, any more

    def close(self) -> None:
        """Take in no more; what waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
