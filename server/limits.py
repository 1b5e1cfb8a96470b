"""The limits of one run, and other limits that several packages share.

Standard library only: the processes of a run import this module too.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
MAX_DESCRIPTORS = 65536
"""Limit on descriptor numbers in our processes: closing all below it closes all there are."""

MAX_SESSIONS = 8
"""Limit on a run's sessions where the kernel shares the processor among sessions and can't assign a
weight to the whole run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run. CPU, memory, processes and scratch apply to its whole process tree."""

    cpu_s: float = 30.0
    wall_s: float = 60.0
    memory_mib: int = 512
    processes: int = 64
    """Processes and threads, not counting the program's first one."""
    scratch_mib: int = 64
    output_kib: int = 1024
    """Limit on each of the two output streams."""


def task_cap(limits: Limits) -> int:
    """Return how many processes and threads a run may have, including its first process."""
    return limits.processes + 1
