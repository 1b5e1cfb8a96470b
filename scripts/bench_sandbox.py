"""Benchmark `Sandbox`: the start of a run on each tier, and runs per second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

from bench_tools import (
    BASELINE,
    HELLO,
    descendants_of,
    median,
    repeated,
    row,
    show,
    timed,
    unshared_kib,
)

from llm_agent_builder import AgentBuilder
from llm_agent_builder.providers import ProviderEnum
from server.gateway.gateway import Gateway, Grant, ModelCall, Upstream
from server.isolation.events import OutputEvent, Program
from server.isolation.tiers.detection import ACCEPTED
from server.sandbox import Sandbox, SandboxRun
from server.secret import Secret

SUSTAINED_S = 3.0
AT_ONCE = 4
_WAITING = "import time; print('waiting', flush=True); time.sleep(60)"
_PATIENCE_S = 30


def plain_subprocess() -> None:
    """The baseline: start a new interpreter that imports the SDK."""
    subprocess.run([sys.executable, "-c", BASELINE], capture_output=True, check=True)


async def first_output(sandbox: Sandbox, code: str) -> float:
    start = time.perf_counter()
    run = await sandbox.start(Program(code, "x"))
    found = 0.0
    async for event in run.events():
        if isinstance(event, OutputEvent):
            found = found or time.perf_counter() - start
    if not found:
        raise RuntimeError("the program wrote nothing")
    return found


async def request_arrives(sandbox: Sandbox, gateway: Gateway, code: str) -> float:
    """Return the time from the start of a generated agent until its request reaches the gateway."""
    arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    grants: list[Grant] = []

    async def policy(provider: ProviderEnum) -> Upstream:
        if not arrived.done():
            arrived.set_result(time.perf_counter())
        return Upstream("local", "http://127.0.0.1:9", Secret("none"))

    def ignore(call: ModelCall) -> None:
        pass

    async def way_out(listener: socket.socket) -> Mapping[str, str]:
        grants.append(await gateway.open(policy, ignore, listener=listener))
        return grants[0].environment()

    start = time.perf_counter()
    run = await sandbox.start(Program(code, "x", network_handler=way_out))
    try:
        return await asyncio.wait_for(arrived, _PATIENCE_S) - start
    finally:
        await run.cancel()
        await grants[0].close()


async def ended(run: SandboxRun) -> None:
    async for _ in run.events():
        pass


async def sustained(sandbox: Sandbox, seconds: float) -> tuple[float, int]:
    """Return trivial runs per second, with as many at once as a server allows by default."""
    begun, done = time.perf_counter(), 0

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < begun + seconds:
            await ended(await sandbox.start(Program(HELLO, "x")))
            done += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return done / (time.perf_counter() - begun), done


async def waiting_memory(sandbox: Sandbox) -> int:
    """Return the unshared memory of one waiting run in KiB: the agent's and its cell's init's.

    Raises:
        RuntimeError: its processes can't be distinguished from others.

    """
    run = await sandbox.start(Program(_WAITING, "x"))
    try:
        async for event in run.events():
            if isinstance(event, OutputEvent):
                await asyncio.sleep(0.5)  # monitoring has started
                return sum(map(unshared_kib, _of_one_run()))
    finally:
        await run.cancel()
    raise RuntimeError("the program wrote nothing")


def _of_one_run() -> list[int]:
    """Return the two descendants of this process that share a process namespace."""
    places: dict[str, list[int]] = {}
    for pid in descendants_of(os.getpid()):
        with contextlib.suppress(OSError):
            places.setdefault(os.readlink(f"/proc/{pid}/ns/pid"), []).append(pid)
    own = os.readlink("/proc/self/ns/pid")
    found = [pids for name, pids in places.items() if name != own and len(pids) == 2]
    if len(found) != 1:
        raise RuntimeError("the processes of the run can't be distinguished from others")
    return found[0]


async def _starts(tier: str, sandbox: Sandbox, rounds: int, baseline: float) -> None:
    await repeated(
        10, lambda: first_output(sandbox, HELLO)
    )  # warm up until the helpers have loaded
    found = await repeated(rounds, lambda: first_output(sandbox, HELLO))
    strong = tier == "strong"
    goal = "p50 ≤ 6 ms, p99 ≤ 15 ms" if strong else ""
    show(f"{tier}: start of a run to its first output", found, goal)
    times = f"{baseline / median(found):,.0f} times"
    row(f"{tier}: faster than the baseline", times, goal="≥ 100 times" if strong else "")


async def _more(tier: str, sandbox: Sandbox, rounds: int) -> None:
    few = max(3, rounds // 3)
    imported = await repeated(few, lambda: first_output(sandbox, BASELINE))
    show(f"{tier}: the same with the Anthropic SDK imported", imported)
    gateway = Gateway()
    await gateway.start()
    code = AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")
    arrival = await repeated(few, lambda: request_arrives(sandbox, gateway, code))
    await gateway.close()
    show(f"{tier}: start of an Anthropic agent to its request", arrival, "p50 ≤ 40 ms")
    rate, done = await sustained(sandbox, SUSTAINED_S)
    what = f"{tier}: sustained trivial runs, {AT_ONCE} at once"
    row(what, f"{rate:,.0f} runs/s", goal="≥ 120 runs/s", rounds=done)
    if tier == "strong":
        memory = await waiting_memory(sandbox) / 1024
        row(f"{tier}: unshared memory of one waiting run", f"{memory:.1f} MiB", goal="≤ 8 MiB")


async def bench_sandbox(rounds: int) -> None:
    """Measure the tiers one by one, because prepared cells of another tier would cost time."""
    baseline = timed(max(3, rounds // 20), plain_subprocess)
    show("baseline: a fresh subprocess with the Anthropic SDK imported", baseline)
    measured = False
    for tier in ACCEPTED:
        sandbox = await asyncio.to_thread(Sandbox.probe, force=tier)
        if not sandbox.report.available:
            row(f"{tier}: not offered by this machine", "", rounds=0)
            continue
        try:
            often = rounds // 4 if measured else rounds  # the tiers that are second choice
            await _starts(tier, sandbox, max(10, often), median(baseline))
            if not measured:
                await _more(tier, sandbox, rounds)
            measured = True
        finally:
            sandbox.close()
