"""The tiers `landlock` and `limits`: a run in a folder of the host, below the fork server."""

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
from server.isolation.background_work import SingleFlight
from server.isolation.child import landlock
from server.isolation.child.cell_root import TEMPORARY_NAME
from server.isolation.child.channel import channel
from server.isolation.engine import STARTED_S, LaunchOrder, PassedDescriptors, Workspace
from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.fork_server_client import ForkServerClient
from server.isolation.scratch import make_scratch, remove_tree
from server.isolation.tiers.supervised_workspace import SupervisedWorkspace
from server.limits import Limits
from server.net.listeners import listen_without_delay

_TRIES = 3
_log = logging.getLogger(__name__)


class LandlockEngine:
    """Has the fork server fork a supervisor for each run; event loops never wait, see `strong.py`.

    The supervisor then forks the run's first process.
    """

    def __init__(self, *, preload: tuple[str, ...]) -> None:
        """`preload` names SDK modules."""
        self._lock = threading.Lock()
        self._fork_server = ForkServerClient(preload, BASE_ENVIRONMENT)
        self._closed = False
        self._repair = SingleFlight(self.start)
        self._check = SingleFlight(self._fork_server.kill_if_silent)

    def start(self) -> None:
        """See `Engine`."""
        with self._lock:
            if self._closed:  # by another thread, during a repair
                raise MachineryError("the sandbox is closed")
            if not self._fork_server.alive:
                self._fork_server.start()

    def close(self) -> None:
        """See `Engine`."""
        with self._lock:
            self._closed = True
            self._fork_server.end()

    async def workspace(self, limits: Limits) -> Workspace:
        """See `Engine`."""
        ours = await self._fork_supervisor()
        scratch = ""
        try:
            scratch = make_scratch()
            os.mkdir(os.path.join(scratch, TEMPORARY_NAME), 0o700)
            return _FolderWorkspace(ours, scratch, self._check)
        except OSError as error:
            ours.close()
            for folder in (os.path.join(scratch, TEMPORARY_NAME), scratch):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # needs no descriptor: there may be none left
            raise MachineryError(f"can't make a folder for the run: {error}") from error

    async def _fork_supervisor(self) -> socket.socket:
        """Return the server's end of the channel of a supervisor that is being forked."""
        for _ in range(_TRIES):
            if (control := self._ask()) is not None:
                return control
            await self._repair.run()
        raise MachineryError("the fork server can't be reached")

    def _ask(self) -> socket.socket | None:
        """Ask for a supervisor; None if the fork server has to be started first. Never waits."""
        try:
            ours, theirs = channel()
        except OSError as error:
            raise MachineryError(f"can't start a run's supervisor: {error.strerror}") from None
        with theirs:
            if self._lock.acquire(blocking=False):
                try:
                    if self._fork_server.ask("supervisor", {"control": theirs.fileno()}):
                        return ours
                finally:
                    self._lock.release()
        ours.close()
        return None


class _FolderWorkspace(SupervisedWorkspace):
    """A scratch folder, and a port of the host's loopback."""

    def __init__(self, control: socket.socket, scratch: str, check: SingleFlight) -> None:
        self.folder = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        super().__init__(control)
        self.scratch = scratch
        self._check = check
        self._port: int | None = None
        self._watchdog: asyncio.Task[None] | None = None

    async def start(self, order: LaunchOrder, given: PassedDescriptors) -> None:
        """See `Workspace`."""
        await super().start(order, given)
        self._watchdog = asyncio.create_task(self._check_until_started())

    async def close(self) -> bool:
        """See `Workspace`."""
        if self._watchdog is not None:
            self._watchdog.cancel()
            if self._agent is None:  # the run has never started
                self._check.start()
        return await super().close()

    async def _check_until_started(self) -> None:
        """Have a fork server killed that does not answer; the run ends with it."""
        while self._agent is None:
            await asyncio.sleep(STARTED_S)
            if self._agent is None:
                await self._check.run()

    def listener(self) -> socket.socket:
        """See `Workspace`."""
        try:
            listener = listen_without_delay("127.0.0.1", 0)
        except OSError as error:
            raise MachineryError(f"can't open a port for the gateway: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        return listener

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """See `SupervisedWorkspace`."""
        rules = {
            "readable": [*landlock.readable_paths(), *landlock.READ_ONLY_DEVICES],
            "writable": [self.scratch],
            "devices": list(landlock.READ_WRITE_DEVICES),
            "port": self._port,
        }
        return order.job(
            scratch=self.scratch, uid=None, filter="shared", rules=rules, port=self._port
        )

    def scratch_facts(self) -> dict[str, Any]:
        """See `SupervisedWorkspace`."""
        return {"scratch": self.scratch, "in_cell": False}

    async def release(self) -> None:
        """See `Workspace`."""
        await super().release()
        await asyncio.to_thread(_remove, self.scratch)


_remaining: set[str] = set()
"""Folders of ended runs that could not be removed yet."""


def _remove(scratch: str) -> None:
    """Remove a run's folder, and earlier ones that are left; a failure is retried the next time.

    Without a free descriptor, say, no folder can be removed. The next server start also retries.
    """
    _remaining.add(scratch)
    for folder in list(_remaining):
        try:
            remove_tree(folder)
            _remaining.discard(folder)
        except (OSError, subprocess.SubprocessError) as error:
            _log.error("the folder of an ended run can't be removed yet: %s", error)
