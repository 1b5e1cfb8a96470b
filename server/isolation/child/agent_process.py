"""The last steps of a run's own process: give everything up, then run the user's program.

Standard library only. What the program sees is what a fresh `python agent.py --task TASK` sees.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from server.isolation.child import confine, namespaces
from server.isolation.child.run_program import forget_parent, run_program
from server.isolation.child.seccomp import load_seccomp
from server.limits import MOST_DESCRIPTORS, Limits

MARK = 255
"""The descriptor on which the process says why it ended, where its exit code can't. The highest
that a run may have, so that those it opens itself start at 3."""
_FILES_BESIDE = 8
"""Descriptors above the mark while the others are put in their places."""
_FAILURE_BYTES = 4096
NICE = 10  # so that whoever watches gets a turn, whatever the program does
_ENTERED = ("user", "mnt", "net", "ipc", "uts")


@dataclass(frozen=True, slots=True)
class RunDescriptors:
    """The descriptors a run is given: its output, the mark, the rules, the cell's namespaces."""

    stdout: int
    stderr: int
    mark: int
    job: int
    rules: int | None = None
    namespaces: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, int]) -> RunDescriptors:
        """Return them out of descriptors by name."""
        own = {name: named[name] for name in ("stdout", "stderr", "mark", "job")}
        inner = {name: named[name] for name in _ENTERED if name in named}
        return cls(**own, rules=named.get("rules"), namespaces=inner)


def become_agent(
    passed: RunDescriptors, *, null: int, filters: Mapping[str, bytes], taken: int
) -> NoReturn:
    """Turn this forked process into the agent and run its program to the end.

    `null` is /dev/null opened for reading; `filters` are the seccomp programs by name; `taken` is
    the address space that was in use before.
    """
    with failing_into(passed.job) as at:
        at("its job")
        job = _read_job(passed.job)
        at("its namespaces")
        _enter_cell(passed.namespaces)
        at("its open files")
        job_file, rules = _settle_descriptors(passed, null)
    with failing_into(job_file) as at:
        for layer, put_on in _layers(job, rules, filters=filters, taken=taken):
            at(layer)
            put_on()
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
def failing_into(job_file: int) -> Iterator[Callable[[str], None]]:
    """End the process with the reason in place of its job, where what follows fails.

    Yields what names the step under way. The reason is that name and the kind of error, no text of
    the error's own: that could quote the job, which has the task and the run's token.
    """
    under_way = ["its start"]
    try:
        yield lambda step: under_way.__setitem__(0, step)
    except BaseException as error:
        try:
            os.ftruncate(job_file, 0)
            os.pwrite(job_file, f"!{under_way[0]}: {_kind_of(error)}".encode()[:_FAILURE_BYTES], 0)
        finally:
            os._exit(1)  # whatever happens: nothing of the parent's is gone on with


def _kind_of(error: BaseException) -> str:
    code = error.errno if isinstance(error, OSError) else None
    return type(error).__name__ if code is None else os.strerror(code)


def _say(mark: bytes) -> None:
    with contextlib.suppress(OSError):  # the program may have closed it
        os.write(MARK, mark)


def _read_job(descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        job: dict[str, Any] = json.load(file)
    return job


def _layers(
    job: dict[str, Any], rules: int | None, *, filters: Mapping[str, bytes], taken: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield all layers of `job`, to be put on in this order; none can be taken off again."""
    layers, limits = job["layers"], Limits(**job["limits"])
    yield "its session", os.setsid  # and process group: no terminal, and one signal ends all
    yield "its user", lambda: _become_user(job["uid"])
    yield "its folder", lambda: os.chdir(job["scratch"])
    yield "its file mode", lambda: os.umask(0o077)
    yield "its priority", lambda: os.nice(NICE)
    yield "its priority at the disk", confine.go_last_at_the_disk
    if job["most_tasks"]:
        yield "its number of processes", lambda: confine.limit_tasks(job["most_tasks"])
    if "capabilities" in layers:
        yield "capabilities", confine.drop_privileges
    else:
        yield "no_new_privs", confine.set_no_new_privileges
    if "landlock" in layers:
        yield "landlock", lambda: _restrict(job, rules)
    if "rlimits" in layers:
        yield "rlimits", lambda: confine.limit_resources(limits, taken=taken)
    yield "its /proc entries", lambda: confine.set_inspectable(True)
    if "seccomp" in layers:
        yield "seccomp", lambda: load_seccomp(filters[job["filter"]])


def _restrict(job: dict[str, Any], rules: int | None) -> None:
    confine.restrict_with_landlock(confine.make_ruleset(**job["rules"]) if rules is None else rules)


def _enter_cell(found: Mapping[str, int]) -> None:
    """Enter the namespaces of the cell; the user's first, which gives the right to the others."""
    for name in _ENTERED:
        if name in found:
            namespaces.enter(found[name], namespaces.KINDS[name])


def _settle_descriptors(passed: RunDescriptors, null: int) -> tuple[int, int | None]:
    """Close all but the standard descriptors, the mark, the job's file and the rules.

    Returns where the last two are, which must not outlive the layers they are for.
    """
    out_of_the_way = MARK + 1
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < out_of_the_way + _FILES_BESIDE:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
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
    os.closerange(first, MOST_DESCRIPTORS)
    return job_file, rules


def _become_user(uid: int | None) -> None:
    if uid is None:
        return
    with contextlib.suppress(PermissionError):  # not root's: it keeps its groups
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
