"""The tiers `landlock` and `limits`: a run in a folder of the host, forked from the warm parent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import threading
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.child import confine
from server.isolation.child.cell_root import TEMPORARY_NAME
from server.isolation.child.channel import channel
from server.isolation.engine import STARTED_S, GivenDescriptors, LaunchOrder, Place
from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.fork_server_client import WarmParent
from server.isolation.helper_process import Together
from server.isolation.scratch import make_scratch, remove_tree
from server.isolation.tiers.supervised_workspace import SupervisedPlace
from server.limits import Limits
from server.net.listeners import listen_without_delay

_TRIES = 3
_log = logging.getLogger(__name__)


class FolderEngine:
    """Has the fork server fork a keeper for each run; as in `strong.py`, no event loop waits."""

    def __init__(self, *, preload: tuple[str, ...]) -> None:
        """`preload` names SDK modules."""
        self._lock = threading.Lock()
        self._warm = WarmParent(preload, BASE_ENVIRONMENT)
        self._repair = Together(self.start)
        self._check = Together(self._warm.kill_if_silent)

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            if not self._warm.alive:
                self._warm.start()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._warm.end()

    async def place(self, limits: Limits) -> Place:
        """See `Engine`."""
        ours = await self._keeper()
        scratch = ""
        try:
            scratch = make_scratch()
            os.mkdir(os.path.join(scratch, TEMPORARY_NAME), 0o700)
            return _FolderPlace(ours, scratch, self._check)
        except OSError as error:
            ours.close()
            for folder in (os.path.join(scratch, TEMPORARY_NAME), scratch):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # takes no descriptor, of which there may be none
            raise MachineryError(f"can't make a folder for the run: {error}") from error

    async def _keeper(self) -> socket.socket:
        """Return our end of the channel of a keeper that is being forked."""
        for _ in range(_TRIES):
            if (control := self._ask()) is not None:
                return control
            await self._repair.done()
        raise MachineryError("the fork server can't be reached")

    def _ask(self) -> socket.socket | None:
        """Ask for a keeper; None where the fork server has to be started. Never waits."""
        try:
            ours, theirs = channel()
        except OSError as error:
            raise MachineryError(f"a keeper can't be asked for: {error.strerror}") from None
        with theirs:
            if self._lock.acquire(blocking=False):
                try:
                    if self._warm.ask("keeper", {"control": theirs.fileno()}):
                        return ours
                finally:
                    self._lock.release()
        ours.close()
        return None


class _FolderPlace(SupervisedPlace):
    """A scratch folder, and a port of the host's loopback."""

    def __init__(self, control: socket.socket, scratch: str, check: Together) -> None:
        self.folder = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        super().__init__(control)
        self.scratch = scratch
        self._check = check
        self._port: int | None = None
        self._asking: asyncio.Task[None] | None = None

    async def start(self, order: LaunchOrder, given: GivenDescriptors) -> None:
        """See `Place`."""
        await super().start(order, given)
        self._asking = asyncio.create_task(self._see_that_it_starts())

    async def close(self) -> bool:
        """See `Place`."""
        if self._asking is not None:
            self._asking.cancel()
            if self._agent is None:  # it was not begun in all its time
                self._check.begin()
        return await super().close()

    async def _see_that_it_starts(self) -> None:
        """Have a fork server that does not answer killed; the run ends with it."""
        while self._agent is None:
            await asyncio.sleep(STARTED_S)
            if self._agent is None:
                await self._check.done()

    def listener(self) -> socket.socket:
        """See `Place`."""
        try:
            listener = listen_without_delay("127.0.0.1", 0)
        except OSError as error:
            raise MachineryError(f"can't open a port for the gateway: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        return listener

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """See `SupervisedPlace`."""
        rules = {
            "readable": [*confine.readable_paths(), *confine.READ_ONLY_DEVICES],
            "writable": [self.scratch],
            "devices": list(confine.READ_WRITE_DEVICES),
            "port": self._port,
        }
        return order.job(
            scratch=self.scratch, uid=None, filter="shared", rules=rules, port=self._port
        )

    def order(self, limits: Limits) -> dict[str, Any]:
        """See `SupervisedPlace`."""
        return {"scratch": self.scratch, "mounted": False}

    async def release(self) -> None:
        """See `Place`."""
        await super().release()
        await asyncio.to_thread(_remove, self.scratch)


_left: set[str] = set()
"""Folders that could not be removed when their runs had ended."""


def _remove(scratch: str) -> None:
    """Remove a run's folder, and those before it; what can't be, with the next one or at a start.

    Without a free descriptor, say, nothing can be.
    """
    _left.add(scratch)
    for folder in list(_left):
        try:
            remove_tree(folder)
            _left.discard(folder)
        except (OSError, subprocess.SubprocessError) as error:
            _log.error("the folder of an ended run can't be removed yet: %s", error)
