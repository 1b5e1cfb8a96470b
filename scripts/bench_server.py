"""Benchmark the server over HTTP: its start, its requests, and a run beside hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import time

from bench_client import Client, Served, serving
from bench_tools import HELLO, attack, repeated, row, show

SUSTAINED_S = 3.0
AT_ONCE = 4
PROGRAM = {"code": HELLO, "task": "x"}
SPEC = {
    "name": "Greeter",
    "prompt": "You greet people.",
    "task": "Say hello.",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}
HOSTILE = (
    ("bomb_forks", ""),
    ("hog_cpu", "children"),
    ("hog_memory", "0"),
    ("flood_output", "stdout"),
)


async def _start(served: Served) -> None:
    """Measure when the first run ends, which needs the fork server, and /healthz meanwhile."""
    answered = time.perf_counter()
    show("server: command to first answer", [answered - served.begun])
    health: list[float] = []

    async def look() -> None:
        async with Client(served.port) as client:
            while True:
                health.append(await client.time("GET", "/healthz"))
                await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    async with Client(served.port) as client:
        await client.ask("POST", "/api/execute", PROGRAM)
    ready = time.perf_counter()
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking
    show("server: fork server ready (first run ended) after the first answer", [ready - answered],
         "≤ 2,500 ms")  # fmt: skip
    show("server: the same from the command on", [ready - served.begun])
    show("server: GET /healthz meanwhile", health, "not delayed")


async def _requests(served: Served, rounds: int) -> None:
    async with Client(served.port) as client:
        generated = await repeated(rounds, lambda: client.time("POST", "/api/generate", SPEC))
        show("POST /api/generate, one client", generated)
        executed = await repeated(rounds, lambda: client.time("POST", "/api/execute", PROGRAM))
        show("POST /api/execute, one client", executed, "p50 ≤ 15 ms")
    begun, done = time.perf_counter(), 0

    async def work() -> None:
        nonlocal done
        async with Client(served.port) as client:
            while time.perf_counter() < begun + SUSTAINED_S:
                await client.ask("POST", "/api/execute", PROGRAM)
                done += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    rate = done / (time.perf_counter() - begun)
    what = f"POST /api/execute, {AT_ONCE} clients"
    row(what, f"{rate:,.0f} runs/s", goal="≥ 80 runs/s", rounds=done)


async def _beside_hostile(served: Served, rounds: int) -> None:
    async def again_and_again(name: str, task: str) -> None:
        program = {"code": attack(name), "task": task}
        async with Client(served.port) as client:
            while True:
                await client.ask("POST", "/api/execute", program)

    neighbours = [asyncio.create_task(again_and_again(*each)) for each in HOSTILE]
    await asyncio.sleep(0.5)
    async with Client(served.port) as client:
        beside = await repeated(rounds, lambda: client.time("POST", "/api/execute", PROGRAM))
    for neighbour in neighbours:
        neighbour.cancel()
    for result in await asyncio.gather(*neighbours, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
    what = "POST /api/execute beside a fork bomb, CPU hog, memory hog, output flood"
    show(what, beside, "p99 ≤ 150 ms")


async def bench_server(rounds: int) -> None:
    async with serving(AGENT_BUILDER_MAX_CONCURRENT_RUNS="8") as served:
        await _start(served)
        await _requests(served, rounds)
        await _beside_hostile(served, rounds)
