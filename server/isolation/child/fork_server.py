"""The fork server: has the SDKs loaded, and forks one child for each run.

It is executed fresh with an empty environment, has a single thread and no secret. It enters the
cell maker's user namespace before the first run: so it is an unprivileged user of the host, but may
enter the cells. It ends when its channel ends; then its children end with their cells.

Descriptor 0 is its channel to the server. The first message is its job, {"preload": [...],
"environment": {...}}; the answer is {"ready": {name: problem}}. Then come requests, each with the
names of its descriptors: {"enter": [...]} with the user namespace; {"agent": [...]} with the
descriptors of `RunDescriptors` and the cell's namespaces; {"supervisor": [...]} with the channel of
a tree supervisor; {"ping": []}, answered by {"pong": true}.
On a run's own channel "report" it sends {"started": pid}, then {"exit": status, "cpu": seconds}
with a wait status; or {"failed": text} if it could not fork.

It reaps all its children, not only those it forked: clone(2) with CLONE_PARENT makes a sibling of
its caller, that is, a child of this process, and a cell can't end while such a zombie is in it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
from collections.abc import Callable
from typing import Any

from server.isolation.child import confine, namespaces, warm_up
from server.isolation.child.agent_process import RunDescriptors, become_agent
from server.isolation.child.channel import receive, send
from server.isolation.child.libc import use_huge_pages
from server.isolation.child.preload import Preloaded
from server.isolation.child.seccomp import FILTERS, seccomp_program, seccomp_supported
from server.isolation.child.tree_supervisor import supervise_tree
from server.limits import MAX_DESCRIPTORS

_WALL = 0x40000000
"""Also wait for children whose end sends another signal than SIGCHLD; see wait(2)."""
_REAPED_AT_ONCE = 64
"""Then requests get their turn: a run may make siblings without end."""


class ForkServer:
    """The loop of the fork server, and what its children inherit."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._filters = (
            {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
        )
        self._base_bytes = confine.address_space()
        self._waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(server, select.POLLIN)
        self._poll.register(self._waking, select.POLLIN)
        self._children: dict[int, socket.socket | None] = {}
        """The children it forked, by process id, with the channel for the report of their end."""

    def serve(self) -> None:
        """Fork and reap until the channel ends."""
        timeout = None
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(timeout)}
            if self._waking in ready:
                os.read(self._waking, 4096)
            timeout = 0 if self._reap() else None
            if self._server.fileno() in ready and not self._handle_request():
                return

    def _handle_request(self) -> bool:
        """Handle one request; return False at the end of the channel."""
        message, descriptors = receive(self._server)
        if message is None:
            return False
        [(what, names)] = message.items()
        named = dict(zip(names, descriptors, strict=True))
        work: Callable[[dict[str, int]], None] = getattr(self, f"_do_{what}")
        try:
            work(named)
        finally:
            for descriptor in named.values():
                os.close(descriptor)
        return True

    def _do_enter(self, named: dict[str, int]) -> None:
        namespaces.enter(named["user"], namespaces.USER)
        with contextlib.suppress(PermissionError):  # without root, the process keeps its groups
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    def _do_agent(self, named: dict[str, int]) -> None:
        report = socket.socket(fileno=os.dup(named["report"]))
        try:
            if "pid" in named:
                namespaces.enter(named["pid"], namespaces.PID)  # takes effect for the next child
            pid = os.fork()
        except OSError as error:  # for example, the cell has ended meanwhile
            with contextlib.suppress(OSError), report:
                send(report, {"failed": f"can't fork: {error}"})
            return
        if pid == 0:
            _forget_children()
            os.close(report.fileno())
            become_agent(
                RunDescriptors.of(named),
                null=self._null,
                filters=self._filters,
                base_bytes=self._base_bytes,
            )
        self._add_child(pid, report)

    def _do_supervisor(self, named: dict[str, int]) -> None:
        pid = os.fork()
        if pid == 0:
            _forget_children()
            os.setsid()
            control = os.dup(named["control"])
            os.dup2(control, 3)
            os.closerange(4, self._null)
            os.closerange(self._null + 1, MAX_DESCRIPTORS)
            supervise_tree(
                socket.socket(fileno=3),
                self._null,
                filters=self._filters,
                base_bytes=self._base_bytes,
            )
        self._add_child(pid, None)

    def _do_ping(self, named: dict[str, int]) -> None:
        send(self._server, {"pong": True})

    def _add_child(self, pid: int, report: socket.socket | None) -> None:
        self._children[pid] = report
        if report is not None:
            with contextlib.suppress(OSError):  # the server no longer waits for it
                send(report, {"started": pid})

    def _reap(self) -> bool:
        """Reap children that have ended, not only own ones; return whether there may be more."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG | _WALL)
            except ChildProcessError:
                return False
            if pid == 0:
                return False
            report = self._children.pop(pid, None)  # None for a process that a run made
            if report is not None:
                with contextlib.suppress(OSError), report:
                    send(report, {"exit": status, "cpu": used.ru_utime + used.ru_stime})
        return True


def _forget_children() -> None:
    """Restore the signal handling of a fresh interpreter in a forked child."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def main(preloaded: Preloaded) -> None:
    """Entry point, called while `preloaded` records; see the module's docstring."""
    server = socket.socket(fileno=os.dup(0))
    job, _ = receive(server)
    if job is None:
        return
    _use_run_environment(job)
    problems = warm_up.load(job["preload"])
    preloaded.wanted = tuple(job["preload"])
    os.environ.clear()
    confine.economise_address_space()
    tasks = len(os.listdir("/proc/self/task"))
    if tasks != 1:  # a fork would copy locks that no thread releases
        problems["threads"] = f"the loaded modules have started threads: {tasks} are running"
    send(server, {"ready": problems})


def serve(preloaded: Preloaded) -> None:
    """Hide what `main` has loaded, and serve."""
    server = socket.socket(fileno=0)
    fork_server = ForkServer(server)
    preloaded.hide("server")
    preloaded.prepare(preloaded.wanted)
    gc.collect()
    gc.freeze()  # so that a child's collector doesn't touch, and thereby copy, these objects
    use_huge_pages()
    fork_server.serve()
    os._exit(0)


def _use_run_environment(job: dict[str, Any]) -> None:
    """Set the variables of a run, which modules may read while they load."""
    os.environ.update(job["environment"])
