"""Identifies a server process, and detects whether another one on this machine has ended.

So the next server on the same machine detects a killed server at once, long before its lease is
lost. Sources: proc(5), pid_namespaces(7).
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A process, identified uniquely across machines and time."""

    host: str
    boot_id: str
    pid_namespace: str
    """The target of /proc/self/ns/pid: `pid` is only valid in this namespace."""
    pid: int
    pid_started: int
    """Clock ticks from the start of the machine to that of the process."""

    @classmethod
    def here(cls) -> ServerProcess:
        """Return this process."""
        pid = os.getpid()
        return cls(
            socket.gethostname(),
            _read(_BOOT_ID),
            _pid_namespace(),
            pid,
            _started(pid) or 0,
        )

    def has_ended(self, *, same_machine: bool) -> bool:
        """Return whether this process has certainly ended; False if that can't be determined here.

        `same_machine`: it ran on this machine, as all users of a SQLite file do.
        """
        here = ServerProcess.here()
        if self.boot_id != here.boot_id:
            return same_machine  # it has restarted since
        if self.pid_namespace != here.pid_namespace:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # another user's
        started = _started(self.pid)
        return started is not None and started != self.pid_started


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Return the start time of a process, -1 for a zombie, or None if it can't be read."""
    _, _, fields = _read(Path(f"/proc/{pid}/stat")).rpartition(") ")
    if not fields:
        return None
    state, *rest = fields.split()
    return -1 if state in {"Z", "X"} else int(rest[18])
