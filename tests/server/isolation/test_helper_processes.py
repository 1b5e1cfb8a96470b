"""The helper processes of the sandbox: hidden from runs, and gone without a trace when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from llm_agent_builder.errors import MachineryError
from server.isolation.child.resource_monitor import descendants
from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.events import OutputEvent, Program, SandboxEvent
from server.isolation.fork_server_client import ForkServerClient
from server.isolation.helper_process import Helper
from server.isolation.tiers.detection import PRELOADED, make_engine
from server.sandbox import Sandbox
from tests.support.attacking import all_events
from tests.support.gateway_client import eventually
from tests.support.processes import below, is_there
from tests.support.sandbox_runs import (
    HelperOf,
    descriptors_beside,
    output_and_end,
    probed,
)
from tests.support.serving import ServerFactory, marked_processes, wait_until


def children_of(process: int) -> list[str]:
    found: list[str] = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            found += children.read_text().split()
    return found


def helpers_of(process: int) -> dict[str, int]:
    """Return the helper processes below a process, by their modules."""
    found: dict[str, int] = {}
    for pid in children_of(process):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            for name in ("cell_maker", "fork_server"):
                if f"server.isolation.child.{name}".encode() in command:
                    found[name] = int(pid)
    return found


def test_killed_fork_server_fails_its_runs_and_those_that_wait_go_on() -> None:
    mark = f"carried-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"

    async def inside() -> str:
        with probed(preload=()) as (sandbox, helper):
            started = await sandbox.start(Program(code, "x"))
            killed = False
            try:
                async for _ in started.events():
                    if not killed:
                        killed = True
                        os.kill(helper("fork_server"), signal.SIGKILL)
            except MachineryError as error:
                failure = str(error)
            later = await all_events(sandbox, Program("print('later')", "x"))
            assert later[0] == OutputEvent("stdout", "later\n")
            return failure

    assert "fork server was killed" in asyncio.run(inside())
    assert marked_processes(mark) == []


@pytest.mark.matrix
def test_run_that_the_fork_server_had_not_started_starts_in_its_successor() -> None:
    async def inside() -> list[SandboxEvent]:
        with probed() as (sandbox, helper):
            sandbox.warm_up()  # it is loading, and takes orders meanwhile
            fork_server = helper("fork_server")
            started = await sandbox.start(Program("print('hi')", "x"))
            os.kill(fork_server, signal.SIGKILL)
            return [event async for event in started.events()]

    assert asyncio.run(inside())[0] == OutputEvent("stdout", "hi\n")


def test_killed_cell_maker_is_replaced() -> None:
    async def inside() -> list[SandboxEvent]:
        with probed(preload=()) as (sandbox, helper):
            await all_events(sandbox, Program("pass", "x"))
            killed = helper("cell_maker")
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda: not is_there(killed))
            return await all_events(sandbox, Program("print('hi')", "x"))

    assert asyncio.run(inside())[0] == OutputEvent("stdout", "hi\n")


def test_killed_server_leaves_no_process_behind(serve: ServerFactory) -> None:
    server = serve()
    mark = f"orphan-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nos.fork(); time.sleep(600)"
    with server.client() as client:
        client.post("/api/runs", json={"code": code, "task": "x"})
        wait_until(lambda: len(marked_processes(mark)) == 2)
        helpers = helpers_of(server.process.pid)
        assert set(helpers) == {"cell_maker", "fork_server"}
        server.process.kill()
    wait_until(lambda: not marked_processes(mark))
    wait_until(lambda: not any(map(is_there, helpers.values())))


def test_fork_server_has_an_empty_environment_one_thread_and_an_unprivileged_user() -> None:
    with probed() as (sandbox, helper):
        output_and_end(sandbox, "pass")
        process = Path(f"/proc/{helper('fork_server')}")
        assert (process / "environ").read_bytes() == b""
        assert len(list((process / "task").iterdir())) == 1
        uid = next(
            line.split()[1]
            for line in (process / "status").read_text().splitlines()
            if line.startswith("Uid:")
        )
        assert int(uid) != 0


def test_run_is_an_unprivileged_user_of_the_host(strong: Sandbox) -> None:
    mark = f"user-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"

    async def inside() -> int:
        started = await strong.start(Program(code, "x"))
        async for _ in started.events():
            [pid] = marked_processes(mark)
            return os.stat(f"/proc/{pid}").st_uid
        raise AssertionError("nothing came")

    assert asyncio.run(inside()) != 0


def test_nothing_accumulates_over_runs(probed_once: tuple[Sandbox, HelperOf]) -> None:
    sandbox, helper = probed_once

    def there() -> tuple[int, int, int]:
        descriptors = descriptors_beside(sandbox)
        fork_server = len(os.listdir(f"/proc/{helper('fork_server')}/fd"))
        return descriptors, fork_server, len(children_of(helper("cell_maker")))

    async def many() -> None:
        for _ in range(20):
            await all_events(sandbox, Program("print('hi')", "x"))

    asyncio.run(many())
    before = there()
    asyncio.run(many())
    wait_until(lambda: all(now <= then for now, then in zip(there(), before, strict=True)))


def members_of_group(group: int) -> list[str]:
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has ended meanwhile
            stats.append(path.read_text())
    return [stat for stat in stats if int(stat.rpartition(")")[2].split()[2]) == group]


@pytest.mark.parametrize("stopped", [False, True])
def test_fork_server_that_still_loads_is_ended_at_once_and_leaves_no_process(stopped: bool) -> None:
    others = descendants(os.getpid())  # of sandboxes that tests share
    warm = ForkServerClient(PRELOADED, BASE_ENVIRONMENT)
    warm.start()
    loading = below(os.getpid(), "server.isolation.child.fork_server", besides=others)
    if stopped:
        os.kill(loading, signal.SIGSTOP)
    warm.end()
    assert not warm.alive
    wait_until(lambda: not members_of_group(loading))


def test_helper_that_can_not_be_started_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MachineryError, match="can't start a helper"):
        Helper.spawn("", command=["/no/such/program"])
    assert len(os.listdir("/proc/self/fd")) == before


def test_repair_that_ends_after_the_sandbox_closed_starts_no_process(tier: str) -> None:
    engine = make_engine(tier, preload=())
    engine.start()
    engine.close()
    before = set(descendants(os.getpid()))
    with contextlib.suppress(MachineryError):
        engine.start()
    assert set(descendants(os.getpid())) <= before
