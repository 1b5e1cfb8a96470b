"""Soak test: executes many different runs on one server, then checks for leaked resources."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

from bench_client import Client, Served, serving
from bench_tools import HELLO, attack, children_of, descendants_of, resident_kib, row

AT_ONCE = 4
WARM = 2000
"""Runs (or a tenth of all runs) after which the server's memory should no longer grow."""
MARK = f"soak{os.getpid()}"
_SETTLE_S = 10.0
_SLEEP = "import time; print('asleep', flush=True); time.sleep(30)"

LEASED = os.__file__
"""A file that runs can only read."""

PEACEFUL = (
    HELLO,
    "import sys; print('no', file=sys.stderr); sys.exit(3)",
    "open('left.txt', 'w').write('x' * 4000)",
    "raise ValueError('why')",
    "import anthropic; print(anthropic.__version__)",
    "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'print(1)'])",
    "for n in range(2000): print(n)",
    "open('/etc/shadow')",
)
HOSTILE: tuple[tuple[str, str, dict[str, float]], ...] = (
    ("leave_daemons", MARK, {}),
    ("flood_output", "stdout", {}),
    ("hog_memory", "0", {"memory_mib": 128}),
    ("bomb_forks", "", {}),
    ("bomb_threads", "", {"wall_s": 1}),
    ("hog_cpu", "", {"wall_s": 0.3}),
    ("hog_cpu", "children", {"cpu_s": 0.3, "wall_s": 2}),
    ("fill_scratch", "", {"scratch_mib": 8, "wall_s": 3}),
    ("name_files_badly", "", {}),
    ("leave_hostile_files", "", {}),
    ("make_sockets", "", {}),
    ("crash", "", {}),
    ("kill_parent", "", {}),
    ("clone_parent", '{"how": "many"}', {"wall_s": 3}),
    ("clone_parent", '{"how": "sleeping", "sleep": 60}', {"wall_s": 1}),
    ("cpu_autoreap", "ignore 3", {"cpu_s": 0.3, "wall_s": 4}),
    ("cpu_autoreap", "chain 3", {"cpu_s": 0.3, "wall_s": 4}),
    ("mem_deadleader", "leaderless 320", {"memory_mib": 128, "wall_s": 4}),
    ("mem_deadleader", "unreadable 320", {"memory_mib": 128, "wall_s": 4}),
    ("sessions", "own", {"wall_s": 2}),
    ("lease", LEASED, {}),
    ("disk_reader", "", {}),
    ("landlock_processes", "1", {}),
)


@dataclass(slots=True)
class Resources:
    """The resources of a server while it has no open run."""

    processes: int
    descriptors: Counter[str]
    """Open descriptors by target."""
    mounts: int
    files: int
    groups: int

    @classmethod
    def of(cls, served: Served) -> Resources:
        """Count the resources, including those of prepared cells, whose number is constant."""
        helpers = children_of(served.pid)
        own = {served.pid, *helpers}
        return cls(
            processes=len(descendants_of(served.pid) | _marked()),
            descriptors=_descriptors(own),
            mounts=sum(len(Path(f"/proc/{pid}/mountinfo").read_text().split("\n")) for pid in own),
            files=len(os.listdir(served.temporary)),
            groups=len(list(Path("/sys/fs/cgroup").rglob(f"agent-run-{served.pid}-*"))),
        )


def _descriptors(processes: set[int]) -> Counter[str]:
    found = Counter[str]()
    for pid in processes:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            name = os.readlink(entry)
            found[name.partition(":[")[0]] += 1  # without a socket's or pipe's number
    return found


