"""Every wait for a helper process or a cell ends: stopped, silent, killed or endless ones."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from llm_agent_builder.errors import MachineryError, SandboxUnavailableError
from server.isolation.abandoned import AbandonedRuns
from server.isolation.background_work import finish_despite_cancellation
from server.isolation.child.confine import become_subreaper
from server.isolation.child.libc import libc
from server.isolation.child.resource_monitor import descendants
from server.isolation.engine import Workspace
from server.isolation.events import ExitEvent, OutputEvent, Program, SandboxEvent, Status
from server.isolation.helper_process import Helper
from server.isolation.shutdown import Closing
from server.isolation.tiers.strong import CellEngine
from server.limits import Limits
from server.sandbox import Sandbox, SandboxRun
from tests.support.gateway_client import eventually
from tests.support.processes import below, held_still, init_beside, is_there, pinned
from tests.support.serving import marked_processes, wait_until

FORK_SERVER = "server.isolation.child.fork_server"
MAKER = "server.isolation.child.cell_maker"


_others: set[int] = set()
"""Processes of sandboxes that tests share: this file stops and kills its own only."""


def own(text: str) -> int:
    """Return the helper process of this test's sandbox whose command line has that text."""
    return below(os.getpid(), text, besides=_others)


@pytest.fixture
def sandbox(tier: str) -> Iterator[Sandbox]:
    """Return a sandbox whose helpers this test may do away with."""
    _others.clear()
    _others.update(descendants(os.getpid()))
    found = Sandbox.probe(force=tier, preload=(), ready=1)
    assert found.report.available, found.report.reason
    yield found
    found.close()


def only(sandbox: Sandbox, *tiers: str) -> None:
    if sandbox.report.tier not in tiers:
        pytest.skip(f"there is no such process on {sandbox.report.tier}")


async def run(sandbox: Sandbox, code: str = "print('hi')", **limits: float) -> list[SandboxEvent]:
    """Run a program to its end, which has to come."""
    async with asyncio.timeout(60):
        started = await sandbox.start(Program(code, "x", Limits(**limits)))  # type: ignore[arg-type]
        return [event async for event in started.events()]


@asynccontextmanager
async def sleeping(sandbox: Sandbox, **limits: float) -> AsyncIterator[tuple[SandboxRun, int]]:
    """Have a run that sleeps; yield it, and its process."""
    mark = f"asleep-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(600)"
    started = await sandbox.start(Program(code, "x", Limits(**limits)))  # type: ignore[arg-type]
    events = started.events()
    assert isinstance(await anext(events), OutputEvent)
    [process] = marked_processes(mark)
    yield started, int(process)
    async with asyncio.timeout(60):
        await started.cancel()


HI = [OutputEvent("stdout", "hi\n")]

# ---------------------------------------------------------------- the fork server


@pytest.mark.matrix
def test_run_starts_though_the_fork_server_was_stopped(sandbox: Sandbox) -> None:
    only(sandbox, "strong", "landlock")

    async def inside() -> list[SandboxEvent]:
        await run(sandbox)
        os.kill(own(FORK_SERVER), signal.SIGSTOP)
        return await run(sandbox)

    assert asyncio.run(inside())[:1] == HI


def test_runs_of_a_second_find_that_the_fork_server_was_stopped(sandbox: Sandbox) -> None:
    only(sandbox, "strong", "landlock")

    async def inside() -> list[SandboxEvent]:
        await run(sandbox)
        os.kill(own(FORK_SERVER), signal.SIGSTOP)
        [*_, end] = await run(sandbox, wall_s=1)
        assert isinstance(end, ExitEvent)
        assert end.status is Status.TIMEOUT
        return await run(sandbox)

    assert asyncio.run(inside())[:1] == HI


