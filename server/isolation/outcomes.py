"""Turns a wait status and a run's exit note into its status, reason and exit code."""

from __future__ import annotations

import os
import signal

from server.isolation.child.run_program import MEMORY
from server.isolation.engine import ExitInfo
from server.isolation.events import Status


def returncode_of(ended: ExitInfo) -> int:
    """Return the exit code as a shell reports it: 128+N for a fatal signal N."""
    if ended.status is None:
        return 128 + signal.SIGKILL
    code = os.waitstatus_to_exitcode(ended.status)
    return code if code >= 0 else 128 - code


def limit_of(status: int, exit_note: bytes) -> str | None:
    """Return the limit named by a wait status or by the run's exit note, if any."""
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGXCPU:
        return "cpu"
    return "memory" if exit_note == MEMORY and code else None


def outcome_of(code: int, cause: str | None) -> tuple[Status, str | None]:
    """Return the status and the reason of a run that ended with `code`, or for `cause`."""
    if cause == "stop":
        return Status.CANCELLED, "cancelled"
    if cause:
        return Status.TIMEOUT if cause == "wall" else Status.LIMIT, cause
    if code == 0:
        return Status.SUCCESS, None
    if code > 128 and (name := _signal_name(code - 128)):
        return Status.ERROR, f"killed by {name}"
    return Status.ERROR, f"exit code {code}"


def _signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None
