"""Finds processes that a test session has left behind, whatever their parent is now.

Helper processes get an empty environment and sessions of their own, and orphans another parent. So
the mark is a resource limit without effect on ordinary processes, which every child inherits and
nothing of the product changes: the soft RLIMIT_RTTIME, in microseconds.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import signal
import sys
import time
from pathlib import Path

_LEAST = 1 << 50  # microseconds: 36 years of a realtime process's time


def mark_this_process() -> int | None:
    """Mark this process and all that it starts from now on; None if that is impossible."""
    if sys.platform != "linux":
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    mark = _LEAST + secrets.randbits(48)
    if hard != resource.RLIM_INFINITY and hard < mark:
        return None
    resource.setrlimit(resource.RLIMIT_RTTIME, (mark, hard))
    return mark


def marked_processes(mark: int) -> dict[int, str]:
    """Return the other processes with that mark, and what they are; not those that have ended."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if f" {mark} " in (folder / "limits").read_text() and not _has_ended(folder):
                    words = (folder / "cmdline").read_bytes().split(b"\0")
                    found[int(folder.name)] = b" ".join(words).decode(errors="replace")[:300]
    return found


def _has_ended(folder: Path) -> bool:
    """Return whether a process is a zombie."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def left_after(mark: int, seconds: float) -> dict[int, str]:
    """Return the processes left by a session, after waiting some seconds for ending ones."""
    deadline = time.monotonic() + seconds
    while (left := marked_processes(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def kill(processes: dict[int, str]) -> None:
    """End processes that `left_after` has found."""
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
