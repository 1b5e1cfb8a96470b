"""Benchmark the effect of hostile clients: /healthz and the server's memory during each attack.

`make bench ARGS="--only hostile"`. A cost is one row of `costs()`: what a client sends, or a
program that is run. Each has at most 20 s, all together some two minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from bench_client import Client, Served, serving
from bench_tools import Seconds, forget_peak, median, p99_of, peak_kib, resident_kib, row

from server.net.listeners import allow_many_connections

LONGEST_S = 20.0
POLL_S = 0.02
LOOKS = 10
P99_GOAL_S = 0.5
GROWTH_GOAL_MIB = 64
MIB = 2**20
HERE = Path(__file__).resolve().parent
SPEC = {
    "name": "Greeter",
    "prompt": "You greet people.",
    "task": "Say hello.",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}
PROGRAM = {"code": "print(1)", "task": "x", "backend": "local"}
CALL = {
    "provider": "anthropic",
    "request": {"method": "POST", "path": "/v1/messages", "body": {"model": "x"}},
    "response": {"status": 200, "headers": {}, "chunks": []},
}
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
HALF_A_BODY = (
    b"POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 65000\r\n\r\n"
)
_LOOKED_AT_S = 3.0
EMOJI = b'{"code": "' + "\U0001f600".encode() * (2 * MIB - 8) + b'"}'

# ---------------------------------------------------------------- hostile programs

_SEND = """
import http.client, os, sys, threading
PORT = int(os.environ["ANTHROPIC_BASE_URL"].rsplit(":", 1)[1])
def ask(body, **more):
    try:
        c = http.client.HTTPConnection("127.0.0.1", PORT, timeout=15)
        headers = {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "anthropic-version": "2023-06-01"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        c.request("POST", "/v1/messages", body, {**headers, "content-type": "application/json"})
        c.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
def at_once(n, body, **more):
    threads = [threading.Thread(target=ask, args=(body,), kwargs=more) for _ in range(n)]
    [t.start() for t in threads]
    [t.join() for t in threads]
"""
BRACKETS = _SEND + "at_once(24, b'[' * 2**19)"
ONE_LONG_BODY = _SEND + "ask(b'[' * 12 * 2**20)"
LETTERS = _SEND + (
    "body = b'\"' + b'x' * (8 * 2**20 - 8) + '\\U0001f600'.encode() + b'\"'\n"
    "for n in range(12): ask(body)"
)
NO_END = _SEND + (
    'ask(b\'{"model": "claude-haiku-4-5", "max_tokens": 32000, "stream": true}\', x_endless=\'24\')'
)
ONE_BYTE_CHUNKS = (
    _SEND
    + """
import socket
HEAD = ("POST /v1/messages HTTP/1.1\\r\\nHost: x\\r\\nx-api-key: " + os.environ["ANTHROPIC_API_KEY"]
        + "\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n").encode()
def flood():
    try:
        with socket.create_connection(("127.0.0.1", PORT), 15) as connection:
            connection.sendall(HEAD)
            for n in range(40): connection.sendall(b"1\\r\\nx\\r\\n" * 40_000)
    except OSError:
        pass
threads = [threading.Thread(target=flood) for _ in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
)
ONE_BYTE_ANSWERS = _SEND + (
    'body = b\'{"model": "claude-haiku-4-5", "max_tokens": 10, "stream": true}\'\n'
    "at_once(20, body, x_tiny='4')"
)
REPLAYED = _SEND + 'for n in range(5): ask(b\'{"model": "x"}\')'
MISMATCHES = _SEND + 'for n in range(100): ask(b\'{"model": "y"}\')'
WRITES_MUCH = "import sys\nfor n in range(8 * 2**10): sys.stdout.write('x' * 1023 + '\\n')"

# ---------------------------------------------------------------- what is sent


@dataclass(frozen=True)
class Ground:
    """A server under attack."""

    port: int

    def post(self, path: str, body: bytes | Iterator[bytes]) -> bytes:
        client = HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_S)
        with contextlib.closing(client):
            client.request("POST", path, body, {"Content-Type": "application/json"})
            return client.getresponse().read()

    def run(self, code: str, **fields: Any) -> Any:
        limits = {"wall_s": LONGEST_S, **fields.pop("limits", {})}
        body = {"code": code, "task": "x", "backend": "provider", "limits": limits, **fields}
        return json.loads(self.post("/api/execute", json.dumps(body).encode()))

    @contextmanager
    def connected(self, request: bytes, count: int = 1) -> Iterator[list[socket.socket]]:
        """Send a request on many connections, and read none of the answers."""
        with contextlib.ExitStack() as stack:
            address = ("127.0.0.1", self.port)
            found = []
            for _ in range(count):
                found.append(stack.enter_context(socket.create_connection(address, LONGEST_S)))
                with contextlib.suppress(OSError):  # closed meanwhile
                    found[-1].sendall(request)
            yield found


