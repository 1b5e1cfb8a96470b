"""The keeper: the small process above one run where there is no pid namespace of the server's own.

It forks the agent, watches its tree, ends it, and reaps what it orphans. Standard library only.
The order {"go": ...} comes with the run's descriptors; besides what `supervisor.py` says, the
keeper sends {"keeper": true} with its pidfd, {"started": pid} and, as its last word,
{"exit": status, "cpu": seconds}.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from server.isolation.child import confine
from server.isolation.child.agent_process import RunDescriptors, become_agent, failing_into
from server.isolation.child.cell_root import INODES_A_MIB
from server.isolation.child.channel import close_all, send
from server.isolation.child.resource_monitor import (
    FolderSpace,
    MountSpace,
    ResourceMonitor,
    Space,
    descendants,
)
from server.isolation.child.supervisor import Supervisor
from server.limits import MIB, Limits, task_cap


def keep(
    control: socket.socket, null: int, *, filters: Mapping[str, bytes], taken: int
) -> NoReturn:
    """Be the keeper of one run, told of it on `control`; the rest is as in `become_agent`."""
    confine.become_subreaper()
    confine.set_inspectable(False)  # its run is of the same user
    _take_precedence()
    _introduce(control)
    TreeSupervisor(control, null, filters, taken).supervise()


def _introduce(control: socket.socket) -> None:
    """Give the server a way to end this process from outside, if it is stopped, say."""
    me = os.pidfd_open(os.getpid())
    with contextlib.suppress(OSError):  # the end of the channel will be seen
        send(control, {"keeper": True}, [me])
    os.close(me)


def _take_precedence() -> None:
    """Run before ordinary processes, where that is allowed: a fork bomb must not starve us."""
    with contextlib.suppress(OSError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


class TreeSupervisor(Supervisor):
    """Watches the tree below this process."""

    def __init__(
        self, control: socket.socket, null: int, filters: Mapping[str, bytes], taken: int
    ) -> None:
        super().__init__(control)
        self._null = null
        self._filters = filters
        self._taken = taken
        self._agent: int | None = None
        self._in_cell = False

    def go(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Fork the agent."""
        passed = dict(zip(order["passed"], descriptors, strict=True))
        keeper = os.getpid()
        pid = os.fork()
        if pid == 0:
            with failing_into(passed["job"]) as at:
                confine.die_with_parent(keeper)
                if "tasks" in passed:
                    at("its number of processes")
                    os.write(passed["tasks"], b"0")  # into a group of the host, which caps tasks
            become_agent(
                RunDescriptors.of(passed), null=self._null, filters=self._filters, taken=self._taken
            )
        close_all(descriptors)  # else the output would never end
        self._agent = pid
        self._in_cell = order["mounted"]
        self._poll.register(os.pidfd_open(pid), select.POLLIN)
        self.tell({"started": pid})
        limits = Limits(**order["limits"])
        self.begin(
            ResourceMonitor(
                limits,
                _space(order, limits),
                members=self.members,
                tasks=task_cap(limits),
                tasks_are_capped=order["capped"],
            )
        )

    def members(self) -> list[int]:
        """Return the processes below this one."""
        return descendants(os.getpid())

    def end_all(self) -> None:
        """Kill everything below this process.

        The process group first: the kernel signals it as one, so a fork bomb can't outrun it, and
        seccomp keeps processes from leaving it. The walk is for machines without seccomp.
        """
        groups = () if self._agent is None else (-self._agent,)
        for target in (*groups, *self.members()):
            with contextlib.suppress(OSError):
                os.kill(target, signal.SIGKILL)

    def signal_all(self, number: int) -> None:
        """Send a signal to all of a cell, or to the process group that a run can't leave."""
        if self._agent is not None:
            with contextlib.suppress(OSError):
                os.kill(-1 if self._in_cell else -self._agent, number)

    def leave(self) -> NoReturn:
        """End, once nothing is left below this process; while something is, the server sees it."""
        pause = 0.002
        while True:
            self.end_all()
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                os._exit(0)
            time.sleep(pause)
            pause = min(1.0, 1.01 * pause)

    def attend(self, descriptor: int) -> None:
        """Tell of the agent's end, and end what it leaves."""
        assert self._agent is not None
        _, status, used = os.wait4(self._agent, 0)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        self._watch = None
        self.end_all()
        self._agent = None
        self.tell({"exit": status, "cpu": used.ru_utime + used.ru_stime})

    def reap(self) -> None:
        """Reap what was orphaned and has ended."""
        for pid in _ended_children(os.getpid()):
            if pid != self._agent:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _ended_children(keeper: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{keeper}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def _space(order: dict[str, Any], limits: Limits) -> Space:
    if order["mounted"]:
        return MountSpace(order["scratch"], limits.scratch_mib * INODES_A_MIB)
    return FolderSpace(order["scratch"], limits.scratch_mib * MIB)
