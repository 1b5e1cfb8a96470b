"""A workspace whose run has a tree supervisor: the common part of `landlock` and `bubblewrap`.

The tree supervisor (`child/tree_supervisor.py`) is the parent of the run's first process and
monitors the run. It ends when the server closes its end of the channel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.async_io import END_S, ChannelReader, kill_and_wait, wait_readable
from server.isolation.child.cgroups import PidsCgroup, RunCgroup, tasks_of_user
from server.isolation.child.channel import send
from server.isolation.engine import (
    SOON_S,
    ExitInfo,
    LaunchOrder,
    PassedDescriptors,
    resolve_exit,
)
from server.isolation.helper_process import kill_tree, pid_of
from server.limits import Limits, task_cap

_POLL_S = 0.01


class SupervisedWorkspace:
    """See `Workspace`; a subclass defines the run's job and what its supervisor must know."""

    scratch: str
    folder: int
    bounded = False
    owner: int | None = None

    def __init__(self, control: socket.socket) -> None:
        self.ended: asyncio.Future[ExitInfo] = asyncio.get_running_loop().create_future()
        self.on_limit: Callable[[str], None] = lambda kind: None
        self._control_end = control
        self._gone = asyncio.Event()
        self._control = ChannelReader(
            control, self._from_supervisor, self._supervisor_gone, self._set_supervisor
        )
        self._supervisor: int | None = None
        """Its pidfd."""
        self._agent: int | None = None
        """The process id of the run's first process."""
        self._limits = Limits()
        self._pids_cgroup: PidsCgroup | None = None
        self._cgroup: RunCgroup | None = None

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """Return the job for the run's process."""
        raise NotImplementedError

    def scratch_facts(self) -> dict[str, Any]:
        """Return what the supervisor must know about the run's files: `scratch` and `in_cell`."""
        raise NotImplementedError

    async def start(self, order: LaunchOrder, given: PassedDescriptors) -> None:
        """See `Workspace`."""
        self._limits = order.limits
        try:
            self._send_order(order, given)
        except OSError as error:
            raise MachineryError(f"the run's supervisor has ended: {error}") from error
        finally:
            given.close_pipes()

    def _send_order(self, order: LaunchOrder, given: PassedDescriptors) -> None:
        job = {"max_tasks": self._cap_tasks(order.limits), **self.job(order)}
        given.write_job(job)
        named = given.named()
        if self._pids_cgroup is not None:
            named["pids_cgroup"] = self._pids_cgroup.open_members()
        message = {
            "descriptors": list(named),
            "limits": asdict(order.limits),
            "tasks_are_capped": self._pids_cgroup is not None or job["max_tasks"] is not None,
            **self.scratch_facts(),
        }
        try:
            send(self._control_end, {"start": message}, named.values())
        finally:
            if "pids_cgroup" in named:
                os.close(named["pids_cgroup"])

    async def close(self) -> bool:
        """See `Workspace`."""
        gone = await self.end()
        self._control.close()
        self.ended.cancel()
        return gone

    async def end(self) -> bool:
        """End the run's processes; return whether that was possible, within a few `END_S`."""
        with contextlib.suppress(OSError):
            self._control_end.shutdown(socket.SHUT_WR)  # the supervisor kills its tree, then ends
        if await self._supervisor_ends(SOON_S):
            return True
        if self._supervisor is not None:  # it may have been stopped
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._supervisor, signal.SIGCONT)
        if await self._supervisor_ends(END_S):
            return True
        self._kill_tree()
        if self._supervisor is not None:
            kill_tree(pid_of(self._supervisor))
            await kill_and_wait(self._supervisor)
        return await self._tree_ends()

    async def release(self) -> None:
        """See `Workspace`."""
        os.close(self.folder)
        if self._supervisor is not None:
            os.close(self._supervisor)
        await asyncio.to_thread(self._remove_cgroups)

    # ------------------------------------------------------------ processes

    def _cap_tasks(self, limits: Limits) -> int | None:
        """Cap processes and threads with a cgroup, or return the RLIMIT_NPROC that caps them.

        Root needs a cgroup: None there, also where the machine offers none.
        """
        most = task_cap(limits)
        if os.geteuid() != 0:
            return tasks_of_user() + most
        self._pids_cgroup = PidsCgroup.make(most)
        return None

    def _remove_cgroups(self) -> None:
        if self._pids_cgroup is not None:
            self._pids_cgroup.remove()
        if self._cgroup is not None:
            self._cgroup.remove()

    async def _supervisor_ends(self, seconds: float) -> bool:
        if self._supervisor is not None:
            return await wait_readable(self._supervisor, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        return self._gone.is_set()

    def _kill_tree(self) -> None:
        """Kill the run's processes from outside, because the supervisor can't do it."""
        if self.bounded:  # in a cell, which ends with its first process
            return
        if self._agent is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._agent, signal.SIGKILL)
        for member in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)

    def _members(self) -> list[int]:
        """Return the processes in the run's pids cgroup, if it has one."""
        return [] if self._pids_cgroup is None else self._pids_cgroup.members()

    async def _tree_ends(self, seconds: float = END_S) -> bool:
        """Return whether the killed processes disappear: freeing much memory takes a while."""
        deadline = time.monotonic() + seconds
        while self._tree_exists():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _tree_exists(self) -> bool:
        try:
            if self._agent is not None:
                os.killpg(self._agent, 0)
                return True
        except ProcessLookupError:
            pass
        return bool(self._members())

    # ------------------------------------------------------------ messages

    def _set_supervisor(self, descriptors: list[int]) -> None:
        [self._supervisor] = descriptors

    def _from_supervisor(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._agent = message["started"]
        elif "long_running" in message:
            self._cgroup = RunCgroup.make_for(self._control_end, self._limits.memory_mib)
        elif "limit" in message:
            if message["ends"]:
                resolve_exit(self.ended, ExitInfo(limit=message["limit"]))
            else:
                self.on_limit(message["limit"])
        elif "exit" in message:
            self._report_exit(ExitInfo(status=message["exit"], cpu_s=message["cpu"]))

    def _report_exit(self, ended: ExitInfo) -> None:
        if self._pids_cgroup is not None and self._pids_cgroup.limit_was_reached():
            self.on_limit("processes")
        exceeded = self._cgroup is not None and self._cgroup.out_of_memory()
        resolve_exit(self.ended, ExitInfo(limit="memory") if exceeded else ended)

    def _supervisor_gone(self) -> None:
        if not self.ended.done():
            self._kill_tree()  # the supervisor was killed and could not do it
            resolve_exit(self.ended, MachineryError("the run's supervisor was killed"))
        self._gone.set()
