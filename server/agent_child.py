"""The last steps of a run's own process: give everything up, then run the user's program.

Standard library only. What the program sees is what a fresh `python agent.py --task TASK` sees.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from server import confine, namespaces
from server.confine import Limits
from server.program import forget_parent, run_program
from server.seccomp import load_seccomp

MARK = 255
"""The descriptor on which the process says why it ended, where its exit code can't. The highest
that a run may have, so that those it opens itself start at 3."""
NICE = 10  # so that whoever watches gets a turn, whatever the program does
_ENTERED = ("user", "mnt", "net", "ipc", "uts")


@dataclass(frozen=True, slots=True)
class Passed:
    """The descriptors a run is given: its output, the mark, the rules, the cell's namespaces."""

    stdout: int
    stderr: int
    mark: int
    job: int
    rules: int | None = None
    namespaces: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, int]) -> Passed:
        """Return them out of descriptors by name."""
        own = {name: named[name] for name in ("stdout", "stderr", "mark", "job")}
        inner = {name: named[name] for name in _ENTERED if name in named}
        return cls(**own, rules=named.get("rules"), namespaces=inner)


def become_agent(
    passed: Passed, *, null: int, filters: Mapping[str, bytes], taken: int
) -> NoReturn:
    """Turn this forked process into the agent and run its program to the end.

    `null` is /dev/null opened for reading; `filters` are the seccomp programs by name; `taken` is
    the address space that was in use before.
    """
    with _failing_into(passed.job):
        job = _read_job(passed.job)
        _enter_cell(passed.namespaces)
        job_file, rules = _settle_descriptors(passed, null)
    with _failing_into(job_file):
        _confine(job, rules, filters=filters, taken=taken)
    os.close(job_file)
    forget_parent(job["environment"])
    argv = ["agent.py", *_task_arguments(job["task"])]
    code, mark = run_program(job["program"], argv, job["scratch"], job["port"])
    if mark:
        _say(mark)
    if code < 0:  # the shell's way of an interrupted program
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _task_arguments(task: str) -> list[str]:
    # As two words, which any program can read; argparse takes one that begins with a dash only so.
    return [f"--task={task}"] if task.startswith("-") else ["--task", task]


@contextmanager
def _failing_into(job_file: int) -> Iterator[None]:
    """End the process with the error in the job's file: the program has not run."""
    try:
        yield
    except Exception as error:
        os.pwrite(job_file, f"!{type(error).__name__}: {error}".encode()[:4096], 0)
        os._exit(1)


def _say(mark: bytes) -> None:
    with contextlib.suppress(OSError):  # the program may have closed it
        os.write(MARK, mark)


def _read_job(descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        job: dict[str, Any] = json.load(file)
    return job


def _confine(
    job: dict[str, Any], rules: int | None, *, filters: Mapping[str, bytes], taken: int
) -> None:
    """Put on all layers of `job`; nothing here can be taken off again."""
    layers, limits = job["layers"], Limits(**job["limits"])
    os.setsid()  # its own session and process group: no terminal, and one signal ends all
    _become_user(job["uid"])
    os.chdir(job["scratch"])
    os.umask(0o077)
    os.nice(NICE)
    confine.go_last_at_the_disk()
    if job["most_tasks"]:
        confine.limit_tasks(job["most_tasks"])
    if "capabilities" in layers:
        confine.drop_privileges()
    else:
        confine.set_no_new_privileges()
    if "landlock" in layers:
        if rules is None:
            rules = confine.make_ruleset(**job["rules"])
        confine.restrict_with_landlock(rules)
    if "rlimits" in layers:
        confine.limit_resources(limits, taken=taken)
    confine.set_inspectable(True)
    if "seccomp" in layers:
        load_seccomp(filters[job["filter"]])


def _enter_cell(found: Mapping[str, int]) -> None:
    """Enter the namespaces of the cell; the user's first, which gives the right to the others."""
    for name in _ENTERED:
        if name in found:
            namespaces.enter(found[name], namespaces.KINDS[name])


def _settle_descriptors(passed: Passed, null: int) -> tuple[int, int | None]:
    """Close all but the standard descriptors, the mark, the job's file and the rules.

    Returns where the last two are, which must not outlive the layers they are for.
    """
    out_of_the_way = MARK + 1
    stdout, stderr, mark, job_file = (
        fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, out_of_the_way)
        for each in (passed.stdout, passed.stderr, passed.mark, passed.job)
    )
    rules = passed.rules
    if rules is not None:
        rules = fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, out_of_the_way)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    os.dup2(mark, MARK, inheritable=False)
    first = 3
    for kept in sorted({MARK, job_file} | ({rules} if rules is not None else set())):
        os.closerange(first, kept)
        first = kept + 1
    os.closerange(first, confine.MOST_DESCRIPTORS)
    return job_file, rules


def _become_user(uid: int | None) -> None:
    if uid is None:
        return
    with contextlib.suppress(PermissionError):  # not root's: it keeps its groups
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