def _marked() -> set[int]:
    """Return the processes of this machine that runs have marked."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                name = (entry / "comm").read_bytes().strip()
            except OSError:
                continue
            if name == MARK.encode():
                found.add(int(entry.name))
    return found


async def _peaceful(port: int, code: str) -> None:
    async with Client(port) as client:
        await client.ask("POST", "/api/execute", {"code": code, "task": ""})


async def _ended_by_leaving(port: int) -> None:
    async with Client(port) as client:
        client.send("POST", "/api/execute", {"code": _SLEEP, "task": ""})
        await asyncio.sleep(0.1)


async def _ended_by_order(port: int) -> None:
    async with Client(port) as client:
        accepted = await client.ask("POST", "/api/runs", {"code": _SLEEP, "task": ""})
        await asyncio.sleep(0.05)
        await client.ask("DELETE", f"/api/runs/{accepted['id']}")


async def _timed_out(port: int) -> None:
    async with Client(port) as client:
        body = {"code": _SLEEP, "task": "", "limits": {"wall_s": 0.2}}
        await client.ask("POST", "/api/execute", body)


def _hostile(name: str, task: str, limits: dict[str, float]) -> Callable[[int], Awaitable[None]]:
    body = {"code": attack(name), "task": task, "limits": {"wall_s": 10, **limits}}

    async def work(port: int) -> None:
        async with Client(port) as client:
            await client.ask("POST", "/api/execute", body)

    return work


async def _soak(served: Served, runs: int, first: int = 0) -> None:
    """Execute runs from number `first` on; every tenth is hostile, cancelled or timed out."""
    bad = [_ended_by_leaving, _ended_by_order, _timed_out, *(_hostile(*each) for each in HOSTILE)]
    numbers = count(first)

    async def work() -> None:
        while (number := next(numbers)) < first + runs:
            if number % 10 == 9:
                await bad[number // 10 % len(bad)](served.port)
            else:
                await _peaceful(served.port, PEACEFUL[number % len(PEACEFUL)])

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _settled(served: Served, like: Resources | None = None) -> Resources:
    """Return the resources once they are stable, or once they equal `like`."""
    deadline = time.monotonic() + _SETTLE_S
    held = Resources.of(served)
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        before, held = held, Resources.of(served)
        if held == before and (like is None or held == like):
            break
    return held


async def bench_soak(runs: int) -> None:
    async with serving() as served:
        first = min(WARM, max(1, runs // 10))
        await _soak(served, min(200, first))  # all that is created only once exists now
        before = await _settled(served)
        begun = time.perf_counter()
        await _soak(served, first)
        took = time.perf_counter() - begun
        await _settled(served, before)
        small = _memory_kib(served)
        begun = time.perf_counter()
        await _soak(served, runs - first, first)
        took += time.perf_counter() - begun
        after = await _settled(served, before)
        _report(runs, took, before, after)
        for who, kib in _memory_kib(served).items():
            what = f"soak: memory of {who} after run {first:,} ({small[who] / 1024:.0f} MiB) grown"
            row(what, f"{kib / small[who] - 1:+.1%}", goal="< 5 %", rounds=runs)


def _memory_kib(served: Served) -> dict[str, int]:
    """Return the resident memory of the server and of its helper processes."""
    helpers = sum(map(resident_kib, children_of(served.pid)))
    return {"the server": resident_kib(served.pid), "its helpers": helpers}


def _report(runs: int, took: float, before: Resources, after: Resources) -> None:
    row("soak: mixed runs, a tenth hostile or ended early", f"{runs / took:.0f} runs/s",
        rounds=runs)  # fmt: skip
    for each in fields(Resources):
        found: Any = (getattr(before, each.name), getattr(after, each.name))
        row(f"soak: leaked {each.name}", _leaked(*found), goal="0", rounds=runs)


def _leaked(before: int | Counter[str], after: int | Counter[str]) -> str:
    """Return the increase, with the targets of leaked descriptors if known."""
    if isinstance(before, Counter) and isinstance(after, Counter):
        names = "".join(f", {name}" for name in sorted(after - before))
        return _leaked(before.total(), after.total()) + names
    assert isinstance(before, int)
    assert isinstance(after, int)
    leaked = after - before
    return "0" if leaked == 0 else f"{leaked:+} ({before} → {after})"
