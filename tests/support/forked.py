"""Runs the product's command line in forks of a process that has already imported it.

Importing the server takes most of a second of processor time, and the suite starts over a hundred
servers and commands. A fork has the imports, and otherwise its own environment, folder, arguments,
streams and exit, as a process that a shell starts. What depends on a fresh interpreter starts one.
"""

from __future__ import annotations

import array
import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

ROOT = Path(__file__).resolve().parents[2]
_FORKS = """
import sys
from tests.support.forked import answer_requests
if answer_requests(int(sys.argv[1])) == "uvicorn":
    from uvicorn import main
else:
    from server.cli import main
main()
"""
_IMPORTED = ("server.main", *(f"server.commands.{name}" for name in ("serve", "run", "doctor")))


class Process(Protocol):
    """The interface that tests use of a process, forked or not."""

    @property
    def pid(self) -> int:
        """Its id."""
        ...

    @property
    def stdout(self) -> IO[str] | None:
        """Its standard output, where that is a pipe."""
        ...

    def poll(self) -> int | None:
        """Return its exit code, minus the signal that ended it, or None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code. Raises subprocess.TimeoutExpired."""
        ...

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        ...

    def kill(self) -> None:
        """Kill it."""
        ...


class ForkedProcess:
    """A fork, used as `subprocess.Popen` is."""

    def __init__(self, forks: Forks, pid: int, stdout: IO[str] | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self._forks = forks
        self._code: int | None = None
        self._pidfd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._code if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("a fork of the product", timeout or 0)
        assert self._code is not None
        return self._code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _has_ended(self, seconds: float | None) -> bool:
        if self._code is None and select.select([self._pidfd], [], [], seconds)[0]:
            self._code = self._forks.exit_code(self.pid)
            os.close(self._pidfd)
        return self._code is not None


class Forks:
    """The process that forks; started with the first fork, and ended with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _FORKS, str(theirs.fileno())],
                env=environment | {"PYTHONPATH": str(ROOT)},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def start(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdout: int,
        stderr: int,
        reader: IO[str] | None = None,
        program: str = "llm-agent-builder",
    ) -> ForkedProcess:
        """Start the command line with `arguments`; `reader` is the other end of its output."""
        order: dict[str, Any] = {"program": program, "arguments": arguments, "folder": str(folder)}
        order["environment"] = environment
        return ForkedProcess(self, self._ask(order, stdout, stderr), reader)

    def exit_code(self, pid: int) -> int:
        """Return the exit code of a fork that has ended; once."""
        return self._ask({"ended": pid})

    def close(self) -> None:
        """End the process that forks."""
        self._channel.close()
        self._process.wait()

    def _ask(self, order: Mapping[str, Any], *descriptors: int) -> int:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        with self._lock:
            self._channel.sendmsg([json.dumps(order).encode()], rights if descriptors else ())
            return int(self._channel.recv(100))


def answer_requests(channel: int) -> str:
    """The main function of the fork server; returns in each fork the name of the program to run."""
    for name in _IMPORTED:
        __import__(name)
    gc.collect()
    gc.freeze()  # forks neither collect these objects at their ends nor copy their pages for it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=channel) as requests:
        while True:
            order, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 2)
            if not order:
                os._exit(0)
            request = json.loads(order)
            if "ended" in request:
                _, status = os.waitpid(request["ended"], 0)
                requests.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            if not (pid := os.fork()):
                break
            for descriptor in descriptors:
                os.close(descriptor)
            requests.send(str(pid).encode())
    _become(request, descriptors)
    return str(request["program"])


def _become(order: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    for target, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    tempfile.tempdir = None
    sys.argv[1:] = order["arguments"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


_forks: Forks | None = None
_starting = threading.Lock()


def forks() -> Forks:
    """Return the fork server, starting it if necessary."""
    global _forks  # noqa: PLW0603 - one for each session
    with _starting:
        if _forks is None:
            _forks = Forks()
            atexit.register(_forks.close)
    return _forks


def end_forks() -> None:
    """End the fork server, if there is one."""
    global _forks  # noqa: PLW0603
    if _forks is not None:
        atexit.unregister(_forks.close)
        _forks.close()
        _forks = None
