"""Hostile programs that would leave something behind, on every tier."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.isolation.events import ExitEvent, Program, Status
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import (
    ATTACKS,
    attempt_outside,
    end_of,
    events_of,
    mounts,
    open_descriptors,
    processes_named,
    source,
    text_of,
)
from tests.support.serving import wait_until


def test_process_that_forked_twice_and_ignores_signals_ends_with_its_run(tiered: Sandbox) -> None:
    name = f"left{os.getpid()}"
    events = events_of(tiered, "leave_daemons", name)
    assert text_of(events).startswith("left them")
    wait_until(lambda: not processes_named(name))


def test_leaving_program_does_leave_processes_outside(tmp_path: Path) -> None:
    name = f"out{os.getpid()}"
    attempt_outside(tmp_path, "leave_daemons", name)
    try:
        wait_until(lambda: len(processes_named(name)) == 3)
    finally:
        for pid in processes_named(name):
            os.kill(pid, 9)


@pytest.mark.parametrize("end", ["cancelled", "timeout", "abandoned"])
def test_nothing_is_left_of_a_run_that_is_ended(tiered: Sandbox, end: str) -> None:
    name = f"end{os.getpid()}{end[0]}"

    async def inside() -> tuple[int, int, int, int]:
        warm = await tiered.start(Program("", ""))
        async for _ in warm.events():
            pass
        before = (open_descriptors(), mounts())
        code = source("leave_daemons") + "time.sleep(60)\n"
        limits = Limits(wall_s=0.7 if end == "timeout" else 20)
        run = await tiered.start(Program(code, name, limits))
        async for event in run.events():
            if end == "abandoned":
                break
            if end == "cancelled":
                run.request_cancel()
            if isinstance(event, ExitEvent):
                assert event.status == Status(end)
        await run.cancel()
        return (*before, open_descriptors(), mounts())

    found = asyncio.run(inside())
    wait_until(lambda: not processes_named(name))
    assert found[3] <= found[1]
    assert found[2] <= found[0] + 6  # places may have been prepared meanwhile


@pytest.mark.parametrize("code", [0, 3])
def test_outcome_can_not_be_forged(tiered: Sandbox, code: int) -> None:
    events = events_of(tiered, "forge_output", str(code))
    assert end_of(events).status == (Status.SUCCESS if code == 0 else Status.ERROR)
    assert end_of(events).returncode == code
    kinds = {type(event).__name__ for event in events}
    assert kinds == {"OutputEvent", "ExitEvent"}
    text = text_of(events)
    assert "<script>alert(1)</script>\r\n" in text  # not escaped: that is the client's task
    assert "\ufffd\ufffd\ufffd" in text
    assert 'event: exit\ndata: {"status": "success"}' in text


@pytest.mark.parametrize("kind", ["[]", "{}", "null", "7", '"file"', "[[1], {}]"])
def test_mark_of_any_shape_leaves_the_run_its_end(tiered: Sandbox, kind: str) -> None:
    mark = f'{{"denied": [{kind}, "x"]}}'
    code = f"import os\nos.write(255, {mark.encode()!r})\nraise SystemExit(1)\n"
    assert "error: exit code 1" in run_in_sandbox(code, "", sandbox=tiered)


def test_forging_program_does_write_on_a_descriptor_that_it_finds() -> None:
    read, write = os.pipe()
    with open(read, "rb") as found:
        command = [sys.executable, str(ATTACKS / "forge_output.py"), "--task", "3"]
        # A fresh process: it can write only to the descriptors that it gets here.
        done = subprocess.run(command, pass_fds=[write], capture_output=True, check=False)
        os.close(write)
        assert b'{"exit": {"returncode": 0, "cause": null}}\n' in found.read()
    assert (done.returncode, b'"status": "success"' in done.stdout) == (3, True)


def test_segmentation_fault_is_the_programs_own_end(tiered: Sandbox) -> None:
    events = events_of(tiered, "crash")
    assert end_of(events).status is Status.ERROR
    assert (end_of(events).returncode, end_of(events).reason) == (139, "killed by SIGSEGV")
    assert text_of(events).startswith("before\n")
