"""The warm parent of runs: has the SDKs loaded, and forks one child for each run.

Exec'd fresh with an empty environment, single-threaded, without a secret. It enters the cell
maker's user namespace before the first run, so that it is an unprivileged user of the host and yet
may enter the cells. When its channel ends, it ends; its children are ended by their cells.

Descriptor 0 is its channel to the server. First comes its job, {"preload": [...], "environment":
{...}}, answered by {"ready": {name: problem}}; then {"enter": [...]} with the user namespace,
{"agent": [...]} with what `RunDescriptors` and the cell hold, {"keeper": [...]} with a keeper's
channel, or {"ping": []}, answered by {"pong": true}.
On a run's own "report" it says {"started": pid}, then {"exit": status, "cpu": seconds},
a wait status; {"failed": text} where it could not fork.

It reaps every child, not only those it forked: clone(2) with CLONE_PARENT makes a sibling of its
caller, that is, a child of this process, and a cell can't end while such a zombie is in it.
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
from server.isolation.child.tree_supervisor import keep
from server.limits import MOST_DESCRIPTORS

_WALL = 0x40000000
"""Children whose end sends another signal than SIGCHLD, too; see wait(2)."""
_REAPED_AT_ONCE = 64
"""Then orders get their turn: a run may make siblings without end."""


class ForkServer:
    """The loop of the warm parent, and what its children are to know."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._filters = (
            {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
        )
        self._taken = confine.address_space()
        self._waking, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(server, select.POLLIN)
        self._poll.register(self._waking, select.POLLIN)
        self._children: dict[int, socket.socket | None] = {}
        """Those it forked, by number, and where to report their end."""

    def serve(self) -> None:
        """Fork and reap until the channel ends."""
        patience = None
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(patience)}
            if self._waking in ready:
                os.read(self._waking, 4096)
            patience = 0 if self._reap() else None
            if self._server.fileno() in ready and not self._obey():
                return

    def _obey(self) -> bool:
        message, descriptors = receive(self._server)
        if message is None:
            return False
        [(what, names)] = message.items()
        passed = dict(zip(names, descriptors, strict=True))
        work: Callable[[dict[str, int]], None] = getattr(self, f"_do_{what}")
        try:
            work(passed)
        finally:
            for descriptor in passed.values():
                os.close(descriptor)
        return True

    def _do_enter(self, passed: dict[str, int]) -> None:
        namespaces.enter(passed["user"], namespaces.USER)
        with contextlib.suppress(PermissionError):  # not root's: it keeps its groups
            os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    def _do_agent(self, passed: dict[str, int]) -> None:
        report = socket.socket(fileno=os.dup(passed["report"]))
        try:
            if "pid" in passed:
                namespaces.enter(passed["pid"], namespaces.PID)  # for the next child
            pid = os.fork()
        except OSError as error:  # a cell that has ended meanwhile, say
            with contextlib.suppress(OSError), report:
                send(report, {"failed": f"can't fork: {error}"})
            return
        if pid == 0:
            _forget_children()
            os.close(report.fileno())
            become_agent(
                RunDescriptors.of(passed), null=self._null, filters=self._filters, taken=self._taken
            )
        self._watch(pid, report)

    def _do_keeper(self, passed: dict[str, int]) -> None:
        pid = os.fork()
        if pid == 0:
            _forget_children()
            os.setsid()
            control = os.dup(passed["control"])
            os.dup2(control, 3)
            os.closerange(4, self._null)
            os.closerange(self._null + 1, MOST_DESCRIPTORS)
            keep(socket.socket(fileno=3), self._null, filters=self._filters, taken=self._taken)
        self._watch(pid, None)

    def _do_ping(self, passed: dict[str, int]) -> None:
        send(self._server, {"pong": True})

    def _watch(self, pid: int, report: socket.socket | None) -> None:
        self._children[pid] = report
        if report is not None:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                send(report, {"started": pid})

    def _reap(self) -> bool:
        """Reap children that have ended, whoever made them; return whether there may be more."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG | _WALL)
            except ChildProcessError:
                return False
            if pid == 0:
                return False
            report = self._children.pop(pid, None)  # none for a sibling of a run's
            if report is not None:
                with contextlib.suppress(OSError), report:
                    send(report, {"exit": status, "cpu": used.ru_utime + used.ru_stime})
        return True


def _forget_children() -> None:
    """Give a forked child back what a fresh interpreter has."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def main(preloaded: Preloaded) -> None:
    """Entry point, called while `preloaded` records; see the module's docstring."""
    server = socket.socket(fileno=os.dup(0))
    job, _ = receive(server)
    if job is None:
        return
    _stand_in_for_a_run(job)
    problems = warm_up.load(job["preload"])
    preloaded.wanted = tuple(job["preload"])
    os.environ.clear()
    confine.economise_address_space()
    tasks = len(os.listdir("/proc/self/task"))
    if tasks != 1:  # a fork would copy locks that nobody opens again
        problems["threads"] = f"{tasks} threads are left by what was loaded"
    send(server, {"ready": problems})


def serve(preloaded: Preloaded) -> None:
    """Serve with what `main` has loaded, hidden."""
    server = socket.socket(fileno=0)
    fork_server = ForkServer(server)
    preloaded.hide("server")
    preloaded.prepare(preloaded.wanted)
    gc.collect()
    gc.freeze()  # so that a child's collector touches, and copies, nothing of this
    use_huge_pages()
    fork_server.serve()
    os._exit(0)


def _stand_in_for_a_run(job: dict[str, Any]) -> None:
    """Have modules see, as they load, what they would see in a run."""
    os.environ.update(job["environment"])
