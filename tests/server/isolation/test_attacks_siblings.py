"""Programs that make siblings: processes whose parent is the process that started the run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.isolation.events import OutputEvent, Program, Status
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import (
    attempt_outside,
    descendants,
    end_of,
    events_of,
    sleeping_siblings,
    source,
    text_of,
)
from tests.support.serving import INSTALLED_MODEL, ServerFactory, marked_processes, wait_until

WAYS = (
    "one",
    "new_call",
    "many",
    "sleeping",
    "of_a_sibling",
    "of_a_thread",
    "of_a_grandchild",
    "after_the_end",
)


@pytest.fixture(scope="module")
def unfiltered(tier: str) -> Iterator[Sandbox]:
    """Return a sandbox without the filter against siblings: the rest must work without it."""
    found = Sandbox.probe(force=tier, without={"seccomp"}, preload=())
    assert found.report.available, found.report.reason
    yield found
    found.close()


def assert_runs(sandbox: Sandbox) -> None:
    assert run_in_sandbox("print('hi')", "", sandbox=sandbox) == "hi\n"


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("how", WAYS)
def test_run_with_siblings_ends_as_any_other(unfiltered: Sandbox, how: str) -> None:
    events = events_of(unfiltered, "clone_parent", {"how": how})
    assert end_of(events).status is Status.SUCCESS
    assert text_of(events).startswith("made [")
    assert unfiltered.abandoned.ever == 0


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("how", WAYS)
def test_run_that_tries_to_make_siblings_ends_as_any_other(tiered: Sandbox, how: str) -> None:
    events = events_of(tiered, "clone_parent", {"how": how})
    assert end_of(events).status is Status.SUCCESS
    assert tiered.abandoned.ever == 0


def test_program_does_make_a_sibling_outside(tmp_path: Path) -> None:
    found = attempt_outside(tmp_path, "clone_parent", {"how": "one"})
    assert int(found.removeprefix("made [").removesuffix("]\n")) > 0


def test_ten_runs_with_siblings_do_not_block_an_ordinary_one(unfiltered: Sandbox) -> None:
    async def all_at_once() -> None:
        code, task = source("clone_parent"), '{"how": "sleeping", "sleep": 60}'
        runs = [await unfiltered.start(Program(code, task)) for _ in range(10)]
        for run in runs:
            async for event in run.events():
                if isinstance(event, OutputEvent):
                    break
            await run.cancel()
            assert not run.abandoned

    asyncio.run(all_at_once())
    assert_runs(unfiltered)


def test_no_sibling_or_zombie_is_left(unfiltered: Sandbox) -> None:
    assert_runs(unfiltered)  # helpers are there
    name = f"sib{os.getpid()}"
    rename = f"import ctypes; ctypes.CDLL(None).prctl(15, b'{name}', 0, 0, 0)\n"
    code = rename + source("clone_parent")
    for how in ("many", "sleeping"):
        task = f'{{"how": "{how}"}}'
        assert run_in_sandbox(code, task, sandbox=unfiltered).startswith("made")
    wait_until(lambda: not [pid for pid in descendants(os.getpid()) if name_of(pid) == name])


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


def test_deleted_run_with_siblings_has_no_process_after_the_response(serve: ServerFactory) -> None:
    server = serve(AGENT_BUILDER_LOCAL_MODEL_PATH=INSTALLED_MODEL)
    mark, request = sleeping_siblings()
    with server.client() as client:
        for _ in range(5):
            run = client.post("/api/runs", json=request).json()["id"]
            wait_until(lambda: marked_processes(mark))
            assert client.delete(f"/api/runs/{run}").status_code == 204
            assert marked_processes(mark) == []
            assert client.get(f"/api/runs/{run}").json()["status"] == "cancelled"
        assert client.get("/healthz").json()["status"] == "ok"
