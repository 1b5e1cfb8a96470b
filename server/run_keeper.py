"""The keeper: the small process above one run. Starts the agent, watches its tree, ends it.

Standard library only; started by `forkserver.py` as a fresh interpreter with an empty environment.
Descriptors: 0 is the control pipe (one line of JSON, the job; its end means "stop"), 1 and 2 are
the agent's output, 3 is the report pipe (lines of JSON). The server sees nothing else of a run.

Report lines: {"started": pid}, then {"exit": {...}} or {"failed": text}.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import Any

from server import confine
from server.agent_child import MEMORY_MARK, become_agent
from server.confine import Limits
from server.denials import MAX_MARK, from_mark
from server.task_cap import cap_was_reached
from server.watch import Watch, descendants

CONTROL, REPORT = 0, 3
_POLL_S = 0.02


def report(**line: Any) -> None:
    """Write one line to the server; if it is gone, the control pipe will say so."""
    with contextlib.suppress(OSError):
        os.write(REPORT, json.dumps(line).encode() + b"\n")


def read_job() -> dict[str, Any]:
    """Read the job from the control pipe.

    Raises:
        ValueError: the pipe ended before a whole line.

    """
    pieces: list[bytes] = []
    while not pieces or not pieces[-1].endswith(b"\n"):
        piece = os.read(CONTROL, 65536)
        if not piece:
            raise ValueError("the control pipe ended before the job")
        pieces.append(piece)
    job: dict[str, Any] = json.loads(b"".join(pieces))
    return job


def end_tree(agent: int | None = None) -> None:
    """Kill everything below this process and reap it.

    The process group first: the kernel signals it as one, so a fork bomb can't outrun it, and
    seccomp keeps processes from leaving it. The walk is for machines without seccomp.
    """
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        groups = () if agent is None else (-agent,)
        for target in (*groups, *descendants(os.getpid())):
            with contextlib.suppress(OSError):
                os.kill(target, signal.SIGKILL)
        if not _reap():
            return
        time.sleep(0.002)


def _reap() -> bool:
    """Reap what has ended; return whether children are left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def supervise(agent: int, watch: Watch) -> tuple[int | None, str | None]:
    """Wait for the agent's end, a limit or the server's wish.

    Returns the agent's wait status (None when it was still going) and the limit's kind or "stop".
    """
    control = select.poll()
    control.register(CONTROL, select.POLLIN | select.POLLHUP)
    pidfd = os.pidfd_open(agent)
    control.register(pidfd, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in control.poll(_POLL_S * 1000)}
        if pidfd in ready:
            _, status = os.waitpid(agent, 0)
            return status, None
        if CONTROL in ready:
            return None, "stop"
        kind = watch.exceeded()
        if kind:
            return None, kind


def _exit_report(
    status: int | None, kind: str | None, mark: bytes, group: str | None
) -> dict[str, Any]:
    """Put the agent's end in the shell's terms: 128+N for a fatal signal N."""
    if status is None:
        return {"returncode": 128 + signal.SIGKILL, "cause": kind}
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        kind = "cpu"
    elif code == -signal.SIGXFSZ:
        kind = "scratch"
    elif mark == MEMORY_MARK and code:
        kind = "memory"
    elif code and cap_was_reached(group):
        kind = "processes"
    denied = from_mark(mark) if code and kind is None else None
    return {"returncode": code if code >= 0 else 128 - code, "cause": kind, "denied": denied}


def _take_precedence() -> None:
    """Run before ordinary processes, where that is allowed: a fork bomb must not starve us."""
    with contextlib.suppress(OSError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(1))


def keep(job: dict[str, Any]) -> None:
    """Run one job from start to end and report it."""
    confine.become_subreaper()
    _take_precedence()
    mark_read, mark_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    keeper = os.getpid()
    agent = os.fork()
    if agent == 0:
        os.close(mark_read)
        become_agent(job, keeper, mark_write)
        return  # up to main(), whose frames end the interpreter as a script's end would
    for descriptor in (1, 2, mark_write):
        os.close(descriptor)  # else the output would never end
    report(started=agent)
    watch = Watch(Limits(**job["limits"]), job["scratch"], agent)
    status, kind = supervise(agent, watch)
    end_tree(agent)
    try:
        mark = os.read(mark_read, MAX_MARK)
    except BlockingIOError:
        mark = b""
    report(exit=_exit_report(status, kind, mark, job["group"]))
    os._exit(0)


def main() -> None:
    """Entry point; see the module's docstring for the descriptors."""
    keeper = os.getpid()
    try:
        keep(read_job())
    except Exception as error:
        if os.getpid() != keeper:
            raise  # the agent's own
        end_tree()
        report(failed=f"{type(error).__name__}: {error}")
        os._exit(1)
