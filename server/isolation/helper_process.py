"""Helper processes of the server: started, spoken to without waiting, ended within seconds.

A helper may be stopped, killed, silent or stuck at any time. Whoever sends to one never waits
until it reads; whoever ends one kills it, with what runs below it, and waits at most `_END_S`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from llm_agent_builder.errors import MachineryError
from server.isolation.child.channel import channel, receive, send
from server.isolation.child.resource_monitor import descendants

PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
"""The folder that holds the `server` package, for a helper's module path."""
_END_S = 2.0
_ANSWER_S = 5.0
"""For how long a helper that has loaded may leave a ping unanswered; it answers within a ms."""
_LOADING_S = 120.0
"""For how long it may load; on an idle machine that takes 4 s."""
_log = logging.getLogger(__name__)
_known: set[int] = set()

T = TypeVar("T")


def know(process: int) -> None:
    """Have a child process, the first of a session of its own, killed by the last resort."""
    _known.add(process)


def forget(process: int) -> None:
    """Forget a child process that has ended."""
    _known.discard(process)


def kill_known() -> None:
    """Kill every helper process and all below it: the last resort of a server that has to end."""
    for process in list(_known):
        kill_tree(process)


def number_of(pidfd: int) -> int:
    """Return the number of the process of a pidfd; -1 where it has ended. See pidfd_open(2)."""
    lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("Pid:")), -1)


def kill_tree(process: int) -> None:
    """Kill a process that can't have been reaped, and all below it; -1: none. Never waits."""
    if process <= 0:
        return
    for each in [process, *descendants(process)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)


@dataclass(slots=True)
class Helper:
    """A helper process and our end of its channel, which never waits."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    _born: float = field(default_factory=time.monotonic)
    _loaded: bool = False
    _killed: bool = False

    @classmethod
    def spawn(
        cls,
        boot: str,
        *,
        command: Sequence[str] = (),
        options: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
    ) -> Helper:
        """Start an interpreter that runs `boot`, by `command`, with its channel as standard input.

        It gets an empty environment, and nothing of this process but the channel and `pass_fds`.

        Raises:
            MachineryError: it could not be started.

        """
        ours = None
        try:
            ours, theirs = channel()
            ours.setblocking(False)
            with theirs:
                process = subprocess.Popen(
                    [*command, sys.executable, *options, "-c", boot],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
        except OSError as error:
            if ours is not None:
                ours.close()
            raise MachineryError(f"can't start a helper process: {error.strerror}") from error
        know(process.pid)
        return cls(process, ours)

    def tell(self, message: dict[str, Any], descriptors: Iterable[int] = ()) -> bool:
        """Send the process a message; return whether it took it. One that doesn't is to be killed.

        Never waits: a process that has been stopped would let its channel fill up.
        """
        try:
            send(self.channel, message, descriptors)
        except OSError:
            return False
        return True

    def hear(self, seconds: float) -> tuple[dict[str, Any] | None, list[int]]:
        """Return its next message, as `receive` does. Blocks for at most `seconds`.

        Raises:
            OSError: the channel failed; TimeoutError where nothing came.
            ValueError: it is not a message.

        """
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        if not poll.poll(1000 * seconds):
            raise TimeoutError(f"no answer within {seconds:g} s")
        return receive(self.channel)

    @property
    def alive(self) -> bool:
        """Whether the process is still going."""
        return not self._killed and self.process.poll() is None

    def answers(self) -> bool:
        """Return whether a fork server answers, or may still be loading. Blocks for seconds.

        One that somebody has stopped goes on with that: it alone can reap its children at once.
        """
        self.process.send_signal(signal.SIGCONT)
        try:
            self._hear_all()
            if not self._loaded:
                return self.alive and time.monotonic() - self._born < _LOADING_S
            if not self.tell({"ping": []}):
                return False
            message, _ = self.hear(_ANSWER_S)
        except (OSError, ValueError):
            return False
        return message is not None

    def _hear_all(self) -> None:
        """Take what it has said already: that it has loaded. Raises OSError, ValueError."""
        with contextlib.suppress(TimeoutError):
            while self.hear(0)[0] is not None:
                self._loaded = True

    def kill(self) -> None:
        """Kill the process and all below it. Never waits."""
        self._killed = True
        if self.process.returncode is None:
            kill_tree(self.process.pid)

    def end(self) -> None:
        """Kill it, close its channel, and wait; blocks for at most `_END_S`."""
        self.kill()
        self.channel.close()
        self.reap(_END_S)

    def reap(self, seconds: float) -> bool:
        """Wait until the process has ended; return whether it has. Blocks."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            _log.error("helper process %d could not be ended", self.process.pid)
            return False
        forget(self.process.pid)
        return True


# ---------------------------------------------------------------- blocking work beside a loop


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Do blocking work in a thread of its own, which no end of a loop or process waits for."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def carry_out() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=carry_out, name="helpers", daemon=True).start()
    return future


class Together:
    """Blocking work for many: who asks while it is under way waits for the same."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._going: Future[None] | None = None

    def begin(self) -> Future[None]:
        """Have the work done, in a thread; return its end."""
        with self._lock:
            if self._going is None or self._going.done():
                self._going = in_thread(self._work)
            return self._going

    async def done(self) -> None:
        """Have the work done, in a thread. Raises what it raises."""
        await asyncio.shield(asyncio.wrap_future(self.begin()))
