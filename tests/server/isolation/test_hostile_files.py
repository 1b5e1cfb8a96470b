"""Collecting files from a folder that a hostile program has left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.isolation.events import ExitEvent, OutputEvent, Program, SandboxEvent
from server.isolation.files import MAX_FILES, name_problem
from server.limits import Limits
from server.sandbox import Sandbox

ATTACKS = Path(__file__).parents[2] / "attacks"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return the sandbox of this machine."""
    found = Sandbox.probe(preload=())
    yield found
    found.close()


def test_hostile_folder_is_read_within_limits_and_nothing_outside_it(
    sandbox: Sandbox,
) -> None:
    code = (ATTACKS / "leave_hostile_files.py").read_text("utf-8")

    async def inside() -> list[SandboxEvent]:
        run = await sandbox.start(Program(code, "", Limits(wall_s=30)))
        return [event async for event in run.events()]

    *events, last = asyncio.run(asyncio.wait_for(inside(), 90))
    assert "left\n" in [event.text for event in events if isinstance(event, OutputEvent)]
    assert isinstance(last, ExitEvent)
    assert 0 < len(last.files) <= MAX_FILES
    assert {file.content for file in last.files} <= {b"", b"mine"}
    assert all(name_problem(file.name) is None for file in last.files)
    assert any("links" in each.reason for each in last.files_left_out)
