"""Hostile programs against the machine's resources, on every tier."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from server.isolation.child import cgroups
from server.isolation.events import LimitEvent, Program, SandboxEvent, Status
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import (
    ATTACKS,
    Job,
    all_events,
    end_of,
    ends_without_cgroups,
    events_of,
    is_active,
    source,
    text_of,
    watch,
)

SMALL = Limits(cpu_s=3, wall_s=120, memory_mib=256, scratch_mib=8, processes=16, output_kib=64)


def kinds(events: list[SandboxEvent]) -> set[str]:
    return {event.kind for event in events if isinstance(event, LimitEvent)}


@pytest.mark.matrix(keep=3)
@pytest.mark.parametrize(
    ("name", "task", "kind"),
    [
        ("hog_cpu", "", "cpu"),
        ("hog_cpu", "children", "cpu"),
        ("hog_memory", "", "memory"),
        ("hog_memory", "6", "memory"),
        ("flood_output", "stdout", "output"),
        ("flood_output", "stderr", "output"),
    ],
)
def test_limit_of_the_whole_tree_ends_the_run(
    tiered: Sandbox, name: str, task: str, kind: str
) -> None:
    limits = replace(SMALL, cpu_s=1) if kind == "cpu" else SMALL
    events = events_of(tiered, name, task, limits=limits)
    assert (end_of(events).status, end_of(events).reason) == (Status.LIMIT, kind)
    assert kinds(events) == {kind}
    assert "has it all\nhas it all" not in text_of(events)


def test_endless_mappings_end_the_run(tiered: Sandbox) -> None:
    events = events_of(tiered, "map_much", "6", limits=replace(SMALL, cpu_s=60, memory_mib=512))
    assert (end_of(events).status, end_of(events).reason) == (Status.LIMIT, "memory")
    assert "has it all" not in text_of(events)


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("kind", ["ignore", "nowait", "orphans", "chain"])
def test_processor_time_of_children_that_are_not_waited_for_counts(
    tiered: Sandbox, kind: str
) -> None:
    limits = replace(SMALL, cpu_s=0.4)
    events = events_of(tiered, "cpu_autoreap", f"{kind} 100", limits=limits)
    assert (end_of(events).status, end_of(events).reason) == (Status.LIMIT, "cpu")


@pytest.mark.parametrize("kind", ["leaderless", "unreadable"])
def test_memory_that_is_hard_to_see_counts(tiered: Sandbox, kind: str) -> None:
    limits = Limits(cpu_s=60, wall_s=60, memory_mib=128)
    events = events_of(tiered, "mem_deadleader", f"{kind} 400", limits=limits)
    assert "memory" in {end_of(events).reason, *kinds(events)}
    assert "had it all" not in text_of(events)


# Limits that the kernel enforces where it can must also work without the kernel.
WITHOUT_CGROUPS: dict[str, tuple[Job, str]] = {
    "cpu, ignored": (("cpu_autoreap", "ignore 100", {"cpu_s": 0.4, "wall_s": 120}), "cpu"),
    "cpu, not waited": (("cpu_autoreap", "nowait 100", {"cpu_s": 0.4, "wall_s": 120}), "cpu"),
    "cpu, orphans": (("cpu_autoreap", "orphans 100", {"cpu_s": 0.4, "wall_s": 120}), "cpu"),
    "cpu, chain": (("cpu_autoreap", "chain 100", {"cpu_s": 0.4, "wall_s": 120}), "cpu"),
    "leaderless": (("mem_deadleader", "leaderless 640", {"memory_mib": 128}), "memory"),
    "unreadable": (("mem_deadleader", "unreadable 640", {"memory_mib": 128}), "memory"),
}


@pytest.fixture(scope="module")
def without_cgroups(tier: str) -> dict[str, tuple[str, str | None, str]]:
    jobs = [job for job, _ in WITHOUT_CGROUPS.values()]
    return dict(zip(WITHOUT_CGROUPS, ends_without_cgroups(tier, jobs), strict=True))


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("name", WITHOUT_CGROUPS)
def test_limits_work_where_the_kernel_counts_nothing(
    without_cgroups: dict[str, tuple[str, str | None, str]], name: str
) -> None:
    status, reason, text = without_cgroups[name]
    assert (status, reason) == ("limit", WITHOUT_CGROUPS[name][1])
    assert "had it all" not in text


@pytest.mark.matrix(keep=1)
def test_unnamed_files_of_a_process_without_its_first_thread_count(tiered: Sandbox) -> None:
    events = events_of(tiered, "mem_deadleader", "files 40", limits=replace(SMALL, memory_mib=512))
    assert "scratch" in kinds(events)
    if not is_active(tiered.report, "bounded scratch"):
        assert end_of(events).reason == "scratch"


def test_sessions_of_a_run_share_one_weight_where_a_cgroup_has_one(tiered: Sandbox) -> None:
    """After some processor time, the share is a fifth of another session's."""
    if not cgroups.has_processor_weight():
        pytest.skip("this machine has no cgroup with a weight")

    task = "own" if is_active(tiered.report, "private processes") else "one"  # landlock: refused

    def lowered() -> bool:
        ours = [g for g in cgroups.run_cgroups() if f"-{os.getpid()}-" in g.name]
        files = [group / name for group in ours for name in ("cpu.shares", "cpu.weight")]
        return any(file.exists() and file.read_text() in {"205\n", "20\n"} for file in files)

    async def inside() -> None:
        run = await tiered.start(Program(source("sessions"), task, Limits(cpu_s=100)))
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(lowered):
                await asyncio.sleep(0.05)
        await run.cancel()

    asyncio.run(inside())


