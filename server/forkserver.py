"""The parent of runs: starts the processes that run agents.

First form: a fresh interpreter for each run, exec'd with an empty environment, which holds no
secret and of which nothing is shared with the server but four pipes. A warm parent that forks
takes its place behind the same `launch`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from llm_agent_builder.errors import MachineryError

_ROOT = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True, slots=True)
class Child:
    """One keeper process and our ends of its pipes; the launcher closes them and reaps it."""

    process: subprocess.Popen[bytes]
    control: int
    """Written: the job. Closed: stop."""
    stdout: int
    stderr: int
    report: int


def package_root() -> str:
    """Return the folder that holds the `server` package, for a child's module path."""
    return _ROOT


def launch() -> Child:
    """Start a keeper; it waits for its job.

    Raises:
        MachineryError: no process or pipe could be made.

    """
    pipes: list[tuple[int, int]] = []
    try:
        pipes.extend(os.pipe2(os.O_CLOEXEC) for _ in range(4))
        (control_r, control_w), (out_r, out_w), (err_r, err_w), (report_r, report_w) = pipes
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-c", _BOOT_WITH_REPORT, str(report_w), _ROOT],
            stdin=control_r,
            stdout=out_w,
            stderr=err_w,
            pass_fds=(report_w,),
            env={},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        for pipe in pipes:
            for descriptor in pipe:
                os.close(descriptor)
        raise MachineryError(f"can't start a run: {error.strerror}") from error
    for descriptor in (control_r, out_w, err_w, report_w):
        os.close(descriptor)
    return Child(process, control_w, out_r, err_r, report_r)


# The report pipe is moved to its fixed number before anything else is imported. Our folder is on
# the path only while our modules are: installed as a wheel, it is site-packages and there already.
_BOOT_WITH_REPORT = (
    "import os, sys; root = sys.argv.pop(); given = int(sys.argv.pop()); "
    "given != 3 and (os.dup2(given, 3, inheritable=False), os.close(given)); "
    "sys.path.insert(0, root); from server.run_keeper import main; del sys.path[0]; main()"
)
