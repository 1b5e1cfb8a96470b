"""The first process of a cell: prepares it, waits, then monitors the run. Standard library only.

A cell is a prepared set of namespaces that a run enters. The init is pid 1 of the cell's pid
namespace: when it ends, for any reason, the kernel ends all processes in the cell. It ends when the
server closes its end of the channel.

Messages to the server: {"ready": names} with the cell's descriptors; {"resized": true} after a
"start" with limits that need another scratch size. The other messages are in `supervisor.py`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any, NoReturn

from server.isolation.child import namespaces as ns
from server.isolation.child.cell_root import INODES_A_MIB, RUN_UID, SCRATCH, TEMPORARY
from server.isolation.child.channel import send
from server.isolation.child.confine import set_inspectable
from server.isolation.child.landlock import make_ruleset
from server.isolation.child.resource_monitor import MountSpace, ResourceMonitor
from server.isolation.child.supervisor import Supervisor
from server.limits import Limits, task_cap

PORT = 4000
"""The port of the gateway, the only one with a listener in a run's network namespace."""
WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


@dataclass(frozen=True, slots=True)
class Ids:
    """User ids of a cell, as numbered inside it: of its owner, its init and its run."""

    owner: int
    init: int
    run: int


def run_init(control: socket.socket, ids: Ids) -> None:
    """Prepare the cell, and serve it until the server closes the channel. Never returns.

    Raises:
        OSError: the cell could not be prepared.

    """
    os.setsid()
    with contextlib.suppress(PermissionError):  # without root, the process keeps its groups
        os.setgroups([])
    os.setresgid(ids.init, ids.init, ids.init)
    os.setresuid(ids.init, ids.init, ids.init)
    set_inspectable(False)
    socket.sethostname("sandbox")
    listener = _prepare()
    _send_descriptors(control, listener)
    _Init(control).supervise()


def _prepare() -> socket.socket:
    """Mount the cell's own file systems; return the listener on which the gateway accepts."""
    secure = ns.MS_NOSUID | ns.MS_NODEV
    ns.mount("proc", "/proc", "proc", secure | ns.MS_NOEXEC)
    ns.mount("tmpfs", SCRATCH, "tmpfs", secure, _scratch_options(Limits().scratch_mib))
    os.mkdir(TEMPORARY, 0o700)
    for folder in (SCRATCH, TEMPORARY):
        os.chown(folder, RUN_UID, RUN_UID)
    ns.bring_loopback_up()
    return open_listener()


def open_listener() -> socket.socket:
    """Return the listener of this network namespace on which the gateway accepts."""
    listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # see server/net/listeners.py
    return listener


def _scratch_options(mebibytes: int) -> str:
    inodes = mebibytes * INODES_A_MIB
    return f"size={mebibytes}m,nr_inodes={inodes},mode=700"


def _send_descriptors(control: socket.socket, listener: socket.socket) -> None:
    """Send the server all descriptors that it needs to use the cell, and close them here."""
    rules = make_ruleset(readable=["/"], writable=[SCRATCH], devices=[*WRITABLE_DEVICES], port=PORT)
    named = {
        "pidfd": os.pidfd_open(os.getpid()),
        "folder": os.open(SCRATCH, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
        "listener": listener.fileno(),
        "rules": rules,
        **ns.open_namespaces(),
    }
    send(control, {"ready": list(named)}, named.values())
    listener.close()
    for name, descriptor in named.items():
        if name != "listener":
            os.close(descriptor)


class _Init(Supervisor):
    """Monitors the run in the cell."""

    def members(self) -> list[int]:
        """Return all processes of the cell but this one."""
        return [int(name) for name in os.listdir("/proc") if name.isdecimal() and name != "1"]

    def end_all(self) -> None:
        """Kill all processes of the cell but this one."""
        self.signal_all(signal.SIGKILL)

    def signal_all(self, number: int) -> None:
        """Send a signal to all processes of the cell but this one."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)

    def exit(self) -> NoReturn:
        """End this process; the kernel ends the rest of the cell."""
        os._exit(0)

    def start(self, order: dict[str, Any], descriptors: list[int]) -> None:
        """Give scratch the size for this run, and start to monitor the run."""
        limits = Limits(**order)
        if limits.scratch_mib != Limits().scratch_mib:
            flags = ns.MS_REMOUNT | ns.MS_NOSUID | ns.MS_NODEV
            ns.mount("none", SCRATCH, "", flags, _scratch_options(limits.scratch_mib))
            self.notify({"resized": True})
        monitor = ResourceMonitor(
            limits,
            MountSpace(SCRATCH),
            members=self.members,
            tasks=task_cap(limits),
            tasks_are_capped=True,
        )
        self.monitor(monitor)

    def reap(self) -> None:
        """Reap the orphans of the run; the fork server reaps the agent itself."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
