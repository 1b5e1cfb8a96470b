"""Helper processes of the server: started, messaged without waiting, ended within seconds.

A helper may be stopped, killed, silent or stuck at any time. So a sender never waits for a helper
to read, and ending a helper means to kill it with all processes below it and to wait at most
`_END_S`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.child.channel import channel, receive, send
from server.isolation.child.resource_monitor import descendants

PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])
"""The folder that contains the `server` package, for a helper's module path."""
_END_S = 2.0
_ANSWER_S = 5.0
"""How long a loaded helper may leave a ping unanswered; it usually answers within 1 ms."""
_LOADING_S = 120.0
"""How long a helper may load; on an idle machine that takes 4 s."""
_log = logging.getLogger(__name__)
_registered: set[int] = set()


def register(process: int) -> None:
    """Have `kill_registered` kill a child process, the first process of its own session."""
    _registered.add(process)


def unregister(process: int) -> None:
    """Remove a child process that has ended."""
    _registered.discard(process)


def kill_registered() -> None:
    """Kill all helper processes and all below them: the last resort of a server that must end."""
    for process in list(_registered):
        kill_tree(process)


def pid_of(pidfd: int) -> int:
    """Return the process id of a pidfd; -1 if the process has ended. See pidfd_open(2)."""
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
    """A helper process and the server's end of its channel, which never waits."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    _started_at: float = field(default_factory=time.monotonic)
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
        """Start an interpreter that runs `boot`, with its channel as standard input.

        `command` goes before the interpreter. The process gets an empty environment, and of this
        process only the channel and `pass_fds`.

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
        register(process.pid)
        return cls(process, ours)

    def send(self, message: dict[str, Any], descriptors: Iterable[int] = ()) -> bool:
        """Send a message; return whether the channel took it. If not, the caller should kill it.

        Never waits: the channel of a stopped process would fill up.
        """
        try:
            send(self.channel, message, descriptors)
        except OSError:
            return False
        return True

    def receive(self, seconds: float) -> tuple[dict[str, Any] | None, list[int]]:
        """Return the next message, as `channel.receive` does. Blocks for at most `seconds`.

        Raises:
            OSError: the channel failed; TimeoutError if no message came.
            ValueError: it is not a message.

        """
        poll = select.poll()
        poll.register(self.channel, select.POLLIN)
        if not poll.poll(1000 * seconds):
            raise TimeoutError(f"no answer within {seconds:g} s")
        return receive(self.channel)

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return not self._killed and self.process.poll() is None

    def answers(self) -> bool:
        """Return whether a fork server answers, or may still be loading. Blocks for seconds.

        Also continues a stopped fork server: only it can reap its children at once.
        """
        self.process.send_signal(signal.SIGCONT)
        try:
            self._read_pending()
            if not self._loaded:
                return self.alive and time.monotonic() - self._started_at < _LOADING_S
            if not self.send({"ping": []}):
                return False
            message, _ = self.receive(_ANSWER_S)
        except (OSError, ValueError):
            return False
        return message is not None

    def _read_pending(self) -> None:
        """Read the messages that have arrived: any shows that it has loaded.

        Raises:
            OSError: the channel failed.
            ValueError: it is not a message.

        """
        with contextlib.suppress(TimeoutError):
            while self.receive(0)[0] is not None:
                self._loaded = True

    def kill(self) -> None:
        """Kill the process and all below it. Never waits."""
        self._killed = True
        if self.process.returncode is None:
            kill_tree(self.process.pid)

    def end(self) -> None:
        """Kill the process, close its channel, and wait; blocks for at most `_END_S`."""
        self.kill()
        self.channel.close()
        self.reap(_END_S)

    def reap(self, seconds: float) -> bool:
        """Wait until the process has ended; return whether it has. Blocks for at most `seconds`."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            _log.error("helper process %d could not be ended", self.process.pid)
            return False
        unregister(self.process.pid)
        return True
