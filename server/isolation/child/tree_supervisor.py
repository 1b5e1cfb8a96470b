"""The tree supervisor: the small process above one run, for tiers without the server's own cells.

It forks the agent, monitors its process tree, ends it, and reaps its orphans. Standard library
only. The order {"start": ...} comes with the run's descriptors. Besides the messages of
`supervisor.py`, it sends {"supervisor": true} with its pidfd, {"started": pid} and finally
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
from server.isolation.child.agent_process import (
    RunDescriptors,
    become_agent,
    failures_written_to,
)
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


def supervise_tree(
    control: socket.socket, null: int, *, filters: Mapping[str, bytes], base_bytes: int
) -> NoReturn:
    """Become the supervisor of one run, ordered on `control`; the rest is as in `become_agent`."""
    confine.become_subreaper()
    confine.set_inspectable(False)  # its run has the same user id
    _take_precedence()
    _send_pidfd(control)
    TreeSupervisor(control, null, filters, base_bytes).supervise()


def _send_pidfd(control: socket.socket) -> None:
    """Give the server a way to end this process from outside, for example if it is stopped."""
    me = os.pidfd_open(os.getpid())
    with contextlib.suppress(OSError):  # the end of the channel will follow
        send(control, {"supervisor": True}, [me])
    os.close(me)


def _take_precedence() -> None:
    """Run before ordinary processes, if allowed: a fork bomb must not starve this process."""
    with contextlib.suppress(OSError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


class TreeSupervisor(Supervisor):
    """Monitors the process tree below this process."""

    def __init__(
        self, control: socket.socket, null: int, filters: Mapping[str, bytes], base_bytes: int
    ) -> None:
        super().__init__(control)
        self._null = null
        self._filters = filters
        self._base_bytes = base_bytes
        self._agent: int | None = None
        self._in_cell = False

    def start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Fork the agent."""
        named = dict(zip(order["descriptors"], descriptors, strict=True))
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            with failures_written_to(named["job"]) as step:
                confine.die_with_parent(supervisor)
                if "pids_cgroup" in named:
                    step("its number of processes")
                    os.write(named["pids_cgroup"], b"0")  # joins the cgroup that caps its tasks
            become_agent(
                RunDescriptors.of(named),
                null=self._null,
                filters=self._filters,
                base_bytes=self._base_bytes,
            )
        close_all(descriptors)  # otherwise the output pipes would never end
        self._agent = pid
        self._in_cell = order["in_cell"]
        self._poll.register(os.pidfd_open(pid), select.POLLIN)
        self.notify({"started": pid})
        limits = Limits(**order["limits"])
        self.monitor(
            ResourceMonitor(
                limits,
                _space(order, limits),
                members=self.members,
                tasks=task_cap(limits),
                tasks_are_capped=order["tasks_are_capped"],
            )
        )

    def members(self) -> list[int]:
        """Return the processes below this one."""
        return descendants(os.getpid())

    def end_all(self) -> None:
        """Kill everything below this process.

        The process group first: the kernel signals the group at once, so a fork bomb can't outrun
        it, and seccomp keeps processes from leaving it. Killing each descendant is for machines
        without seccomp.
        """
        groups = () if self._agent is None else (-self._agent,)
        for target in (*groups, *self.members()):
            with contextlib.suppress(OSError):
                os.kill(target, signal.SIGKILL)

    def signal_all(self, number: int) -> None:
        """Send a signal to the whole cell, or to the process group that a run can't leave."""
        if self._agent is not None:
            with contextlib.suppress(OSError):
                os.kill(-1 if self._in_cell else -self._agent, number)

    def exit(self) -> NoReturn:
        """End when no process is left below this one. Until then the server sees it running."""
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

    def handle(self, descriptor: int) -> None:
        """Report that the agent has ended, after killing its remaining processes."""
        assert self._agent is not None
        _, status, used = os.wait4(self._agent, 0)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        self._monitor = None
        self.end_all()
        self._agent = None
        self.notify({"exit": status, "cpu": used.ru_utime + used.ru_stime})

    def reap(self) -> None:
        """Reap orphans that have ended."""
        for pid in _children(os.getpid()):
            if pid != self._agent:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def _children(supervisor: int) -> list[int]:
    with contextlib.suppress(OSError), open(f"/proc/self/task/{supervisor}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def _space(order: dict[str, Any], limits: Limits) -> Space:
    if order["in_cell"]:
        return MountSpace(order["scratch"], limits.scratch_mib * INODES_A_MIB)
    return FolderSpace(order["scratch"], limits.scratch_mib * MIB)
