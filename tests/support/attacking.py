"""Runs the hostile programs of tests/attacks/: in a sandbox, and outside to show that they work."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.isolation.child import cgroups
from server.isolation.events import ExitEvent, OutputEvent, Program, SandboxEvent
from server.isolation.tiers.detection import ACCEPTED, PRELOADED, TierReport, probe_tier
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox

ATTACKS = Path(__file__).parents[1] / "attacks"
LIMITS = Limits(wall_s=20)
Job = tuple[str, str, dict[str, float]]
"""A hostile program, its task, and its limits."""
# A process that lets anyone of its user trace it, as Yama would forbid otherwise.
_VICTIM = (
    "import ctypes, time; ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0); "
    "print('ready', flush=True); time.sleep(120)"
)


@functools.cache
def offered_tiers() -> tuple[str, ...]:
    """Return the tiers that isolate programs and that this machine offers, strongest first."""
    return tuple(tier for tier in ACCEPTED if probe_tier(force=tier).available)


def open_sandbox(tier: str) -> Sandbox:
    """Return the sandbox of a tier, which must work on this machine; the caller closes it.

    bubblewrap's interpreters are used once: two seconds a run for SDKs that few programs import.
    """
    preload = () if tier == "bubblewrap" else PRELOADED
    sandbox = Sandbox.probe(force=tier, preload=preload)
    assert sandbox.report.available, sandbox.report.reason
    return sandbox


def source(name: str) -> str:
    return (ATTACKS / f"{name}.py").read_text("utf-8")


def task_of(task: Any) -> str:
    return task if isinstance(task, str) else json.dumps(task)


def sleeping_siblings() -> tuple[str, dict[str, str]]:
    """Return a request to run a program whose siblings sleep, and a mark of its processes."""
    mark = f"sib-{time.monotonic_ns()}"
    code = f"import os\nos.mkdir('{mark}'); os.chdir('{mark}')\n{source('clone_parent')}"
    return mark, {"code": code, "task": task_of({"how": "sleeping", "sleep": 600})}


def attack(sandbox: Sandbox, name: str, task: Any = "", *, limits: Limits = LIMITS) -> str:
    """Run a hostile program; return its output, which is all that it found out."""
    return run_in_sandbox(source(name), task_of(task), limits=limits, sandbox=sandbox)


def attempt_outside(folder: Path, name: str, task: Any = "") -> str:
    """Run the same program without a sandbox, in its own folder."""
    place = folder / "outside"
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(ATTACKS / f"{name}.py"), "--task", task_of(task)],
        cwd=place,
        env={"HOME": str(place), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout.decode(errors="replace")


async def watch(
    sandbox: Sandbox, name: str, task: Any = "", *, limits: Limits = LIMITS
) -> list[SandboxEvent]:
    """Run a hostile program and return all its events."""
    return await all_events(sandbox, Program(source(name), task_of(task), limits))


async def all_events(sandbox: Sandbox, program: Program) -> list[SandboxEvent]:
    """Run a program to its end and return all its events."""
    run = await sandbox.start(program)
    return [event async for event in run.events()]


def events_of(
    sandbox: Sandbox, name: str, task: Any = "", *, limits: Limits = LIMITS
) -> list[SandboxEvent]:
    return asyncio.run(watch(sandbox, name, task, limits=limits))


def ends_without_cgroups(tier: str, jobs: Sequence[Job]) -> list[tuple[str, str | None, str]]:
    """Run hostile programs where no cgroup can be made; return status, reason and text of each."""
    hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh")
    program = "from tests.support.attacking import answer_jobs; answer_jobs()"
    done = subprocess.run(
        [*(hidden if os.geteuid() == 0 else ()), sys.executable, "-c", program],
        input=json.dumps([tier, jobs]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [(status, reason, text) for status, reason, text in json.loads(done.stdout)]


def answer_jobs() -> None:
    """The main function of the process that `ends_without_cgroups` starts."""
    tier, jobs = json.load(sys.stdin)
    assert not cgroups.kernel_counts_memory()
    sandbox = open_sandbox(tier)
    ends = []
    for name, task, limits in jobs:
        events = events_of(sandbox, name, task, limits=Limits(**limits))
        ends.append((end_of(events).status, end_of(events).reason, text_of(events)))
    sandbox.close()
    print(json.dumps(ends))


def text_of(events: Sequence[SandboxEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, OutputEvent))


def end_of(events: Sequence[SandboxEvent]) -> ExitEvent:
    assert isinstance(events[-1], ExitEvent)
    return events[-1]


def is_active(report: TierReport, layer: str) -> bool:
    """Return whether a layer is reported as active; an inactive one must have a reason."""
    found = next(item for item in report.layers if item.name == layer)
    assert found.active or found.reason, f"{layer} is inactive without a reason"
    return found.active


@contextmanager
def victim() -> Iterator[int]:
    """Start an idle process with a canary in its environment; yield its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", _VICTIM], env={"CANARY": "canary"}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def descendants(pid: int) -> set[int]:
    """Return all processes below one, from /proc."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = {int(child) for child in task.read_text().split()}
            except OSError:
                continue
            waiting += children - found
            found |= children
    return found


def processes_named(name: str) -> list[int]:
    """Return the processes of this machine whose name is `name`."""
    found = []
    for entry in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", entry.name):
            try:
                if (entry / "comm").read_bytes().strip() == name.encode():  # others are no text
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def mounts() -> int:
    """Return the number of mounts, besides those that tests make in their temporary folders."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sum("/pytest-of-" not in line for line in lines)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))
