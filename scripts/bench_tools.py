"""What the benchmarks share: one table, one way to time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Seconds = list[float]


def header() -> None:
    print("| what | p50 ms | p99 ms | rounds |\n| --- | --- | --- | --- |", flush=True)


def show(what: str, seconds: Seconds) -> None:
    """Print one row; the input is in seconds."""
    ordered = sorted(seconds)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    print(f"| {what} | {p50 * 1000:,.2f} | {p99 * 1000:,.2f} | {len(ordered)} |", flush=True)


def figure(what: str, value: str) -> None:
    """Print a row with one figure."""
    print(f"| {what} | {value} | | |", flush=True)


def timed(rounds: int, work: Callable[[], object]) -> Seconds:
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


async def repeated(rounds: int, work: Callable[[], Awaitable[float]]) -> Seconds:
    return [await work() for _ in range(rounds)]


def private_mib(pid: int) -> float:
    """Return the memory that a process shares with no other, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return kib / 1024


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def helpers_of(pid: int) -> dict[str, int]:
    """Return the sandbox's helper processes below a process, by what they run."""
    found: dict[str, int] = {}
    for child in children_of(pid):
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        for name in ("cell_maker", "forkserver"):
            if f"server.{name}".encode() in command:
                found[name] = child
    return found
