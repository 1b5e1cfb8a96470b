"""What one run may use, and other limits that several packages share.

Standard library only: the processes of a run import this module too.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024
MOST_DESCRIPTORS = 65536
"""No process of ours has descriptors from this number on, so that closing all ends here."""

MOST_SESSIONS = 8
"""Of a run at once, where the kernel shares the processor among sessions, unweighted."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. CPU, memory, processes and scratch are of its whole process tree."""

    cpu_s: float = 30.0
    wall_s: float = 60.0
    memory_mib: int = 512
    processes: int = 64
    """Processes and threads, beside the program's own first one."""
    scratch_mib: int = 64
    output_kib: int = 1024
    """Of each of the two output streams."""


def task_cap(limits: Limits) -> int:
    """Return how many processes and threads a run may have, its first one included."""
    return limits.processes + 1
