"""The limits of a run: which programs reach one, and the message that their run gets."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from server.isolation.events import ExitEvent, LimitEvent, Program, SandboxEvent, Status
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import all_events, end_of, is_active, text_of
from tests.support.sandbox_runs import Runner, collect, output_and_end
from tests.support.serving import marked_processes, wait_until


def test_cpu_limit_ends_the_run(run: Runner) -> None:
    assert run("while True: pass", cpu_s=1) == "limit: cpu (1 s)\n"


def test_cpu_limit_counts_the_whole_tree(run: Runner) -> None:
    code = "import os\nos.fork(); os.fork()\nwhile True: pass"
    assert run(code, cpu_s=1, wall_s=120) == "limit: cpu (1 s)\n"


def test_wall_clock_limit_is_a_timeout(run: Runner) -> None:
    assert run("import time; time.sleep(60)", wall_s=0.5) == "timeout: wall (0.5 s)\n"


def test_memory_limit_of_one_process_ends_the_run_as_limit(run: Runner) -> None:
    assert run("x = bytearray(10**9)").endswith("\nlimit: memory (512 MiB)\n")


def test_memory_limit_counts_the_whole_tree(run: Runner) -> None:
    code = (
        "import os, time\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        x = bytearray(100 * 2**20)\n"
        "        x[::4096] = b'1' * len(x[::4096])\n"
        "        time.sleep(30)\n"
        "time.sleep(30)\n"
    )
    assert run(code, memory_mib=256) == "limit: memory (256 MiB)\n"


def test_address_space_is_limited_before_the_code_runs(run: Runner) -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_AS)[0] // 2**20)"
    assert run(code) == "512\n"


def test_output_flood_is_cut_at_the_limit(run: Runner) -> None:
    shown = run("while True: print('x' * 1000)", output_kib=64)
    assert shown.endswith("\nlimit: output (64 KiB a stream)\n")
    assert 64 * 1024 <= len(shown) < 64 * 1024 + 200


def test_scratch_limit_ends_the_run_where_scratch_is_a_folder_of_the_host() -> None:
    code = (
        "import time\nfor i in range(20): open(f'f{i}', 'wb').write(b'x' * 2**20)\ntime.sleep(30)\n"
    )
    sandbox = Sandbox.probe(force="landlock", preload=())
    shown = run_in_sandbox(code, "x", limits=Limits(scratch_mib=8), sandbox=sandbox)
    assert shown == "limit: scratch (8 MiB)\n"


def limits_met(events: list[SandboxEvent]) -> list[str]:
    return [event.message for event in events if isinstance(event, LimitEvent)]


def test_full_scratch_answers_no_space_and_says_so_where_it_is_bounded(sandbox: Sandbox) -> None:
    code = (
        "import errno\n"
        "try:\n"
        "    open('f', 'wb').write(b'x' * 2**20 * 7); open('g', 'wb').write(b'x' * 2**20 * 7)\n"
        "except OSError as error: print(errno.errorcode[error.errno])\n"
    )
    if sandbox.report.tier == "landlock":
        assert not is_active(sandbox.report, "bounded scratch")
        return
    events = collect(sandbox, Program(code, "x", Limits(scratch_mib=8)))
    assert text_of(events) == "ENOSPC\n"
    assert limits_met(events) == ["scratch (8 MiB)"]
    assert end_of(events).status is Status.SUCCESS


def test_fork_bomb_is_answered_with_eagain_and_leaves_no_process(sandbox: Sandbox) -> None:
    mark = f"bomb-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "children = 0\n"
        "while True:\n"
        "    try:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "    except BlockingIOError: break\n"
        "    children += 1\n"
        "print(children, flush=True); time.sleep(60)\n"
    )
    events = collect(
        sandbox, Program(code, "x"), until=lambda seen: text_of(seen) and limits_met(seen)
    )
    assert text_of(events) == "64\n"
    assert limits_met(events) == ["processes (64)"]
    assert end_of(events).status is Status.CANCELLED  # by this test, not by the limit
    assert marked_processes(mark) == []


def niceness(process: str) -> int:
    """Return the nice value of a process's session."""
    return int(Path(f"/proc/{process}/autogroup").read_text().split()[-1])


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="no scheduling by sessions")
def test_run_that_uses_much_cpu_lets_others_go_first_and_is_not_starved(sandbox: Sandbox) -> None:
    async def begin(work: str) -> tuple[AsyncGenerator[SandboxEvent, None], str]:
        mark = f"long-{time.monotonic_ns()}"
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1, flush=True)\n"
        started = await sandbox.start(Program(f"{code}{work}", "x"))
        events = cast("AsyncGenerator[SandboxEvent, None]", started.events())
        await anext(events)
        [process] = marked_processes(mark)
        return events, process

    async def inside() -> tuple[int, int]:
        idle, asleep = await begin("time.sleep(60)")
        hog, busy = await begin("while True: pass")
        found = await asyncio.to_thread(wait_until, functools.partial(niceness, busy), 50)
        both = int(found), niceness(asleep)
        await hog.aclose()
        await idle.aclose()
        return both

    # Then the session has a fifth of another's processor share; at 19, a seventieth.
    assert asyncio.run(inside()) == (7, 0)


def test_memory_over_many_processes_is_a_limit(strong: Sandbox) -> None:
    code = (
        "import os, time\n"
        "for _ in range(8):\n"
        "    if os.fork() == 0:\n"
        "        held = []\n"
        "        for _ in range(40): held.append(b'x' * 2**20); time.sleep(0.02)\n"
        "        time.sleep(60)\n"
        "time.sleep(60)\n"
    )
    _, last = output_and_end(strong, code, memory_mib=128)
    assert (last.status, last.reason) == (Status.LIMIT, "memory")


def test_file_that_is_too_large_names_the_limit(strong: Sandbox) -> None:
    events = asyncio.run(all_events(strong, Program("open('f', 'wb').truncate(2**40)", "x")))
    assert LimitEvent("file size", "file size (64 MiB)") in events


def test_many_empty_files_reach_the_scratch_limit(strong: Sandbox) -> None:
    code = "import os\nfor n in range(10**6): os.close(os.open(f'{n}', os.O_CREAT, 0o600))"
    events = asyncio.run(all_events(strong, Program(code, "x", Limits(scratch_mib=1))))
    assert LimitEvent("scratch", "scratch (1 MiB)") in events
    assert isinstance(events[-1], ExitEvent)
    assert events[-1].status is Status.ERROR