def wrong_in(path: str, spec: dict[str, Any], *place: str | int, item: str, size: int) -> Cost:
    """Return a body of `size` bytes in which a list repeats `item`."""
    whole = json.loads(json.dumps(spec))
    inner: Any = whole
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = ["@"]
    before, _, after = json.dumps(whole).partition('"@"')
    body = (before + ",".join([item] * (size // (len(item) + 1))) + after).encode()
    name = f"{path} {'.'.join(map(str, place))}: {len(body) // 1024:,} KiB of {item}"
    return Cost(name, lambda to: to.post(path, body))


def many_bodies(to: Ground) -> None:
    """Send many large bodies at once."""
    body = json.dumps({"code": "x" * 7 * MIB}).encode()
    threads = [threading.Thread(target=_quietly, args=(to, body)) for _ in range(24)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _quietly(to: Ground, body: bytes) -> None:
    with contextlib.suppress(OSError, HTTPException):
        to.post("/api/read", body)


def tiny_pieces(to: Ground) -> None:
    head = (
        b"POST /api/read HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    with contextlib.suppress(OSError), to.connected(head) as [client]:
        client.sendall(b"1\r\nx\r\n" * MIB)
        client.recv(1)


def unfinished(head: bytes, size: int) -> Callable[[Ground], None]:
    """Return a function that opens 3,000 connections with the same unfinished request."""

    def open_many(to: Ground) -> None:
        allow_many_connections()
        with to.connected(head + b"[" * size, 3000):
            time.sleep(_LOOKED_AT_S)

    return open_many


def readers_of_an_ended_run(to: Ground) -> None:
    """Let many clients request the same events; most of them never read the response."""
    run = to.run(WRITES_MUCH, limits={"output_kib": 16_384})["run_id"]
    asked = f"GET /api/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with to.connected(asked, 64):
        for _ in range(3):
            client = HTTPConnection("127.0.0.1", to.port, timeout=LONGEST_S)
            with contextlib.closing(client):
                client.request("GET", f"/api/runs/{run}/events")
                client.getresponse().read()


def replay(to: Ground, code: str, calls: list[Any]) -> None:
    to.run(code, replay={"format": 1, "calls": calls})


def tiny_chunks() -> list[Any]:
    return [{**CALL, "response": {**CALL["response"], "chunks": ["x"] * 90_000}}]  # type: ignore[dict-item]


def emoji_call() -> list[Any]:
    return [{**CALL, "request": {**CALL["request"], "body": "\U0001f600" * 600_000}}]  # type: ignore[dict-item]


def large_calls() -> list[Any]:
    body = {"model": "x", "messages": [{"role": "user", "content": "x" * 1000}] * 7000}
    return [{**CALL, "request": {"method": "POST", "path": "/v1/messages", "body": body}}]


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class Cost:
    """One attack: its name, and a function that runs it."""

    name: str
    send: Callable[[Ground], object]


def runs(name: str, code: str, **fields: Any) -> Cost:
    return Cost(f"run: {name}", lambda to: to.run(code, **fields))


def costs() -> list[Cost]:
    """Return all attacks; add a row for another one."""
    execute, generate = "/api/execute", "/api/generate"
    recorded = {**PROGRAM, "replay": {"calls": [CALL]}}
    bare = {**PROGRAM, "replay": {}}
    chunks = ("replay", "calls", 0, "response", "chunks")
    return [
        wrong_in(execute, PROGRAM, "files", item="0", size=7 * MIB),
        wrong_in(execute, PROGRAM, "files", item="{}", size=7 * MIB),
        wrong_in(execute, PROGRAM, "files", item="0", size=190_000),
        wrong_in(execute, PROGRAM, "egress", item="0", size=190_000),
        wrong_in(execute, bare, "replay", "calls", item="{}", size=280_000),
        wrong_in(execute, recorded, *chunks, item="0", size=190_000),
        wrong_in(generate, SPEC, "stop_sequences", item="0", size=190_000),
        wrong_in(generate, SPEC, "mcp_servers", item="{}", size=280_000),
        Cost("a body of 8 MiB of emoji", lambda to: to.post("/api/read", EMOJI)),
        Cost("bodies of 7 MiB, 24 at once", many_bodies),
        Cost("a body in pieces of one byte", tiny_pieces),
        Cost("3,000 connections with half a head", unfinished(HALF_A_HEAD, 31_000)),
        Cost("3,000 connections with half a body", unfinished(HALF_A_BODY, 64_900)),
        Cost("64 readers of an ended run's 8 MiB that don't read", readers_of_an_ended_run),
        runs("24 bodies of 512 KiB of [", BRACKETS),
        runs("a body of 12 MiB of [", ONE_LONG_BODY),
        runs("a stream of 24 MiB without an event's end", NO_END, budget={"usd": 0.05}),
        runs("chunks of one byte over 20 connections", ONE_BYTE_CHUNKS),
        runs("20 answers in chunks of one byte", ONE_BYTE_ANSWERS),
        runs("12 bodies of 8 MiB, recorded", LETTERS, record=True),
        Cost("replay of 90,000 chunks", lambda to: replay(to, REPLAYED, tiny_chunks())),
        Cost("replay of a call of 7 MiB of emoji", lambda to: replay(to, MISMATCHES, emoji_call())),
        Cost("100 mismatches with 7 MiB", lambda to: replay(to, MISMATCHES, large_calls())),
    ]


# ---------------------------------------------------------------- measuring


@contextmanager
def upstream() -> Iterator[int]:
    command = [sys.executable, str(HERE / "bench_upstream.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _beside(served: Served, cost: Cost) -> tuple[Seconds, int]:
    """Return how long /healthz took during the attack, and the largest growth of memory in KiB."""
    forget_peak(served.pid)
    before = resident_kib(served.pid)
    health: Seconds = []
    sending = asyncio.create_task(asyncio.to_thread(_send, cost, Ground(served.port)))
    async with Client(served.port) as client:
        while not sending.done() or len(health) < LOOKS:
            health.append(await _waited(client))
            if health[-1] >= LONGEST_S:
                break
            await asyncio.sleep(POLL_S)
    await sending
    return health, peak_kib(served.pid) - before


async def _waited(client: Client) -> float:
    try:
        return await asyncio.wait_for(client.time("GET", "/healthz"), LONGEST_S)
    except TimeoutError:
        return LONGEST_S


def _send(cost: Cost, to: Ground) -> None:
    with contextlib.suppress(OSError, HTTPException):  # the server may refuse the request
        cost.send(to)


async def bench_hostile() -> None:
    with upstream() as port:
        settings = {
            "ANTHROPIC_API_KEY": "bench",
            "AGENT_BUILDER_ANTHROPIC_UPSTREAM": f"http://127.0.0.1:{port}",
            "AGENT_BUILDER_REFRESH_HOURS": "0",
        }
        async with serving(**settings) as served:
            await asyncio.to_thread(Ground(served.port).run, "print(1)")
            for cost in costs():
                health, grown = await _beside(served, cost)
                _show(cost, health, grown // 1024)


def _show(cost: Cost, health: Seconds, grown_mib: int) -> None:
    p99, slowest = p99_of(health), max(health)
    missed = p99 > P99_GOAL_S or grown_mib > GROWTH_GOAL_MIB
    row(
        f"{cost.name}: /healthz (at most {slowest * 1000:,.0f} ms), memory {grown_mib:+} MiB",
        f"{median(health) * 1000:,.1f} ms",
        f"{p99 * 1000:,.0f} ms",
        goal=f"{'MISSED: ' if missed else ''}p99 ≤ 500 ms, ≤ +{GROWTH_GOAL_MIB} MiB",
        rounds=len(health),
    )
