"""The services of a server: a failed start leaves nothing open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from llm_agent_builder.errors import AgentBuilderError, MachineryError, StoreError
from server.isolation.child.resource_monitor import descendants
from server.keys import KeySource
from server.services import open_services
from server.settings import Settings, load_settings
from tests.support.serving import wait_until


async def start(settings: Settings) -> None:
    async with open_services(settings, KeySource({}), CollectorRegistry(), refresh=False):
        pass


def open_files(folder: Path) -> list[str]:
    """Return the files below a folder that this process has open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one by which they are listed
            found.append(os.readlink(entry))
    return [name for name in found if name.startswith(f"{folder}/")]


def break_gateway(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = folder / "bundle.pem"
    bundle.write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))


def break_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the start succeed."""


@pytest.mark.parametrize(
    ("damage", "error"), [(break_nothing, None), (break_gateway, MachineryError)]
)
def test_services_leave_no_file_and_no_process_whether_they_start_or_not(
    damage: Callable[[Path, pytest.MonkeyPatch], None],
    error: type[AgentBuilderError] | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    damage(tmp_path, monkeypatch)
    before = set(descendants(os.getpid()))
    settings = load_settings(data_dir=tmp_path / "data", preload=False)
    if error is None:
        asyncio.run(start(settings))
    else:
        with pytest.raises(error):
            asyncio.run(start(settings))
    assert (tmp_path / "data" / "runs.sqlite3").exists()
    assert open_files(tmp_path) == []
    wait_until(lambda: set(descendants(os.getpid())) <= before)


def test_data_folder_that_can_not_be_used_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="its folder is a file"):
        asyncio.run(start(load_settings(data_dir=tmp_path / "file", preload=False)))