@pytest.mark.matrix
def test_many_sessions_end_the_run_where_no_cgroup_has_a_weight(tier: str) -> None:
    limits: dict[str, float] = {"cpu_s": 100, "wall_s": 100}
    [(_, reason, text)] = ends_without_cgroups(tier, [("sessions", "own", limits)])
    assert "had it all" not in text
    assert reason == "sessions" or text == "refused\n"  # by the filter of the tier landlock


# Without a sandbox, rlimits of the starting shell bound these programs.
OUTSIDE = {
    "hog_cpu": ("ulimit -S -t 1", -signal.SIGXCPU, b""),
    "hog_memory": ("ulimit -v 200000", 1, b"MemoryError"),
    "flood_output": ("ulimit -f 200", 1, b"File too large"),
}


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize("name", OUTSIDE)
def test_hogging_program_does_use_all_that_it_gets(tmp_path: Path, name: str) -> None:
    bound, code, shown = OUTSIDE[name]
    program = f"{sys.executable} {ATTACKS}/{name}.py --task ''"
    if name == "flood_output":
        program = f"{sys.executable} {ATTACKS}/{name}.py --task stdout > {tmp_path}/written"
    done = subprocess.run(
        ["sh", "-c", f"ulimit -c 0; {bound}; exec {program}"], capture_output=True, check=False
    )
    assert (done.returncode, shown in done.stderr) == (code, True)
    if name == "flood_output":
        assert (tmp_path / "written").stat().st_size >= 100_000


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_is_limited(tiered: Sandbox, stream: str) -> None:
    events = events_of(tiered, "flood_output", stream, limits=SMALL)
    assert len(text_of(events)) <= SMALL.output_kib * 1024 + 100


@pytest.mark.parametrize(
    ("name", "refused"), [("bomb_forks", "EAGAIN"), ("bomb_threads", "refused after")]
)
def test_bomb_is_refused_and_other_calls_continue(tiered: Sandbox, name: str, refused: str) -> None:
    async def both() -> tuple[list[SandboxEvent], set[str]]:
        bomb = asyncio.create_task(watch(tiered, name, limits=SMALL))
        neighbours = set()
        while not bomb.done():
            neighbours.add(text_of(await all_events(tiered, Program("print('undisturbed')", ""))))
        return await bomb, neighbours

    events, neighbours = asyncio.run(both())
    assert neighbours == {"undisturbed\n"}
    assert "processes" in kinds(events)
    if is_active(tiered.report, "private processes"):
        assert end_of(events).status is not Status.LIMIT
        assert refused in text_of(events)
    else:  # refused where a group of the kernel counts them, ended where they are counted outside
        ended = end_of(events).status is Status.LIMIT
        assert ended or refused in text_of(events)


@pytest.mark.parametrize("kind", ["unlinked", "mapped", "plain", "empty"])
def test_full_scratch_folder_is_refused_or_ends_the_run(tiered: Sandbox, kind: str) -> None:
    # Time enough for a monitor that a busy machine wakes late.
    events = events_of(tiered, "fill_scratch", kind, limits=replace(SMALL, cpu_s=60))
    assert kinds(events) == {"scratch"}
    if is_active(tiered.report, "bounded scratch") and not (
        kind == "empty" and tiered.report.tier == "bubblewrap"  # whose number of files ends the run
    ):
        assert end_of(events).status is Status.SUCCESS
        assert text_of(events) == "ENOSPC\n"
    else:
        assert end_of(events).status is Status.LIMIT


def test_sparse_file_is_limited(tiered: Sandbox) -> None:
    events = events_of(tiered, "fill_scratch", "sparse", limits=SMALL)
    assert text_of(events).strip().splitlines()[-1] in {"EFBIG", "ENOSPC"}


def test_sleeping_for_ever_ends_by_the_clock_whatever_signals_are_ignored(tiered: Sandbox) -> None:
    code = (
        "import signal, time\n"
        "for n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "time.sleep(100)\n"
    )

    endless = all_events(tiered, Program(code, "", Limits(wall_s=0.5)))
    events = asyncio.run(asyncio.wait_for(endless, 60))
    assert (end_of(events).status, end_of(events).reason) == (Status.TIMEOUT, "wall")


def test_pending_signals_of_others_can_not_be_used_up(tiered: Sandbox) -> None:
    """The kernel also counts them for the server's user, summed over all runs."""
    code = (
        "import ctypes, os, signal\n"
        "libc, sent = ctypes.CDLL(None), 0\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {40})\n"
        "while sent < 2000 and libc.sigqueue(os.getpid(), 40, None) >= 0: sent += 1\n"
        "print(sent < 1000)\n"
    )
    assert run_in_sandbox(code, "", sandbox=tiered) == "True\n"


def test_self_sent_cpu_limit_signal_is_not_a_limit(tiered: Sandbox) -> None:
    shown = run_in_sandbox("import os, signal; os.kill(os.getpid(), 24)", "", sandbox=tiered)
    assert shown == "error: killed by SIGXCPU\n"


def test_threads_that_fork_are_ended_in_time(tiered: Sandbox) -> None:
    code = (
        "import os, threading, time\n"
        "end = time.monotonic() + 1\n"
        "def bomb():\n"
        "    while time.monotonic() < end:\n"
        "        try: os.fork()\n"
        "        except OSError: time.sleep(0.01)\n"
        "for _ in range(10): threading.Thread(target=bomb).start()\n"
    )

    bombs = all_events(tiered, Program(code, "", Limits(wall_s=10)))
    events = asyncio.run(asyncio.wait_for(bombs, 60))  # its end comes, whatever it is
    assert end_of(events).status in {Status.SUCCESS, Status.ERROR, Status.LIMIT, Status.TIMEOUT}
