"""Many mixed runs, a tenth of them hostile or cancelled; then what is left of them.

`make bench ARGS="--soak 20000"`.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from pathlib import Path

from bench_sandbox import HOSTILE
from bench_tools import children_of, figure, helpers_of

from server import memory_group
from server.confine import Limits
from server.run_events import OutputEvent, Program
from server.sandbox import Sandbox

_ORDINARY = (
    "print('hi')",
    "import json, sys; print(json.dumps(sys.argv))",
    "import anthropic; print(anthropic.__version__)",
    "open('f', 'w').write('x' * 10000); print('written')",
    "raise SystemExit(3)",
    "1 / 0",
)
_HOSTILE = (
    *HOSTILE,
    "import os\nif os.fork() == 0: os.setsid(); os.fork(); import time; time.sleep(600)",
    "open('f', 'wb').truncate(2**40)",
    "import ctypes; ctypes.string_at(0)",
    "import time; time.sleep(600)",
)


async def _run(sandbox: Sandbox, pick: random.Random) -> None:
    hostile = pick.random() < 0.1
    code = pick.choice(_HOSTILE if hostile else _ORDINARY)
    limits = Limits(cpu_s=0.5, wall_s=1, memory_mib=128) if hostile else Limits()
    run = await sandbox.start(Program(code, "x", limits))
    cancel = hostile and pick.random() < 0.3
    async for event in run.events():
        if cancel and isinstance(event, OutputEvent):
            run.request_cancel()


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _there() -> dict[str, int]:
    """Count what could be left behind."""
    helpers = helpers_of(os.getpid())
    counts = {
        f"descriptors of the {name}": len(os.listdir(f"/proc/{pid}/fd"))
        for name, pid in {"server": os.getpid(), **helpers}.items()
    }
    counts |= {
        f"processes below the {name}": len(children_of(pid)) for name, pid in helpers.items()
    }
    counts["mounts"] = len(Path("/proc/self/mountinfo").read_text().splitlines())
    counts["files"] = len([*Path("/tmp").glob(f"agent-*{os.getpid()}*")])
    counts["cgroups"] = len([g for g in memory_group.left_groups() if str(os.getpid()) in g.name])
    return counts


async def bench_soak(count: int) -> None:
    sandbox = Sandbox.probe(force="strong")
    sandbox.warm_up()
    pick = random.Random(1)
    warm = max(200, count // 10)

    async def many(number: int) -> None:
        left = iter(range(number))

        async def work() -> None:
            for _ in left:
                await _run(sandbox, pick)

        await asyncio.gather(*(work() for _ in range(4)))
        await asyncio.sleep(1)

    await many(warm)
    before, memory, start = _there(), _resident_mib(), time.perf_counter()
    await many(count - warm)
    seconds = time.perf_counter() - start
    after = _there()
    leaked = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    growth = 100 * (_resident_mib() - memory) / memory
    figure(f"soak: {count:,} mixed runs, {count / seconds:.0f} a second; leaked", str(leaked or 0))
    figure(f"soak: growth of memory after the first {warm:,}", f"{growth:.1f} %")
    sandbox.close()
