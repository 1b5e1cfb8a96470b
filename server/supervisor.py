"""What watches one run: told to go, it looks at the run's processes until it is let go.

Standard library only: the part that a cell's init and a keeper have in common. To the server:
{"alive": true} when the run has gone on long enough to be worth a memory group;
{"limit": kind, "ends": bool}. From the server: {"go": ...}, then {"group": true} with the group's
descriptors; the end of the channel means: end everything.
"""

from __future__ import annotations

import contextlib
import select
import socket
from typing import Any, NoReturn

from server.channel import receive, send
from server.memory_group import MemoryGroup
from server.watch import Watch

_QUICK_LOOKS = 2
"""How often to look at short intervals, for most runs are over soon; then the run is alive."""
_QUICK_S, _POLL_S = 0.01, 0.02
_MUCH_CPU_S = 0.2
"""A run that has used so much processor time lets others go first: those that have just begun."""
_YIELDING = b"7"
"""A fifth of another session's share; at 19, a seventieth, a busy machine would starve it."""


class Supervisor:
    """Lives in a process that does nothing else."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._watch: Watch | None = None
        self._group: MemoryGroup | None = None
        self._looks = 0
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

    def begin(self, watch: Watch) -> None:
        """Look at the run from now on."""
        self._watch = watch

    def members(self) -> list[int]:
        """Return the processes of the run."""
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
        """Return for how many milliseconds to wait; without a run, for ever."""
        if self._watch is None:
            return None
        return 1000 * (_QUICK_S if self._looks < _QUICK_LOOKS else _POLL_S)

    def _obey(self) -> None:
        message, descriptors = receive(self._control)
        if message is None:
            self.leave()
        if "go" in message:
            self.go(message["go"], descriptors)
        elif message.get("group"):
            self._group = MemoryGroup(*descriptors)

    def _look(self, watch: Watch) -> None:
        self._looks += 1
        if self._looks == _QUICK_LOOKS:
            self.tell({"alive": True})
        if self._group is not None:
            self._group.gather(self.members())
        kind = watch.exceeded()
        if watch.cpu_s > _MUCH_CPU_S:
            self._have_one_yield()
        if kind is None and self._group is not None and self._group.was_exceeded():
            kind = "memory"
        for notice in watch.notices():
            self.tell({"limit": notice, "ends": False})
        if kind:
            self.tell({"limit": kind, "ends": True})
            self._watch = None
            self.end_all()

    def _have_one_yield(self) -> None:
        """Lower the weight of one more process's session: the scheduler shares among sessions.

        One a look, since the kernel takes ten a second from all together; see sched(7) on
        autogroups. Where there are none, processes have their nice value.
        """
        for process in self.members():
            if process not in self._yielding:
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{process}/autogroup", "wb", 0) as it,
                ):
                    it.write(_YIELDING)
                    self._yielding.add(process)
                return
