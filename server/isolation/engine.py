"""What the sandbox asks of a tier: places in which one program can run.

An engine has long-lived helper processes, with which it speaks by channels; it belongs to no event
loop, so one engine serves runs of several. Its places belong to the loop in which they are used.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from llm_agent_builder.errors import MachineryError
from server.isolation.child.channel import close_all, receive
from server.limits import Limits

END_S = 2.5
"""For how long the processes of a run may take to end when they have been killed."""
SOON_S = 1.0
"""After so long, whoever has to reap them is asked whether it is still there."""
STARTED_S = 10.0
"""How long until who was to start a run is asked whether it is still there."""


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """One program to start in a place; `layers` are those the process puts on itself."""

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
class GivenDescriptors:
    """Descriptors for a run: its ends of the output and of the mark, and a file for its job.

    The mark is what the process says of its own end. What keeps it from beginning goes into the
    job's file (see `isolation/child/agent_process.py`), out of the program's reach.
    """

    stdout: int
    stderr: int
    mark: int
    job: int

    def write_job(self, job: dict[str, Any]) -> None:
        """Write the job as the run's process reads it."""
        os.write(self.job, json.dumps(job).encode())

    def named(self) -> dict[str, int]:
        """Return them by name."""
        return asdict(self)

    def close_pipes(self) -> None:
        """Close all but the job's file, once the run has them."""
        for descriptor in (self.stdout, self.stderr, self.mark):
            os.close(descriptor)


def write_program(folder: int, code: bytes) -> None:
    """Write `agent.py` into a place's folder. Raises OSError."""
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
    """Return what kept a run from beginning, or None where the program has run.

    See `agent_child.failing_into`, which puts it in the job's place.
    """
    text = os.pread(job, 4096, 0)
    return text[1:].decode("utf-8", "replace") if text.startswith(b"!") else None


@dataclass(frozen=True, slots=True)
class ExitInfo:
    """How a program ended: its wait status, or the limit for which it was ended."""

    status: int | None = None
    limit: str | None = None
    cpu_s: float = 0.0
    """Processor time of the program's first process and those it waited for."""


class Place(Protocol):
    """Room for one run, prepared; used once."""

    scratch: str
    """The run's working folder, by the name it has for the run."""
    folder: int
    """The same folder, as an open descriptor of this process."""
    bounded: bool
    """Whether the folder is a file system of its own that ends where the limit is."""
    owner: int | None
    """The host's user id that files there must have; None: this process's own."""
    ended: asyncio.Future[ExitInfo]
    """Done when the program has ended; MachineryError where it was not the program that did."""
    on_limit: Callable[[str], None]
    """Called with the kind of a limit that was met and doesn't end the run."""

    def listener(self) -> socket.socket:
        """Return the one listening socket that the run can reach; the caller closes it.

        Raises:
            MachineryError: there can't be one.

        """
        ...

    async def start(self, order: LaunchOrder, given: GivenDescriptors) -> None:
        """Start the program, and see to it that the pipes that are given get closed here.

        Raises:
            MachineryError: it could not be started.

        """
        ...

    async def close(self) -> bool:
        """End what runs here; return whether no process of it is left. `folder` stays open.

        Returns within a bound, also where the kernel can't end a process; then it may be called
        again.
        """
        ...

    async def release(self) -> None:
        """Let go of everything, `folder` too. After `close`."""
        ...


def resolve_exit(future: asyncio.Future[ExitInfo], ended: ExitInfo | MachineryError) -> None:
    """Tell how a place's program has ended; what is told first stays."""
    if future.done():
        return
    if isinstance(ended, MachineryError):
        future.set_exception(ended)
    else:
        future.set_result(ended)


class Engine(Protocol):
    """What makes places."""

    def start(self) -> None:
        """Start the helper processes, without waiting for them; again is harmless.

        Raises:
            MachineryError: they could not be started.

        """
        ...

    async def place(self, limits: Limits) -> Place:
        """Return a place that is ready, and as large as `limits` say.

        Raises:
            MachineryError: none could be made.

        """
        ...

    def close(self) -> None:
        """End the helper processes and what runs by them."""
        ...


async def killed(process: int, seconds: float = END_S) -> bool:
    """Kill a process, by its pidfd; return whether it has ended within `seconds`.

    The first process of a pid namespace ends when all others in it have ended and were reaped.
    """
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
    return await readable(process, seconds)


async def readable(descriptor: int, seconds: float) -> bool:
    """Wait until something can be read from a descriptor, or its end is seen.

    Returns whether that was so within `seconds`.
    """
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(descriptor, wake)
    try:
        return bool((await asyncio.wait({ready}, timeout=seconds))[0])
    finally:
        loop.remove_reader(descriptor)


@dataclass(slots=True)
class Listening:
    """Calls `on_message` for each message of a channel, and `on_end` once at its end.

    Descriptors that come with one are closed, unless `on_descriptors` takes them.
    """

    end: socket.socket
    on_message: Callable[[dict[str, Any]], None]
    on_end: Callable[[], None]
    on_descriptors: Callable[[list[int]], None] = close_all
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _open: bool = True

    def __post_init__(self) -> None:
        """Begin."""
        self.end.setblocking(False)
        self.loop.add_reader(self.end, self.read)

    def close(self) -> None:
        """Stop, and close the channel."""
        if self._open:
            self._open = False
            self.loop.remove_reader(self.end)
            self.end.close()

    def read(self) -> None:
        """Take the messages that are there."""
        while self._open:
            try:
                message, descriptors = receive(self.end)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                message, descriptors = None, []
            if descriptors:
                self.on_descriptors(descriptors)
            if message is None:
                self.loop.remove_reader(self.end)
                self.on_end()
                return
            self.on_message(message)
