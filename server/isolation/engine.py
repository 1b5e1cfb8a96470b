"""The interface between the sandbox and a tier: an engine makes workspaces, each for one program.

An engine has long-lived helper processes and talks to them over channels. It belongs to no event
loop, so one engine can serve runs of several loops. A workspace belongs to the loop that uses it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from llm_agent_builder.errors import MachineryError
from server.limits import Limits

SOON_S = 1.0
"""After this long without an end, the engine checks whether the reaping process still answers."""
STARTED_S = 10.0
"""After this long without a start, the engine checks whether the starting process still answers."""


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """One program to start in a workspace; `layers` are those the process applies to itself."""

    program: str
    task: str
    environment: Mapping[str, str]
    limits: Limits
    layers: tuple[str, ...]

    def job(self, **more: Any) -> dict[str, Any]:
        """Return the order as `isolation/child/agent_process.py` reads it."""
        return {
            "program": self.program,
            "task": self.task,
            "environment": dict(self.environment),
            "limits": asdict(self.limits),
            "layers": list(self.layers),
            **more,
        }


@dataclass(frozen=True, slots=True)
class PassedDescriptors:
    """Descriptors that a run gets: its output pipes, the exit note's pipe, and its job file.

    In the exit note the process says why it ended, where its exit code can't. An error before the
    program starts goes into the job file (see `isolation/child/agent_process.py`), which the
    program can't reach.
    """

    stdout: int
    stderr: int
    exit_note: int
    job: int

    def write_job(self, job: dict[str, Any]) -> None:
        """Write the job as the run's process reads it."""
        os.write(self.job, json.dumps(job).encode())

    def named(self) -> dict[str, int]:
        """Return them by name."""
        return asdict(self)

    def close_pipes(self) -> None:
        """Close all but the job file, once the run has its copies."""
        for descriptor in (self.stdout, self.stderr, self.exit_note):
            os.close(descriptor)


def write_program(folder: int, code: bytes) -> None:
    """Write `agent.py` into a workspace's folder. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open("agent.py", flags, 0o600, dir_fd=folder), "wb") as file:
        file.write(code)


def new_job_file() -> int:
    """Return a new file without a name. Raises OSError."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("job", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def failure_in(job: int) -> str | None:
    """Return the error that kept a run from starting, or None if the program was started.

    `agent_process.failures_written_to` writes the error over the job.
    """
    text = os.pread(job, 4096, 0)
    return text[1:].decode("utf-8", "replace") if text.startswith(b"!") else None


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a program ended: its wait status, or the limit for which it was killed."""

    status: int | None = None
    limit: str | None = None
    cpu_s: float = 0.0
    """Processor time of the program's first process and the children it waited for."""


class Workspace(Protocol):
    """A prepared, isolated environment for one run; used once."""

    scratch: str
    """The run's working folder, by the path that the run sees."""
    folder: int
    """The same folder, as an open descriptor of this process."""
    bounded: bool
    """Whether the folder is a file system of its own, as large as the scratch limit."""
    owner: int | None
    """The host's user id that files there must have; None: this process's own."""
    ended: asyncio.Future[ExitInfo]
    """Done when the program has ended; MachineryError if the sandbox failed, not the program."""
    on_limit: Callable[[str], None]
    """Called with the kind of a limit that was reached but doesn't end the run."""

    def listener(self) -> socket.socket:
        """Return the one listening socket that the run can reach; the caller closes it.

        Raises:
            MachineryError: it can't be opened.

        """
        ...

    async def start(self, order: LaunchOrder, given: PassedDescriptors) -> None:
        """Start the program, and make sure that this process closes the given pipes.

        Raises:
            MachineryError: the program could not be started.

        """
        ...

    async def close(self) -> bool:
        """End the run's processes; return whether none of them is left. `folder` stays open.

        Returns within a fixed time, even if the kernel can't end a process; then it may be called
        again.
        """
        ...

    async def release(self) -> None:
        """Release everything, `folder` included. Call it after `close`."""
        ...


def resolve_exit(future: asyncio.Future[ExitInfo], ended: ExitInfo | MachineryError) -> None:
    """Report how a workspace's program ended; the first report wins."""
    if future.done():
        return
    if isinstance(ended, MachineryError):
        future.set_exception(ended)
    else:
        future.set_result(ended)


class Engine(Protocol):
    """Makes the workspaces of one tier."""

    def start(self) -> None:
        """Start the helper processes, without waiting for them; calling it again is harmless.

        Raises:
            MachineryError: they could not be started.

        """
        ...

    async def workspace(self, limits: Limits) -> Workspace:
        """Return a workspace that is ready and has the size that `limits` say.

        Raises:
            MachineryError: none could be made.

        """
        ...

    def close(self) -> None:
        """End the helper processes and the runs that depend on them."""
        ...
