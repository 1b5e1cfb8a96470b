"""The workers that wait in bwrap's cells: whether they have loaded the SDKs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.isolation.events import Program
from server.limits import Limits
from server.sandbox import Sandbox
from tests.support.attacking import descendants
from tests.support.serving import marked_processes, wait_until


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return a sandbox without prepared workers."""
    found = Sandbox.probe(force="bubblewrap")
    assert found.report.available, found.report.reason
    yield found
    found.close()


def has_sdks(process: int) -> bool:
    """Return whether a process has the compiled part of an SDK in memory."""
    try:
        return "/pydantic_core/" in Path(f"/proc/{process}/maps").read_text()
    except OSError:  # it has ended
        return False


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize(("memory_mib", "loaded"), [(512, False), (64, True)])
def test_first_run_waits_for_sdks_only_if_they_exceed_its_memory(
    sandbox: Sandbox, memory_mib: int, loaded: bool
) -> None:
    mark = f"supervisor-{time.monotonic_ns()}"
    code = f"import os, time\nos.mkdir('{mark}'); os.chdir('{mark}')\nprint(1)\ntime.sleep(60)"

    async def inside() -> bool:
        started = await sandbox.start(Program(code, "x", Limits(memory_mib=memory_mib)))
        async for _ in started.events():
            [process] = marked_processes(mark)
            return has_sdks(parent_of(int(process)))
        raise AssertionError("nothing came")

    assert asyncio.run(inside()) is loaded


def test_sdks_are_loaded_while_no_run_comes(sandbox: Sandbox) -> None:
    sandbox.warm_up()
    wait_until(lambda: any(map(has_sdks, descendants(os.getpid()))))
