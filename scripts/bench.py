"""Measure the product, everything side by side in one run. Figures in the docs come from here.

`make bench`, or `make bench ARGS="--rounds 50"`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from httpx import AsyncClient

from llm_agent_builder import AgentBuilder
from llm_agent_builder.providers import ProviderEnum
from server.gateway import Gateway, Grant, ModelCall, Upstream
from server.run_events import OutputEvent, Program
from server.sandbox import Sandbox
from server.settings import Secret

ROOT = Path(__file__).resolve().parent.parent
BASELINE = "import anthropic; print('hi')"
Seconds = list[float]


def show(what: str, seconds: Seconds) -> None:
    ordered = sorted(seconds)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    print(f"| {what} | {p50 * 1000:,.2f} | {p99 * 1000:,.2f} | {len(ordered)} |", flush=True)


def timed(rounds: int, work: Callable[[], object]) -> Seconds:
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def build_plain() -> None:
    AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")


def plain_subprocess() -> None:
    """Do what the product was first planned to do: a fresh interpreter that imports the SDK."""
    subprocess.run([sys.executable, "-c", BASELINE], capture_output=True, check=True)


async def first_output(sandbox: Sandbox, code: str) -> float:
    start = time.perf_counter()
    run = await sandbox.start(Program(code, "x"))
    async for event in run.events():
        if isinstance(event, OutputEvent):
            found = time.perf_counter() - start
            async for _ in run.events():
                pass
            return found
    raise RuntimeError("the program wrote nothing")


async def request_arrives(sandbox: Sandbox, gateway: Gateway) -> float:
    """Return the time from the start of a generated agent until its request is at the gateway."""
    arrived: list[float] = []

    async def policy(provider: ProviderEnum) -> Upstream:
        arrived.append(time.perf_counter())
        return Upstream("local", "http://127.0.0.1:9", Secret("none"))

    def ignore(call: ModelCall) -> None:
        pass

    grants: list[Grant] = []

    async def way_out(listener: socket.socket) -> Mapping[str, str]:
        grants.append(await gateway.open(policy, ignore, listener=listener))
        return grants[0].environment()

    code = AgentBuilder().build_agent("Greeter", "You greet people.", "Say hello.")
    start = time.perf_counter()
    run = await sandbox.start(Program(code, "x", way_out=way_out))
    async for _ in run.events():
        pass
    await grants[0].close()
    return arrived[0] - start


async def repeated(rounds: int, work: Callable[[], Awaitable[float]]) -> Seconds:
    return [await work() for _ in range(rounds)]


async def bench_sandbox(rounds: int) -> None:
    sandbox, gateway = Sandbox.probe(), Gateway()
    await gateway.start()
    hello = await repeated(rounds, lambda: first_output(sandbox, "print('hi')"))
    show(f"sandbox ({sandbox.report.tier}): start to first output of print('hi')", hello)
    imported = await repeated(max(3, rounds // 10), lambda: first_output(sandbox, BASELINE))
    show("sandbox: the same with the Anthropic SDK imported", imported)
    arrival = await repeated(max(3, rounds // 10), lambda: request_arrives(sandbox, gateway))
    show("sandbox: start of an Anthropic agent to its request at the gateway", arrival)
    await gateway.close()


async def bench_server(rounds: int) -> None:
    spec = {"name": "Greeter", "prompt": "You greet people.", "task": "Say hello."}
    body = {**spec, "provider": "anthropic", "model": "claude-sonnet-5-5"}
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
        url = process.stdout.readline().partition(": ")[2].strip()
        show("server: command to first answer", [time.perf_counter() - start])
        async with AsyncClient(base_url=url, trust_env=False, timeout=60) as client:

            async def post(path: str, json: object) -> float:
                begun = time.perf_counter()
                (await client.post(path, json=json)).raise_for_status()
                return time.perf_counter() - begun

            generated = await repeated(rounds, lambda: post("/api/generate", body))
            show("POST /api/generate, one client", generated)
            program = {"code": "print('hi')", "task": "x"}
            executed = await repeated(rounds, lambda: post("/api/execute", program))
            show("POST /api/execute of print('hi'), one client", executed)
        process.terminate()
        process.wait()
        process.stdout.close()


def main() -> None:
    logging.disable()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    print("| what | p50 ms | p99 ms | rounds |\n| --- | --- | --- | --- |")
    show("build a plain agent in process, shape check included", timed(rounds, build_plain))
    show(
        "fresh subprocess, SDK imported (the baseline)",
        timed(max(3, rounds // 10), plain_subprocess),
    )
    asyncio.run(bench_sandbox(rounds))
    asyncio.run(bench_server(rounds))


if __name__ == "__main__":
    main()
