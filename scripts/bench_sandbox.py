"""The sandbox's figures: start, throughput, memory, neighbours."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

from bench_tools import (
    Seconds,
    children_of,
    figure,
    helpers_of,
    private_mib,
    repeated,
    show,
)

from llm_agent_builder import AgentBuilder
from llm_agent_builder.providers import ProviderEnum
from server.gateway import Gateway, Grant, ModelCall, Upstream
from server.run_events import OutputEvent, Program
from server.sandbox import Sandbox
from server.settings import Secret

HELLO = "print('hi')"
BASELINE = "import anthropic; print('hi')"
HOSTILE = (
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "while True: pass",
    "held = []\nwhile True: held.append(bytearray(2**22))",
    "import os\nwhile True: os.write(1, b'x' * 65536)",
)


async def first_output(sandbox: Sandbox, code: str) -> float:
    start = time.perf_counter()
    run = await sandbox.start(Program(code, "x"))
    found = 0.0
    async for event in run.events():
        if isinstance(event, OutputEvent) and not found:
            found = time.perf_counter() - start
    if not found:
        raise RuntimeError("the program wrote nothing")
    return found


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


async def runs_a_second(sandbox: Sandbox, count: int) -> float:
    """Return how many trivial runs a second go through, four at once."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await first_output(sandbox, HELLO)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(4)))
    return count / (time.perf_counter() - start)


async def waiting_memory(sandbox: Sandbox) -> float:
    """Return the unshared MiB of a waiting run: the program's process and its cell's init."""
    run = await sandbox.start(Program("print(1, flush=True); import time; time.sleep(60)", "x"))
    async for event in run.events():
        if isinstance(event, OutputEvent):
            helpers = helpers_of(os.getpid())
            [agent] = children_of(helpers["forkserver"])
            inits = children_of(helpers["cell_maker"])
            found = private_mib(agent) + max(map(private_mib, inits))
            await run.cancel()
            return found
    raise RuntimeError("the program wrote nothing")


async def beside_hostile(sandbox: Sandbox, rounds: int) -> Seconds:
    """Time trivial runs while four hostile ones go, each started anew when it has ended."""

    async def again(code: str) -> None:
        while True:
            run = await sandbox.start(Program(code, "x"))
            async for _ in run.events():
                pass

    neighbours = [asyncio.create_task(again(code)) for code in HOSTILE]
    try:
        await asyncio.sleep(1)
        return await repeated(rounds, lambda: first_output(sandbox, HELLO))
    finally:
        for task in neighbours:
            task.cancel()
        await asyncio.gather(*neighbours, return_exceptions=True)


async def bench_sandbox(rounds: int) -> None:
    gateway = Gateway()
    await gateway.start()
    for tier in ("strong", "bubblewrap", "landlock"):
        sandbox = Sandbox.probe(force=tier)
        sandbox.warm_up()
        await repeated(3, lambda s=sandbox: first_output(s, HELLO))  # type: ignore[misc]
        few = rounds if tier != "bubblewrap" else max(3, rounds // 20)
        found = await repeated(few, lambda s=sandbox: first_output(s, HELLO))  # type: ignore[misc]
        show(f"`{tier}`: start to first output of print('hi')", found)
        if tier == "strong":
            await _bench_strong(sandbox, gateway, rounds)
        sandbox.close()
    await gateway.close()


async def _bench_strong(sandbox: Sandbox, gateway: Gateway, rounds: int) -> None:
    imported = await repeated(rounds, lambda: first_output(sandbox, BASELINE))
    show("`strong`: the same with the Anthropic SDK imported", imported)
    arrival = await repeated(rounds, lambda: request_arrives(sandbox, gateway))
    show("`strong`: start of an Anthropic agent to its request at the gateway", arrival)
    rate = await runs_a_second(sandbox, 5 * rounds)
    figure("`strong`: trivial runs, 4 at once", f"{rate:.0f} a second")
    figure("`strong`: unshared memory of a waiting run", f"{await waiting_memory(sandbox):.1f} MiB")
    beside = await beside_hostile(sandbox, rounds)
    show("`strong`: print('hi') beside fork bomb, CPU hog, memory hog, flood", beside)
