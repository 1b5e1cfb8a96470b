"""The warm parent of runs: has the SDKs loaded, and forks one child for each run.

Exec'd fresh with an empty environment, single-threaded, without a secret. It enters the cell
maker's user namespace before the first run, so that it is an unprivileged user of the host and yet
may enter the cells. When its channel ends, it ends; its children are ended by their cells.

Descriptor 0 is its channel to the server. First comes its job, {"preload": [...], "environment":
{...}}, answered by {"ready": {name: problem}}; then {"enter": [...]} with the user namespace,
{"agent": [...]} with what `Passed` and the cell hold, or {"keeper": [...]} with a keeper's channel.
On a run's own "report" it says {"started": pid}, then {"exit": status, "cpu": seconds},
a wait status; {"failed": text} where it could not fork.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import socket
from collections.abc import Callable
from typing import Any

from server import confine, namespaces, warm_up
from server.agent_child import Passed, become_agent
from server.channel import receive, send
from server.libc import use_huge_pages
from server.preload import Preloaded
from server.run_keeper import keep
from server.seccomp import FILTERS, seccomp_program, seccomp_supported


class ForkServer:
    """The loop of the warm parent, and what its children are to know."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._filters = (
            {name: seccomp_program(name) for name in FILTERS} if seccomp_supported() else {}
        )
        self._taken = confine.address_space()
        self._poll = select.poll()
        self._poll.register(server, select.POLLIN)
        self._children: dict[int, tuple[int, socket.socket | None]] = {}

    def serve(self) -> None:
        """Fork and reap until the channel ends."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._server.fileno():
                    self._reap(descriptor)
                elif not self._obey():
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
            os.close(report.fileno())
            become_agent(
                Passed.of(passed), null=self._null, filters=self._filters, taken=self._taken
            )
        self._watch(pid, report)

    def _do_keeper(self, passed: dict[str, int]) -> None:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            control = os.dup(passed["control"])
            os.dup2(control, 3)
            os.closerange(4, self._null)
            os.closerange(self._null + 1, confine.MOST_DESCRIPTORS)
            keep(socket.socket(fileno=3), self._null, filters=self._filters, taken=self._taken)
        self._watch(pid, None)

    def _watch(self, pid: int, report: socket.socket | None) -> None:
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = (pid, report)
        self._poll.register(pidfd, select.POLLIN)
        if report is not None:
            with contextlib.suppress(OSError):  # nobody waits for it any more
                send(report, {"started": pid})

    def _reap(self, pidfd: int) -> None:
        pid, report = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status, used = os.wait4(pid, 0)
        if report is not None:
            with contextlib.suppress(OSError):
                send(report, {"exit": status, "cpu": used.ru_utime + used.ru_stime})
            report.close()


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
