"""Abandoned runs: the server could not kill their processes. They count against a maximum.

The kernel can't end a process while the process is stuck in a system call (on a file system that
does not answer, say), and it can't end a cell while one of its processes waits to be reaped by a
process outside. The server retries; too many abandoned runs stop new runs from starting.
"""

from __future__ import annotations

import asyncio
import logging

from server.isolation.background_work import finish_despite_cancellation
from server.isolation.engine import Workspace

MAX_ABANDONED = 8
"""Abandoned runs at a time; then no run starts. Each occupies the memory of one run at most."""
_RETRY_S = 2.0
_log = logging.getLogger(__name__)


class AbandonedRuns:
    """The abandoned runs of one sandbox, by their workspaces."""

    def __init__(self, most: int = MAX_ABANDONED) -> None:
        self._most = most
        self._retries: set[asyncio.Task[None]] = set()
        self.ever = 0
        """How many there have been."""

    @property
    def count(self) -> int:
        """How many there are now."""
        return len(self._retries)

    @property
    def full(self) -> bool:
        """Whether there are so many that no run may start."""
        return self.count >= self._most

    @property
    def problem(self) -> str | None:
        """The problem in a sentence, or None if there is no abandoned run."""
        if not self.count:
            return None
        text = (
            f"the processes of {self.count} ended run{'' if self.count == 1 else 's'} can't be "
            "killed; see the log"
        )
        if self.full:
            text += ". No run starts until they are gone: restart the server or the machine"
        return text

    def take(self, workspace: Workspace) -> None:
        """Keep trying to end a workspace's processes, and release the workspace afterwards."""
        self.ever += 1
        task = asyncio.create_task(self._retry(workspace))
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)
        _log.error(
            "the processes of a run can't be killed: the run is abandoned (%d of at most %d)",
            self.count,
            self._most,
        )

    async def _retry(self, workspace: Workspace) -> None:
        try:
            while not await workspace.close():
                await asyncio.sleep(_RETRY_S)
            _log.warning("the processes of an abandoned run are gone")
        finally:  # also when the loop ends: only the kernel can end what is left
            await finish_despite_cancellation(workspace.release())
