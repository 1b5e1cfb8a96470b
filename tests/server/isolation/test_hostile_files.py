"""Collecting files from a folder that a hostile program has left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from server.isolation.events import ExitEvent, OutputEvent
from server.isolation.files import MAX_FILES, name_problem
from server.limits import Limits
from server.sandbox import Sandbox
from tests.support.attacking import watch


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Return the sandbox of this machine."""
    found = Sandbox.probe(preload=())
    yield found
    found.close()


def test_hostile_folder_is_read_within_limits_and_nothing_outside_it(
    sandbox: Sandbox,
) -> None:
    reading = watch(sandbox, "leave_hostile_files", limits=Limits(wall_s=30))
    *events, last = asyncio.run(asyncio.wait_for(reading, 90))
    assert "left\n" in [event.text for event in events if isinstance(event, OutputEvent)]
    assert isinstance(last, ExitEvent)
    assert 0 < len(last.files) <= MAX_FILES
    assert {file.content for file in last.files} <= {b"", b"mine"}
    assert all(name_problem(file.name) is None for file in last.files)
    assert any("links" in each.reason for each in last.files_left_out)
