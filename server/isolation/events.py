"""What a run in the sandbox takes and what it tells: Program in, events out."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from server.limits import MOST_SESSIONS, Limits

StreamName = Literal["stdout", "stderr"]


WayOut = Callable[[socket.socket], Awaitable[Mapping[str, str]]]
"""Takes over the one listening socket that a run can reach, as its owner; returns environment
variables that tell the program of it. Raises MachineryError."""


class Status(StrEnum):
    """How a program's run ended."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    LIMIT = "limit"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `agent.py` with this source, started as `agent.py --task TASK`."""

    code: str
    task: str
    limits: Limits = field(default_factory=Limits)
    way_out: WayOut | None = None
    """Who answers what the program connects to; without it, nobody does."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Placed in its working folder beside `agent.py`: safe relative names and their content."""


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """Text the program wrote; bytes that aren't UTF-8 are shown as U+FFFD."""

    stream: StreamName
    text: str


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """A limit was reached: its kind, and a message for people such as "memory (512 MiB)"."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class DeniedEvent:
    """What ended the run was refused by the sandbox: its kind, and why, for people.

    Kinds: "network", "file", "call".
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the program left in its working folder; the name is relative and safe."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files that the program left and that aren't returned: how many at least, and why."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ExitEvent:
    """The end of a run.

    `reason` is None after success, else the kind of the limit or what ended the program.
    `duration` and `time_to_first_output` are in seconds from the start of the run.
    """

    status: Status
    returncode: int | None
    reason: str | None
    duration: float
    time_to_first_output: float | None
    files: tuple[WrittenFile, ...] = ()
    files_left_out: tuple[LeftOut, ...] = ()


SandboxEvent = OutputEvent | LimitEvent | DeniedEvent | ExitEvent


def limit_message(kind: str, limits: Limits) -> str:
    """Return a limit in words, with its figure."""
    figure = {
        "wall": f"{limits.wall_s:g} s",
        "cpu": f"{limits.cpu_s:g} s",
        "memory": f"{limits.memory_mib} MiB",
        "processes": str(limits.processes),
        "sessions": str(MOST_SESSIONS),
        "scratch": f"{limits.scratch_mib} MiB",
        "output": f"{limits.output_kib} KiB a stream",
        "file size": f"{limits.scratch_mib} MiB",
    }
    return f"{kind} ({figure[kind]})" if kind in figure else kind
