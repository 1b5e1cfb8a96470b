"""Sandboxes of each tier, and one with helper processes of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.sandbox import Sandbox
from tests.support.sandbox_runs import HelperOf, Runner, probed, runner_in


@pytest.fixture
def sandbox(tiered: Sandbox) -> Sandbox:
    """Return the sandbox of each tier in turn."""
    return tiered


@pytest.fixture
def run(sandbox: Sandbox) -> Runner:
    """Run code and return the result of `run_in_sandbox`."""
    return runner_in(sandbox)


@pytest.fixture
def run_with_sdks(sandbox: Sandbox) -> Iterator[Runner]:
    """Do the same with preloaded SDKs on every tier, as in a server."""
    loaded = sandbox
    if sandbox.report.tier == "bubblewrap":
        loaded = Sandbox.probe(force="bubblewrap")
    yield runner_in(loaded)
    if loaded is not sandbox:
        loaded.close()


@pytest.fixture(scope="module")
def probed_once() -> Iterator[tuple[Sandbox, HelperOf]]:
    """Return a sandbox of the tier `strong`, and what finds its helpers."""
    with probed() as found:
        yield found


@pytest.fixture
def strong(probed_once: tuple[Sandbox, HelperOf]) -> Sandbox:
    """Return a sandbox of the tier `strong` that the tests of a module share."""
    return probed_once[0]
