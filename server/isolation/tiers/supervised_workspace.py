"""A place whose run has a keeper above it: what `landlock` and `bubblewrap` share.

The keeper (`child/tree_supervisor.py`) is the run's parent and its supervisor in one; it ends when
our end of its channel does.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from llm_agent_builder.errors import MachineryError
from server.isolation.child import cgroups
from server.isolation.child import pids_cgroup as task_cap
from server.isolation.child.channel import send
from server.isolation.engine import (
    END_S,
    SOON_S,
    ExitInfo,
    GivenDescriptors,
    LaunchOrder,
    Listening,
    killed,
    readable,
    resolve_exit,
)
from server.isolation.helper_process import kill_tree, number_of
from server.limits import Limits
from server.limits import task_cap as most_tasks

_LOOK_S = 0.01


class SupervisedPlace:
    """See `Place`; a subclass says what its run's job and its keeper's order are."""

    scratch: str
    folder: int
    bounded = False
    owner: int | None = None
    _numbers: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self, control: socket.socket) -> None:
        self.ended: asyncio.Future[ExitInfo] = asyncio.get_running_loop().create_future()
        self.on_limit: Callable[[str], None] = lambda kind: None
        self._control_end = control
        self._gone = asyncio.Event()
        self._control = Listening(control, self._from_keeper, self._keeper_gone, self._introduced)
        self._keeper: int | None = None
        self._agent: int | None = None
        self._limits = Limits()
        self._tasks: Path | None = None
        self._memory: cgroups.Group | None = None

    def job(self, order: LaunchOrder) -> dict[str, Any]:
        """Return what the run's process is to read."""
        raise NotImplementedError

    def order(self, limits: Limits) -> dict[str, Any]:
        """Return what the keeper is to know of where the run keeps its files."""
        raise NotImplementedError

    async def start(self, order: LaunchOrder, given: GivenDescriptors) -> None:
        """See `Place`."""
        self._limits = order.limits
        try:
            self._pass_on(order, given)
        except OSError as error:
            raise MachineryError(f"the run's keeper has ended: {error}") from error
        finally:
            given.close_pipes()

    def _pass_on(self, order: LaunchOrder, given: GivenDescriptors) -> None:
        job = {"most_tasks": self._cap_tasks(order.limits), **self.job(order)}
        given.write_job(job)
        named = given.named()
        if self._tasks is not None:
            named["tasks"] = os.open(self._tasks / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        go = {
            "passed": list(named),
            "limits": asdict(order.limits),
            "capped": self._tasks is not None or job["most_tasks"] is not None,
            **self.order(order.limits),
        }
        try:
            send(self._control_end, {"go": go}, named.values())
        finally:
            if "tasks" in named:
                os.close(named["tasks"])

    async def close(self) -> bool:
        """See `Place`."""
        gone = await self.end()
        self._control.close()
        self.ended.cancel()
        return gone

    async def end(self) -> bool:
        """End the run's processes; return whether that was possible, within a few `END_S`."""
        with contextlib.suppress(OSError):
            self._control_end.shutdown(socket.SHUT_WR)  # the keeper ends, and its tree first
        if await self._keeper_ends(SOON_S):
            return True
        if self._keeper is not None:  # it was stopped, it may be
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._keeper, signal.SIGCONT)
        if await self._keeper_ends(END_S):
            return True
        self._kill_tree()
        if self._keeper is not None:
            kill_tree(number_of(self._keeper))
            await killed(self._keeper)
        return await self._tree_ends()

    async def release(self) -> None:
        """See `Place`."""
        os.close(self.folder)
        if self._keeper is not None:
            os.close(self._keeper)
        await asyncio.to_thread(self._remove_groups)

    # ------------------------------------------------------------ inside

    def _cap_tasks(self, limits: Limits) -> int | None:
        """Bound processes and threads by a group, or return the rlimit that does; None: neither."""
        most = most_tasks(limits)
        if os.geteuid() != 0:
            return task_cap.tasks_of_user() + most
        name = f"{cgroups.PREFIX}{os.getpid()}-kept{next(self._numbers)}"
        self._tasks = task_cap.make_group(name, most)
        return None

    def _remove_groups(self) -> None:
        cgroups.remove_group(self._tasks)
        if self._memory is not None:
            self._memory.remove()

    async def _keeper_ends(self, seconds: float) -> bool:
        if self._keeper is not None:
            return await readable(self._keeper, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        return self._gone.is_set()

    def _kill_tree(self) -> None:
        """Kill the run's processes from outside, where there is no keeper that does it."""
        if self.bounded:  # in a cell, whose first process is killed
            return
        if self._agent is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._agent, signal.SIGKILL)
        for member in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)

    def _members(self) -> list[int]:
        """Return the processes in the run's group of the kernel, where it has one."""
        with contextlib.suppress(OSError):
            if self._tasks is not None:
                return [int(pid) for pid in (self._tasks / "cgroup.procs").read_text().split()]
        return []

    async def _tree_ends(self, seconds: float = END_S) -> bool:
        """Return whether what was killed goes: much memory takes a while, and so does reaping."""
        deadline = time.monotonic() + seconds
        while self._tree_is_left():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_S)
        return True

    def _tree_is_left(self) -> bool:
        try:
            if self._agent is not None:
                os.killpg(self._agent, 0)
                return True
        except ProcessLookupError:
            pass
        return bool(self._members())

    def _introduced(self, descriptors: list[int]) -> None:
        [self._keeper] = descriptors

    def _from_keeper(self, message: dict[str, Any]) -> None:
        if "started" in message:
            self._agent = message["started"]
        elif "alive" in message:
            self._memory = cgroups.Group.make_for(self._control_end, self._limits.memory_mib)
        elif "limit" in message:
            if message["ends"]:
                resolve_exit(self.ended, ExitInfo(limit=message["limit"]))
            else:
                self.on_limit(message["limit"])
        elif "exit" in message:
            if self._tasks is not None and task_cap.was_reached(self._tasks):
                self.on_limit("processes")
            exceeded = self._memory is not None and self._memory.was_exceeded()
            ended = ExitInfo(status=message["exit"], cpu_s=message["cpu"])
            resolve_exit(self.ended, ExitInfo(limit="memory") if exceeded else ended)

    def _keeper_gone(self) -> None:
        if not self.ended.done():
            self._kill_tree()  # a keeper that was killed could not do it
            resolve_exit(self.ended, MachineryError("the run's keeper was killed"))
        self._gone.set()
