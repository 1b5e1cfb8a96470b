"""Nothing of a run is left over, however it ends."""

from __future__ import annotations

import asyncio
import gc
import os
import time

import pytest

from llm_agent_builder.errors import MachineryError
from server.isolation.events import OutputEvent, Program
from server.sandbox import Sandbox
from tests.support.sandbox_runs import Runner, collect, descriptors_beside, leftovers
from tests.support.serving import marked_processes, wait_until


def test_child_that_detaches_itself_does_not_outlive_the_run(run: Runner) -> None:
    mark = f"detached-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "if os.fork() == 0:\n"
        "    for detach in (os.setsid, lambda: os.setpgid(0, 0)):\n"
        "        try: detach()\n"
        "        except OSError: pass\n"
        "    os.closerange(0, 100)\n"
        "    if os.fork() == 0:\n"
        "        os.mkdir('detached'); time.sleep(600)\n"
        "    time.sleep(600)\n"
        "while not os.path.exists('detached'): time.sleep(0.01)\n"
        "print('parent ends')\n"
    )
    assert run(code) == "parent ends\n"
    assert marked_processes(mark) == []


def test_scratch_is_removed_even_when_made_read_only(run: Runner) -> None:
    before = leftovers()
    code = (
        "import os\nos.makedirs('a/b'); open('a/b/c', 'w').close()\n"
        "os.symlink('/etc', 'a/link')\n"
        "os.chmod('a/b', 0); os.chmod('a', 0); print('done')\n"
    )
    assert run(code) == "done\n"
    assert leftovers() <= before


def test_abandoned_event_stream_ends_the_run(sandbox: Sandbox) -> None:
    mark = f"abandoned-{time.monotonic_ns()}"

    async def inside() -> None:
        code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"
        started = await sandbox.start(Program(code, "x"))
        events = started.events()
        async for _ in events:
            break
        await events.aclose()  # type: ignore[attr-defined]

    asyncio.run(inside())
    assert marked_processes(mark) == []


def test_runs_end_with_their_event_loop(sandbox: Sandbox) -> None:
    mark = f"ended-{time.monotonic_ns()}"

    async def inside(code: str) -> None:
        started = await sandbox.start(Program(code, "x"))
        async for _ in started.events():
            loop = asyncio.get_running_loop()
            loop.run = started  # type: ignore[attr-defined] # nobody lets go of it before the loop
            return

    asyncio.run(inside("print(1)"))
    descriptors, folders = descriptors_beside(sandbox), leftovers()
    asyncio.run(
        inside(f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)")
    )
    assert marked_processes(mark) == []
    assert leftovers() <= folders
    wait_until(lambda: descriptors_beside(sandbox) == descriptors)


def test_event_loop_that_ends_while_a_run_ends_leaves_nothing_open(sandbox: Sandbox) -> None:
    async def inside(turns: int) -> None:
        started = await sandbox.start(Program("print(1)", "x"))
        async for _ in started.events():
            loop = asyncio.get_running_loop()
            loop.run = started  # type: ignore[attr-defined] # nobody lets go of it before the loop
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            return

    asyncio.run(inside(0))
    descriptors = descriptors_beside(sandbox)
    # On bubblewrap each run waits for a new worker.
    for turns in (0, 2, 5, 9) if sandbox.report.tier == "bubblewrap" else range(10):
        asyncio.run(inside(turns))
        wait_until(lambda: descriptors_beside(sandbox) == descriptors)


def test_no_descriptor_is_left_open(sandbox: Sandbox) -> None:
    collect(sandbox, Program("print(1)", "x"))
    gc.collect()  # what earlier tests left must not be closed in between
    before = descriptors_beside(sandbox)
    for _ in range(5):
        collect(sandbox, Program("print(1)", "x"))
    wait_until(lambda: descriptors_beside(sandbox) == before)


def test_killed_supervisor_fails_the_run_and_ends_the_program() -> None:
    mark = f"orphan-{time.monotonic_ns()}"
    code = (
        f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\n"
        "print(os.getppid(), flush=True); os.fork(); time.sleep(60)\n"
    )

    async def inside() -> None:
        started = await Sandbox.probe(force="landlock", preload=()).start(Program(code, "x"))
        async for event in started.events():
            assert isinstance(event, OutputEvent)
            os.kill(int(event.text.split()[0]), 9)

    with pytest.raises(MachineryError, match="supervisor"):
        asyncio.run(inside())
    wait_until(lambda: not marked_processes(mark))
