"""The last steps of a run's own process: give everything up, then run the user's program.

Standard library only. What the program sees is what a fresh `python agent.py --task TASK` sees.
"""

from __future__ import annotations

import builtins
import json
import os
import signal
import sys
import types
from collections.abc import Sequence
from typing import Any

from server import confine
from server.confine import Limits
from server.denials import explain, to_mark
from server.seccomp import load_seccomp, seccomp_program
from server.task_cap import TASKS_A_PROCESS, join_group, tasks_of_user

MEMORY_MARK = b"memory"
_NICE = 10  # so that the keeper gets its turn, whatever the program does
_OUR_MODULES = ("server",)
_agent, _folder = 0, ""


def become_agent(job: dict[str, Any], keeper: int, mark: int) -> None:
    """Turn this forked process into the agent and run its program to the end.

    `mark` is a descriptor on which to say why the program ended, where its exit code can't.
    Returns when the program has run off its end; raises SystemExit as the program does.

    """
    try:
        _confine(job, keeper, mark)
    except Exception as error:
        # Reported as the keeper would: the program has not run, so this is never its own failure.
        failed = f"the sandbox could not be put on: {type(error).__name__}: {error}"
        os.write(3, json.dumps({"failed": failed}).encode() + b"\n")
        os._exit(1)
    os.close(3)
    global _agent, _folder
    _agent, _folder = os.getpid(), job["scratch"]
    _forget_ourselves()
    _run(job["program"], ["agent.py", "--task", job["task"]], mark)


def _confine(job: dict[str, Any], keeper: int, mark: int) -> None:
    confine.die_with_parent(keeper)
    os.setsid()  # its own session and process group: no terminal, and one signal ends all
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(4, mark)
    os.closerange(mark + 1, 65536)
    os.chdir(job["scratch"])
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(job["environment"])
    limits = Limits(**job["limits"])
    os.nice(_NICE)
    if job["group"]:
        join_group(job["group"])
    elif os.getuid() != 0:
        confine.limit_tasks(tasks_of_user() + limits.processes * TASKS_A_PROCESS)
    confine.drop_privileges()
    if "landlock" in job["layers"]:
        confine.restrict_with_landlock(
            readable=[*confine.readable_paths(), *confine.READ_ONLY_DEVICES],
            writable=[job["scratch"]],
            devices=confine.READ_WRITE_DEVICES,
            port=job["port"],
        )
    confine.economise_address_space()
    confine.limit_resources(limits)
    if "seccomp" in job["layers"]:
        load_seccomp(seccomp_program())


def _forget_ourselves() -> None:
    """Leave the module table and the signal handlers as a fresh interpreter has them."""
    for name in list(sys.modules):
        if name in _OUR_MODULES or name.startswith(tuple(f"{ours}." for ours in _OUR_MODULES)):
            del sys.modules[name]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(path: str, argv: Sequence[str], mark: int) -> None:
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __cached__=None)
    sys.modules["__main__"] = main
    sys.argv[:] = argv
    sys.path.insert(0, os.path.dirname(path))
    for stream in (sys.stdout, sys.stderr):
        # Shown as it is written; a killed program loses nothing.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        with open(path, "rb") as file:
            program = compile(file.read(), path, "exec", dont_inherit=True)
        exec(program, main.__dict__)  # noqa: S102 - confined by now: this is the user's program
    except SystemExit as error:
        _mark_denial(error, mark)
        raise
    except KeyboardInterrupt:
        _show_traceback()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        # Whatever it is, Python would show it and exit with 1.
        if isinstance(error, MemoryError):
            os.write(mark, MEMORY_MARK)
        else:
            _mark_denial(error, mark)
        _show_traceback()
        sys.exit(1)


def _mark_denial(error: BaseException, mark: int) -> None:
    if os.getpid() != _agent:
        return  # a child of the program came up here: its end is not the program's
    denial = explain(error, _folder)
    if denial is not None:
        os.write(mark, to_mark(denial))


def _show_traceback() -> None:
    """Show the exception as Python would, without the frames of this file."""
    error = sys.exception()
    if error is not None and error.__traceback__ is not None:
        error = error.with_traceback(error.__traceback__.tb_next)
        sys.excepthook(type(error), error, error.__traceback__)
