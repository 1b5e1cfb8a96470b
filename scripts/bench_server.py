"""The server's figures: start, generate, execute."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench_tools import figure, repeated, show

ROOT = Path(__file__).resolve().parent.parent
SPEC = {
    "name": "Greeter",
    "prompt": "You greet people.",
    "task": "Say hello.",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}


class Client:
    """One kept connection, as light as can be: the machine's cores are the server's, too."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def post(self, path: str, body: object) -> float:
        """Return how many seconds the answer took."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._address[0]}:{self._address[1]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        start = time.perf_counter()
        self._writer.write(head.encode() + content)
        status = await self._reader.readline()
        length = 0
        while (line := await self._reader.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        await self._reader.readexactly(length)
        if b" 200 " not in status:
            raise RuntimeError(status.decode())
        return time.perf_counter() - start


async def bench_server(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", "from server.cli import main; main()", "serve", "--port", "0"],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "AGENT_BUILDER_DATA_DIR": folder, "PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        url = urlsplit(process.stdout.readline().partition(": ")[2].strip())
        show("server: command to first answer", [time.perf_counter() - start])
        assert url.hostname is not None
        assert url.port is not None
        try:
            await _bench(url.hostname, url.port, rounds)
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()


async def _bench(host: str, port: int, rounds: int) -> None:
    hello = {"code": "print('hi')", "task": "x"}
    async with Client(host, port) as client:
        first = await client.post("/api/execute", hello)  # waits for the fork server to be ready
        show("server: its first run, asked for at once", [first])
        generated = await repeated(rounds, lambda: client.post("/api/generate", SPEC))
        show("`POST /api/generate`, one client", generated)
        executed = await repeated(rounds, lambda: client.post("/api/execute", hello))
        show("`POST /api/execute` of print('hi'), one client", executed)
    left = iter(range(4 * rounds))

    async def work() -> None:
        async with Client(host, port) as one:
            for _ in left:
                await one.post("/api/execute", hello)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(4)))
    rate = 4 * rounds / (time.perf_counter() - start)
    figure("`POST /api/execute` of print('hi'), 4 clients", f"{rate:.0f} a second")
