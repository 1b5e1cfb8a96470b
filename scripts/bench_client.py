"""A server to benchmark, and a client with little overhead: raw streams on open connections."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench_tools import ROOT


class Client:
    """One connection. Reads responses with a Content-Length and chunked ones."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection at once."""
        self._writer.close()

    def send(self, method: str, path: str, body: object = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the response's JSON.

        Raises:
            RuntimeError: the status is not 2xx.

        """
        self.send(method, path, body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        if headers.get("transfer-encoding") == "chunked":
            content = await self._chunks()
        else:
            content = await self._reader.readexactly(int(headers.get("content-length", 0)))
        if first.split()[1][0] != "2":
            raise RuntimeError(f"{first}: {content.decode()}")
        return json.loads(content or b"null")

    async def _chunks(self) -> bytes:
        content = b""
        while size := int(await self._reader.readline(), 16):
            content += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return content

    async def time(self, method: str, path: str, body: object = None) -> float:
        begun = time.perf_counter()
        await self.ask(method, path, body)
        return time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Served:
    """A running server; `begun` is the time when its command was started."""

    pid: int
    port: int
    begun: float
    temporary: Path
    """The server's own folder for temporary files."""


@asynccontextmanager
async def serving(**settings: str) -> AsyncIterator[Served]:
    """Run a server for the duration of the context."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        temporary = Path(folder, "temporary")
        temporary.mkdir()
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": folder}
        environment |= {"AGENT_BUILDER_DATA_DIR": folder, "TMPDIR": str(temporary), **settings}
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", "from server.cli import main; main()", "serve", "--port", "0"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            line = await asyncio.to_thread(process.stdout.readline)
            port = int(line.rpartition(":")[2].strip(" /\n"))
            yield Served(process.pid, port, begun, temporary)
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)
            process.stdout.close()
