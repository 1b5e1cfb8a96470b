"""Monitors one run: the common part of a cell's init and the tree supervisor.

Standard library only. After the server's order to start, a supervisor measures the run's processes
at intervals until the server closes its end of the channel; then it ends everything.

Messages to the server: {"long_running": true} when the run has lasted long enough to be worth a
cgroup; {"limit": kind, "ends": bool}. Messages from the server: {"start": ...}, then
{"cgroup": ...} with the descriptors of the cgroup's files.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
from typing import Any, NoReturn

from server.isolation.child.cgroups import SupervisedCgroup
from server.isolation.child.channel import receive, send
from server.isolation.child.resource_monitor import ResourceMonitor
from server.limits import MAX_SESSIONS

_QUICK_POLLS = 2
"""Polls at short intervals, because most runs end soon; then the run counts as long-running."""
_QUICK_S, _POLL_S = 0.01, 0.02
_MUCH_CPU_S = 0.2
"""A run that has used this much processor time gives way to others: those that have just started.

"""
_POLLS_WITHOUT_STOP = 10
"""Polls at which the run had processes outside its cgroup: only a hostile program reaches this."""
_LOWER_PRIORITY = b"7"
"""The nice value for a fifth of another session's share. With 19 it would have a seventieth, and a
busy machine would starve it."""


class Supervisor:
    """The only work of its process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._monitor: ResourceMonitor | None = None
        self._cgroup: SupervisedCgroup | None = None
        self._polls = 0
        self._incomplete_polls = 0
        self._weight_lowered = False
        self._lowered_sessions: set[int] = set()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def supervise(self) -> NoReturn:
        """Handle messages and monitor the run until the server closes its end of the channel."""
        while True:
            ready = self._poll.poll(self._poll_timeout())
            for descriptor, _ in ready:
                if descriptor == self._control.fileno():
                    self._handle_message()
                else:
                    self.handle(descriptor)
            if not ready and self._monitor is not None:
                self._measure(self._monitor)
            self.reap()

    def monitor(self, monitor: ResourceMonitor) -> None:
        """Measure the run from now on."""
        self._monitor = monitor

    def members(self) -> list[int]:
        """Return the processes of the run."""
        raise NotImplementedError

    def signal_all(self, number: int) -> None:
        """Send a signal to all processes of the run at once."""
        raise NotImplementedError

    def end_all(self) -> None:
        """Kill the processes of the run."""
        raise NotImplementedError

    def start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Do what the start of a run needs, and call `monitor`."""
        raise NotImplementedError

    def exit(self) -> NoReturn:
        """End this process and the run."""
        raise NotImplementedError

    def handle(self, descriptor: int) -> None:
        """Handle a descriptor that a subclass has registered and that is ready."""

    def reap(self) -> None:
        """Reap the orphans of the run."""

    def notify(self, message: dict[str, Any]) -> None:
        """Send a message to the server; if the server is gone, the channel's end will follow."""
        with contextlib.suppress(OSError):
            send(self._control, message)

    def _poll_timeout(self) -> float | None:
        """Return how many milliseconds to wait; None, for ever, without a run.

        The intervals are random, so that a run can't foresee them and use the time between two.
        """
        if self._monitor is None:
            return None
        if self._polls < _QUICK_POLLS:
            return 1000 * _QUICK_S
        chance = (int.from_bytes(os.urandom(4), "big") + 1) / 2**32
        return 1000 * min(-math.log(chance) * _POLL_S, 3 * _POLL_S)

    def _handle_message(self) -> None:
        message, descriptors = receive(self._control)
        if message is None:
            self.exit()
        if "start" in message:
            self.start(message["start"], descriptors)
        elif "cgroup" in message:
            files = list(zip(message["cgroup"]["files"], descriptors, strict=True))
            self._cgroup = SupervisedCgroup(message["cgroup"]["name"], files)

    def _measure(self, monitor: ResourceMonitor) -> None:
        self._polls += 1
        if self._polls == _QUICK_POLLS:
            self.notify({"long_running": True})
        if self._cgroup is not None and not self._cgroup.complete:
            self._complete(self._cgroup)
        kind = self._exceeded(monitor)
        for notice in monitor.notices():
            self.notify({"limit": notice, "ends": False})
        if kind:
            self.notify({"limit": kind, "ends": True})
            self._monitor = None
            self.end_all()

    def _exceeded(self, monitor: ResourceMonitor) -> str | None:
        """Measure; return the kind of the limit that ends the run."""
        kind, cgroup = monitor.exceeded(self._cgroup), self._cgroup
        several = len(monitor.sessions) > 1
        if monitor.cpu_s > _MUCH_CPU_S or several:
            self._lower_priority(monitor)
        if kind is None and cgroup is not None:
            if cgroup.out_of_memory():
                return "memory"
            if not self._weight_lowered and len(monitor.sessions) > MAX_SESSIONS:
                return "sessions"
        return kind

    def _complete(self, cgroup: SupervisedCgroup) -> None:
        """Move the whole run into its cgroup, even if it forks faster than it can be listed.

        Such a run is stopped for a moment: the kernel signals all its processes at once, and a
        process with a pending signal can't fork.
        """
        if cgroup.add(self.members()):
            return
        self._incomplete_polls += 1
        if self._incomplete_polls % _POLLS_WITHOUT_STOP == 0:
            self.signal_all(signal.SIGSTOP)
            cgroup.add(self.members())
            cgroup.add(self.members())
            self.signal_all(signal.SIGCONT)

    def _lower_priority(self, monitor: ResourceMonitor) -> None:
        """Lower the priority of the run: of the whole cgroup, if it has a weight, and of a session.

        Where no cgroup has a weight, the scheduler shares among sessions, in autogroups (sched(7)),
        or follows nice values. One session per poll, because the kernel accepts ten such changes a
        second from all processes together.
        """
        if self._cgroup is not None and not self._weight_lowered:
            self._weight_lowered = self._cgroup.lower_weight()
        self._lowered_sessions &= monitor.sessions.keys()
        for session, process in monitor.sessions.items():
            if session not in self._lowered_sessions:
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{process}/autogroup", "wb", 0) as it,
                ):
                    it.write(_LOWER_PRIORITY)
                    self._lowered_sessions.add(session)
                return
