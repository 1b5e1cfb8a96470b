"""Shared helpers of the benchmarks: the table, and facts about processes from /proc."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = ROOT / "tests" / "attacks"
Seconds = list[float]
HELLO = "print('hi')"
BASELINE = "import anthropic; print('hi')"
HEADING = "| what | p50 | p99 | goal | rounds |\n| --- | --- | --- | --- | --- |"


def row(what: str, p50: str, p99: str = "", *, goal: str = "", rounds: int = 1) -> None:
    """Print one row of the table."""
    print(f"| {what} | {p50} | {p99} | {goal} | {rounds} |", flush=True)


def show(what: str, seconds: Seconds, goal: str = "") -> None:
    """Print a row of times."""
    p50, p99 = (f"{value * 1000:,.2f} ms" for value in (median(seconds), p99_of(seconds)))
    row(what, p50, p99, goal=goal, rounds=len(seconds))


def median(seconds: Seconds) -> float:
    return statistics.median(seconds)


def p99_of(seconds: Seconds) -> float:
    return sorted(seconds)[min(len(seconds) - 1, len(seconds) * 99 // 100)]


def timed(rounds: int, work: Callable[[], object]) -> Seconds:
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


async def repeated(rounds: int, work: Callable[[], Awaitable[float]]) -> Seconds:
    return [await work() for _ in range(rounds)]


def attack(name: str) -> str:
    """Return the source of one of the hostile programs."""
    return (ATTACKS / f"{name}.py").read_text("utf-8")


def children_of(pid: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found |= {int(child) for child in task.read_text().split()}
        except OSError:
            continue
    return found


def descendants_of(pid: int) -> set[int]:
    found = children_of(pid)
    for child in tuple(found):
        found |= descendants_of(child)
    return found


def resident_kib(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/status").read_text(), {"VmRSS"})


def forget_peak(pid: int) -> None:
    """Reset the peak memory of a process."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/status").read_text(), {"VmHWM"})


def unshared_kib(pid: int) -> int:
    """Return the unshared memory of a process in KiB."""
    return _kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), {"Private_Clean", "Private_Dirty"})


def _kib(text: str, names: set[str]) -> int:
    lines = (line.partition(":") for line in text.splitlines())
    return sum(int(value.split()[0]) for name, _, value in lines if name in names)