def test_silent_fork_server_is_replaced_and_its_runs_get_an_end(sandbox: Sandbox) -> None:
    only(sandbox, "strong")

    async def inside() -> list[SandboxEvent]:
        async with sleeping(sandbox) as (started, process):
            silent = own(FORK_SERVER)
            with held_still(silent):
                await started.cancel()
                assert not started.abandoned
                assert not is_there(process)
            wait_until(lambda: not is_there(silent))
        return await run(sandbox)

    assert asyncio.run(inside())[:1] == HI


def test_run_that_a_silent_fork_server_does_not_begin_gets_an_end(sandbox: Sandbox) -> None:
    only(sandbox, "strong", "landlock")

    async def inside() -> list[SandboxEvent]:
        await run(sandbox)
        with held_still(own(FORK_SERVER)):
            if sandbox.report.tier == "strong":
                return await run(sandbox)
            with pytest.raises(MachineryError, match="supervisor"):
                await run(sandbox)
        return await run(sandbox)

    assert asyncio.run(inside())[:1] == HI


def test_processes_that_a_killed_fork_server_leaves_to_the_first_of_a_container_are_reaped(
    sandbox: Sandbox,
) -> None:
    only(sandbox, "strong")

    async def inside() -> None:
        async with sleeping(sandbox) as (started, process):
            os.kill(own(FORK_SERVER), signal.SIGKILL)
            await started.cancel()
            assert not started.abandoned
            assert not os.path.exists(f"/proc/{process}")

    become_subreaper()  # orphans come to this process, as to the first of a container
    try:
        asyncio.run(inside())
    finally:
        libc.prctl(36, 0, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


# ---------------------------------------------------------------- the cell maker


def test_silent_cell_maker_is_replaced(sandbox: Sandbox) -> None:
    only(sandbox, "strong")

    async def inside() -> list[SandboxEvent]:
        await run(sandbox)
        silent = own(MAKER)
        os.kill(silent, signal.SIGSTOP)
        await run(sandbox)  # its cell was prepared
        with pytest.raises(MachineryError, match="did not create a cell"):
            await run(sandbox)
        wait_until(lambda: not is_there(silent))
        return await run(sandbox)

    assert asyncio.run(inside())[:1] == HI


def test_waiting_for_a_cell_maker_leaves_the_loop_to_others() -> None:
    engine = CellEngine(preload=(), ready=1)

    async def inside() -> None:
        with engine._lock, pytest.raises(TimeoutError):  # as while one is being started
            async with asyncio.timeout(0.1):
                await engine.workspace(Limits())

    try:
        asyncio.run(inside())
    finally:
        engine.close()


# ---------------------------------------------------------------- what watches a run


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_run_whose_watcher_is_stopped_or_killed_ends(
    sandbox: Sandbox, number: signal.Signals
) -> None:
    async def inside() -> None:
        async with sleeping(sandbox, wall_s=5) as (started, process):
            os.kill(watcher_of(sandbox, process), number)
            ended: list[ExitEvent | MachineryError] = []
            try:
                async with asyncio.timeout(60):
                    assert started._task is not None
                    await asyncio.shield(started._task)
                    while not started._queue.empty():
                        event = started._queue.get_nowait()
                        if isinstance(event, ExitEvent | MachineryError):
                            ended.append(event)
            finally:
                await started.cancel()
            [end] = ended
            if number == signal.SIGSTOP:
                assert isinstance(end, ExitEvent)
                assert end.status is Status.TIMEOUT
            else:
                assert isinstance(end, MachineryError)
            assert not started.abandoned
            wait_until(lambda: not is_there(process))
        assert (await run(sandbox))[:1] == HI

    asyncio.run(inside())


def watcher_of(sandbox: Sandbox, process: int) -> int:
    """Return a cell's first process, or the supervisor of a run."""
    if sandbox.report.tier == "strong":
        return init_beside(process, os.getpid())
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.matrix
def test_run_in_a_cell_that_does_not_answer_fails(sandbox: Sandbox) -> None:
    only(sandbox, "strong")

    async def inside() -> None:
        await run(sandbox)
        maker = own(MAKER)
        wait_until(lambda: len(prepared(maker)) == 1)  # the cell of the run before has gone
        for pid in prepared(maker):
            os.kill(pid, signal.SIGSTOP)
        with pytest.raises(MachineryError, match="cell"):
            await run(sandbox, scratch_mib=1)
        assert (await run(sandbox))[:1] == HI

    asyncio.run(inside())


def prepared(maker: int) -> list[int]:
    with open(f"/proc/{maker}/task/{maker}/children") as file:
        return [int(pid) for pid in file.read().split()]


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_bwrap_that_is_stopped_or_killed_holds_nothing_up(
    sandbox: Sandbox, number: signal.Signals
) -> None:
    only(sandbox, "bubblewrap")

    async def inside() -> None:
        async with sleeping(sandbox) as (started, process):
            outer = own("bwrap")
            os.kill(outer, number)
            await started.cancel()
            assert not started.abandoned
            assert not is_there(process)
        assert (await run(sandbox))[:1] == HI

    asyncio.run(inside())


# ---------------------------------------------------------------- what can't be ended


def test_run_that_can_not_be_ended_gets_its_end_and_is_counted_until_it_has_gone(
    sandbox: Sandbox,
) -> None:
    only(sandbox, "strong", "bubblewrap")

    async def inside() -> None:
        async with sleeping(sandbox) as (started, process):
            with pinned(process):
                events = [asyncio.create_task(started.cancel())]
                await asyncio.wait(events, timeout=60)
                assert started.abandoned
                assert sandbox.abandoned.count == 1
                assert "1 ended run" in str(sandbox.abandoned.problem)
                assert (await run(sandbox))[:1] == HI
            await eventually(lambda: sandbox.abandoned.count == 0)
        assert sandbox.abandoned.problem is None

    asyncio.run(inside())


class Endless:
    """A place that never ends."""

    released = False

    async def close(self) -> bool:
        return False

    async def release(self) -> None:
        self.released = True


def test_no_run_starts_beside_as_many_abandoned_ones_as_may_be(sandbox: Sandbox) -> None:
    only(sandbox, "strong")
    endless = Endless()

    async def inside() -> None:
        sandbox.abandoned = AbandonedRuns(most=1)
        sandbox.abandoned.take(cast("Workspace", endless))
        with pytest.raises(SandboxUnavailableError, match="No run starts"):
            await run(sandbox)

    asyncio.run(inside())
    assert endless.released  # nothing of it is held beyond the loop


# ---------------------------------------------------------------- helpers in general


def test_sending_to_a_stopped_helper_never_waits() -> None:
    helper = Helper.spawn("import time; time.sleep(600)")
    os.kill(helper.process.pid, signal.SIGSTOP)
    assert any(not helper.send({"much": "x" * 1000}) for _ in range(100_000))
    helper.end()
    assert helper.process.returncode == -signal.SIGKILL


def test_helper_is_ended_with_its_processes() -> None:
    code = "import os, signal, time; signal.signal(15, 1); os.fork(); os.setsid; time.sleep(600)"
    helper = Helper.spawn(code)
    child = int(wait_until(lambda: below_of(helper.process.pid)))
    helper.end()
    assert not helper.alive
    wait_until(lambda: not is_there(child))


def below_of(process: int) -> str:
    with open(f"/proc/{process}/task/{process}/children") as file:
        return file.read().strip()


def test_uncancellable_work_that_never_ends_is_cancelled_in_the_end() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    async def inside() -> None:
        with pytest.raises(asyncio.CancelledError):
            await finish_despite_cancellation(endless(), 0.05)

    asyncio.run(inside())


def test_step_of_a_servers_end_that_never_ends_leaves_the_others_their_turn() -> None:
    done: list[str] = []

    async def endless() -> None:
        await asyncio.Event().wait()

    async def failing() -> None:
        raise OSError("no")

    async def good() -> None:
        done.append("good")

    async def inside() -> None:
        closing = Closing(lambda: 0.05)
        for name, work in (("one", endless), ("two", failing), ("three", good)):
            await closing.step(name, work)

    asyncio.run(inside())
    assert done == ["good"]
