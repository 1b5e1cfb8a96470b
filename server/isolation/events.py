"""The input and the output of a run in the sandbox: `Program` in, events out."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from server.limits import Limits

StreamName = Literal["stdout", "stderr"]


NetworkHandler = Callable[[socket.socket], Awaitable[Mapping[str, str]]]
"""Takes ownership of the one listening socket that the program can connect to; returns environment
variables with its address for the program. Raises MachineryError."""


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
    network_handler: NetworkHandler | None = None
    """Answers the program's connections; None: the program has no network."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Written to the working folder beside `agent.py`: safe relative names and their content."""


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """Text that the program wrote; bytes that aren't UTF-8 are replaced by U+FFFD."""

    stream: StreamName
    text: str


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """A limit was reached: its kind, and a message for people such as "memory (512 MiB)"."""

    kind: str
    message: str
    cap: str | None = None
    """Which cap of a budget, as in "run_usd"; None: not a budget."""


@dataclass(frozen=True, slots=True)
class DeniedEvent:
    """The sandbox denied the operation that ended the run: its kind, and a message for people.

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
    """Files of the program that aren't returned: the reason, and how many there are at least."""

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
