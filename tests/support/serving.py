"""Starts the product like a user: `llm-agent-builder serve` in its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import httpx

from tests.support.forked import ROOT, Process, forks

INSTALLED_MODEL = ""
"""AGENT_BUILDER_LOCAL_MODEL_PATH of servers of the fixture `serve` that have the built-in model."""


@dataclass
class Serving:
    """A running server."""

    process: Process
    url: str
    folder: Path
    """Its working directory; `.env` and the data folder `data` are in it."""

    @property
    def log(self) -> str:
        """Return its log so far."""
        return (self.folder / "server.log").read_text("utf-8")

    @property
    def base(self) -> str:
        """Return its address without the fragment with the token."""
        return self.url.split("#", maxsplit=1)[0]

    def client(self, **options: Any) -> httpx.Client:
        """Return a client that waits as long as a run may take, and reads no certificates."""
        return httpx.Client(
            base_url=self.base, timeout=90, trust_env=False, verify=False, **options
        )

    def stop(self) -> int:
        """End it as Ctrl-C does and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


class ServerFactory(Protocol):
    """Starts a server: arguments of `serve`, and environment variables."""

    def __call__(self, *arguments: str, folder: Path | None = None, **settings: str) -> Serving:
        """Start one."""
        ...


def bare_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment that inherits nothing."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "AGENT_BUILDER_DATA_DIR": str(folder / "data"),
        "AGENT_BUILDER_REFRESH_HOURS": "0",  # scripted providers are asked for runs alone
        "AGENT_BUILDER_PRELOAD": "0",  # four seconds of a processor, for a server of few runs
        **more,
    }


def command(*arguments: str, before: str = "") -> list[str]:
    """Return the command line of the product; `before` is Python that its process runs first."""
    return [sys.executable, "-c", f"{before}\nfrom server.cli import main; main()", *arguments]


def call(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the product's command line to its end, without this process's environment."""
    environment = bare_environment(folder, PYTHONPATH=str(ROOT), **more)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = forks().start(
            arguments,
            folder=folder,
            environment=environment,
            stdout=out.fileno(),
            stderr=err.fileno(),
        )
        try:
            code = process.wait(120)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


def start_server(folder: Path, *arguments: str, before: str = "", **settings: str) -> Serving:
    """Start a server on a free port and wait until it answers; see `command` for `before`."""
    environment = bare_environment(folder, PYTHONPATH=str(ROOT), **settings)
    words = ("serve", "--port", "0", *arguments)
    with (folder / "server.log").open("wb") as log:
        if before:
            process = _fresh(command(*words, before=before), folder, environment, log)
        else:
            process = _forked(words, folder, environment, log)
    assert process.stdout is not None
    line = process.stdout.readline()
    serving = Serving(process, line.partition(": ")[2].strip(), folder)
    if not serving.url:
        serving.stop()
        raise AssertionError(f"the server did not start: {line}{serving.log}")
    return serving


def _fresh(words: list[str], folder: Path, environment: dict[str, str], log: IO[bytes]) -> Process:
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
    )


def _forked(
    words: Sequence[str], folder: Path, environment: dict[str, str], log: IO[bytes]
) -> Process:
    reader, writer = os.pipe()
    try:
        return forks().start(
            words,
            folder=folder,
            environment=environment,
            stdout=writer,
            stderr=log.fileno(),
            reader=os.fdopen(reader, encoding="utf-8"),
        )
    finally:
        os.close(writer)


@contextmanager
def plain_uvicorn(folder: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """Run `uvicorn server.main:app` during the block; yields the line with its address."""
    log = folder / "uvicorn.log"
    with log.open("wb") as file:
        process = forks().start(
            ["server.main:app", *arguments],
            folder=ROOT,
            environment=bare_environment(folder, **settings),
            stdout=file.fileno(),
            stderr=file.fileno(),
            program="uvicorn",
        )
    try:
        yield wait_until(lambda: re.search(r"running on .*", log.read_text("utf-8")), 60)[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def wait_until(condition: Any, seconds: float = 60) -> Any:
    """Return the first true value of `condition`; fail if it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def marked_processes(mark: str) -> list[str]:
    """Return the processes of this machine with `mark` in their command line or environment."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                text += os.readlink(folder / "cwd").encode()
            except OSError:
                continue
            if mark.encode() in text:
                found.append(folder.name)
    return found
