"""What watches one run: told to go, it looks at the run's processes until it is let go.

Standard library only: the part that a cell's init and a keeper have in common. To the server:
{"alive": true} when the run has gone on long enough to be worth a memory group;
{"limit": kind, "ends": bool}. From the server: {"go": ...}, then {"group": ...} with the group's
descriptors; the end of the channel means: end everything.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
from typing import Any, NoReturn

from server.isolation.child.cgroups import RunGroup
from server.isolation.child.channel import receive, send
from server.isolation.child.resource_monitor import ResourceMonitor
from server.limits import MOST_SESSIONS

_QUICK_LOOKS = 2
"""How often to look at short intervals, for most runs are over soon; then the run is alive."""
_QUICK_S, _POLL_S = 0.01, 0.02
_MUCH_CPU_S = 0.2
"""A run that has used so much processor time lets others go first: those that have just begun."""
_GATHERED_WITHOUT_A_STOP = 10
"""Looks at a run that has processes outside its group each time: no program for good does that."""
_YIELDING = b"7"
"""A fifth of another session's share; at 19, a seventieth, a busy machine would starve it."""


class Supervisor:
    """Lives in a process that does nothing else."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._watch: ResourceMonitor | None = None
        self._group: RunGroup | None = None
        self._looks = 0
        self._gathered = 0
        self._yielded = False
        self._yielding: set[int] = set()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def supervise(self) -> NoReturn:
        """Go on until the server's end of the channel is closed."""
        while True:
            ready = self._poll.poll(self._patience())
            for descriptor, _ in ready:
                if descriptor == self._control.fileno():
                    self._obey()
                else:
                    self.attend(descriptor)
            if not ready and self._watch is not None:
                self._look(self._watch)
            self.reap()

    def begin(self, watch: ResourceMonitor) -> None:
        """Look at the run from now on."""
        self._watch = watch

    def members(self) -> list[int]:
        """Return the processes of the run."""
        raise NotImplementedError

    def signal_all(self, number: int) -> None:
        """Send a signal to the processes of the run, as one."""
        raise NotImplementedError

    def end_all(self) -> None:
        """Kill the processes of the run."""
        raise NotImplementedError

    def go(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Do what the start of a run needs, and call `begin`."""
        raise NotImplementedError

    def leave(self) -> NoReturn:
        """End, with all that runs."""
        raise NotImplementedError

    def attend(self, descriptor: int) -> None:
        """Take what is ready on a descriptor that was registered."""

    def reap(self) -> None:
        """Reap the orphans of the run."""

    def tell(self, message: dict[str, Any]) -> None:
        """Tell the server; if it is gone, the end of the channel will be seen."""
        with contextlib.suppress(OSError):
            send(self._control, message)

    def _patience(self) -> float | None:
        """Return for how many milliseconds to wait; without a run, for ever.

        Looks come at random, so that a run can't use the time between two that it foresees.
        """
        if self._watch is None:
            return None
        if self._looks < _QUICK_LOOKS:
            return 1000 * _QUICK_S
        chance = (int.from_bytes(os.urandom(4), "big") + 1) / 2**32
        return 1000 * min(-math.log(chance) * _POLL_S, 3 * _POLL_S)

    def _obey(self) -> None:
        message, descriptors = receive(self._control)
        if message is None:
            self.leave()
        if "go" in message:
            self.go(message["go"], descriptors)
        elif "group" in message:
            files = list(zip(message["group"]["files"], descriptors, strict=True))
            self._group = RunGroup(message["group"]["name"], files)

    def _look(self, watch: ResourceMonitor) -> None:
        self._looks += 1
        if self._looks == _QUICK_LOOKS:
            self.tell({"alive": True})
        if self._group is not None and not self._group.settled:
            self._gather(self._group)
        kind = self._crossed(watch)
        for notice in watch.notices():
            self.tell({"limit": notice, "ends": False})
        if kind:
            self.tell({"limit": kind, "ends": True})
            self._watch = None
            self.end_all()

    def _crossed(self, watch: ResourceMonitor) -> str | None:
        """Measure; return the kind of the limit that ends the run."""
        kind, group = watch.exceeded(self._group), self._group
        several = len(watch.sessions) > 1
        if watch.cpu_s > _MUCH_CPU_S or several:
            self._have_it_yield(watch)
        if kind is None and group is not None:
            if group.was_exceeded():
                return "memory"
            if not self._yielded and len(watch.sessions) > MOST_SESSIONS:
                return "sessions"
        return kind

    def _gather(self, group: RunGroup) -> None:
        """Have all of the run in its group, also where it forks faster than it can be listed.

        Then it is stopped for a moment: the kernel signals all its processes as one, and none that
        has a signal waiting can fork.
        """
        if group.gather(self.members()):
            return
        self._gathered += 1
        if self._gathered % _GATHERED_WITHOUT_A_STOP == 0:
            self.signal_all(signal.SIGSTOP)
            group.gather(self.members())
            group.gather(self.members())
            self.signal_all(signal.SIGCONT)

    def _have_it_yield(self, watch: ResourceMonitor) -> None:
        """Lower the weight of the run: at once by its group, and that of one more session.

        Without a group's weight the scheduler shares among sessions, in autogroups (sched(7)), or
        goes by nice values. One a look, since the kernel takes ten a second from all together.
        """
        if self._group is not None and not self._yielded:
            self._yielded = self._group.have_it_yield()
        self._yielding &= watch.sessions.keys()
        for session, process in watch.sessions.items():
            if session not in self._yielding:
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{process}/autogroup", "wb", 0) as it,
                ):
                    it.write(_YIELDING)
                    self._yielding.add(session)
                return
