"""The last steps of a run's own process: give up all rights, then run the user's program.

Standard library only. The program sees the same as after a fresh `python agent.py --task TASK`.
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

from server.isolation.child import confine, landlock, namespaces
from server.isolation.child.run_program import forget_parent, run_program
from server.isolation.child.seccomp import load_seccomp
from server.limits import MAX_DESCRIPTORS, Limits

EXIT_NOTE = 255
"""The descriptor for the exit note: why the process ended, where its exit code can't tell. It is
the highest that a run may have, so that descriptors the program opens start at 3."""
_SPARE_DESCRIPTORS = 8
"""Descriptors above the exit note's, in use while the others are moved to their numbers."""
_FAILURE_BYTES = 4096
NICE = 10  # so that the supervisor gets processor time, whatever the program does
_ENTERED = ("user", "mnt", "net", "ipc", "uts")


@dataclass(frozen=True, slots=True)
class RunDescriptors:
    """A run's descriptors: its output, exit note and job, Landlock rules, the cell's namespaces."""

    stdout: int
    stderr: int
    exit_note: int
    job: int
    rules: int | None = None
    namespaces: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, int]) -> RunDescriptors:
        """Return the run's descriptors from descriptors by name."""
        own = {name: named[name] for name in ("stdout", "stderr", "exit_note", "job")}
        inner = {name: named[name] for name in _ENTERED if name in named}
        return cls(**own, rules=named.get("rules"), namespaces=inner)


def become_agent(
    given: RunDescriptors, *, null: int, filters: Mapping[str, bytes], base_bytes: int
) -> NoReturn:
    """Turn this forked process into the agent and run its program to the end.

    `null` is /dev/null opened for reading; `filters` are the seccomp programs by name; `base_bytes`
    is the address space that was in use before.
    """
    with failures_written_to(given.job) as step:
        step("its job")
        job = _read_job(given.job)
        step("its namespaces")
        _enter_cell(given.namespaces)
        step("its open files")
        job_file, rules = _move_descriptors(given, null)
    with failures_written_to(job_file) as step:
        for layer, apply in _layers(job, rules, filters=filters, base_bytes=base_bytes):
            step(layer)
            apply()
    os.close(job_file)
    forget_parent(job["environment"])
    argv = ["agent.py", *_task_arguments(job["task"])]
    code, note = run_program(job["program"], argv, job["scratch"], job["port"])
    if note:
        _write_exit_note(note)
    if code < 0:  # an interrupted program ends by its signal, as in a shell
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _task_arguments(task: str) -> list[str]:
    # Two words, which any program can read; but argparse accepts a leading dash only in one word.
    return [f"--task={task}"] if task.startswith("-") else ["--task", task]


@contextmanager
def failures_written_to(job_file: int) -> Iterator[Callable[[str], None]]:
    """End the process on any error in the block, after overwriting its job with the reason.

    Yields a function that names the current step. The reason has that name and the kind of error,
    but not the error's own text, which could quote the job: that has the task and the run's token.
    """
    current = ["its start"]
    try:
        yield lambda step: current.__setitem__(0, step)
    except BaseException as error:
        try:
            os.ftruncate(job_file, 0)
            os.pwrite(job_file, f"!{current[0]}: {_kind_of(error)}".encode()[:_FAILURE_BYTES], 0)
        finally:
            os._exit(1)  # always: the child must never continue with the parent's work


def _kind_of(error: BaseException) -> str:
    code = error.errno if isinstance(error, OSError) else None
    return type(error).__name__ if code is None else os.strerror(code)


def _write_exit_note(note: bytes) -> None:
    with contextlib.suppress(OSError):  # the program may have closed it
        os.write(EXIT_NOTE, note)


def _read_job(descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        job: dict[str, Any] = json.load(file)
    return job


def _layers(
    job: dict[str, Any], rules: int | None, *, filters: Mapping[str, bytes], base_bytes: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield all layers of `job`, which are applied in this order; none can be undone."""
    layers, limits = job["layers"], Limits(**job["limits"])
    yield "its session", os.setsid  # and process group: no terminal, and one signal reaches all
    yield "its user", lambda: _become_user(job["uid"])
    yield "its folder", lambda: os.chdir(job["scratch"])
    yield "its file mode", lambda: os.umask(0o077)
    yield "its priority", lambda: os.nice(NICE)
    yield "its priority at the disk", confine.go_last_at_the_disk
    if job["max_tasks"]:
        yield "its number of processes", lambda: confine.limit_tasks(job["max_tasks"])
    if "capabilities" in layers:
        yield "capabilities", confine.drop_privileges
    else:
        yield "no_new_privs", confine.set_no_new_privileges
    if "landlock" in layers:
        yield "landlock", lambda: _restrict(job, rules)
    if "rlimits" in layers:
        yield "rlimits", lambda: confine.limit_resources(limits, base_bytes=base_bytes)
    yield "its /proc entries", lambda: confine.set_inspectable(True)
    if "seccomp" in layers:
        yield "seccomp", lambda: load_seccomp(filters[job["filter"]])


def _restrict(job: dict[str, Any], rules: int | None) -> None:
    landlock.restrict_with_landlock(
        landlock.make_ruleset(**job["rules"]) if rules is None else rules
    )


def _enter_cell(found: Mapping[str, int]) -> None:
    """Enter the cell's namespaces. The user namespace is first: it grants access to the rest."""
    for name in _ENTERED:
        if name in found:
            namespaces.enter(found[name], namespaces.KINDS[name])


def _move_descriptors(given: RunDescriptors, null: int) -> tuple[int, int | None]:
    """Close all but the standard descriptors, the exit note, the job file and the rules.

    Returns the new numbers of the last two, which must be closed once the layers are applied.
    """
    above = EXIT_NOTE + 1
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < above + _SPARE_DESCRIPTORS:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    stdout, stderr, exit_note, job_file = (
        fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, above)
        for each in (given.stdout, given.stderr, given.exit_note, given.job)
    )
    rules = given.rules
    if rules is not None:
        rules = fcntl.fcntl(rules, fcntl.F_DUPFD_CLOEXEC, above)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    os.dup2(exit_note, EXIT_NOTE, inheritable=False)
    first = 3
    for used in sorted({EXIT_NOTE, job_file} | ({rules} if rules is not None else set())):
        os.closerange(first, used)
        first = used + 1
    os.closerange(first, MAX_DESCRIPTORS)
    return job_file, rules


def _become_user(uid: int | None) -> None:
    if uid is None:
        return
    with contextlib.suppress(PermissionError):  # without root, the process keeps its groups
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
