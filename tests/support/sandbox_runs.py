"""Runs programs in a sandbox and collects what comes, and finds the helpers of a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from server.isolation.child.resource_monitor import descendants
from server.isolation.events import ExitEvent, OutputEvent, Program, SandboxEvent
from server.limits import Limits
from server.sandbox import Sandbox, run_in_sandbox
from tests.support.attacking import all_events, open_descriptors
from tests.support.processes import below
from tests.support.serving import wait_until

Runner = Callable[..., str]


def runner_in(sandbox: Sandbox) -> Runner:
    def runner(code: str, task: str = "task", **limits: float) -> str:
        return run_in_sandbox(code, task, limits=Limits(**limits), sandbox=sandbox)  # type: ignore[arg-type]

    return runner


def leftovers() -> set[str]:
    """Return the existing scratch folders."""
    return {path.name for path in Path("/tmp").glob(f"agent-run-{os.getpid()}-*")}


def collect(
    sandbox: Sandbox,
    program: Program,
    *,
    until: Callable[[list[SandboxEvent]], object] | None = None,
) -> list[SandboxEvent]:
    """Run a program and return its events; cancel it once `until` is true of those so far."""

    async def inside() -> list[SandboxEvent]:
        started = await sandbox.start(program)
        seen: list[SandboxEvent] = []
        async for event in started.events():
            seen.append(event)
            if until is not None and until(seen):
                started.request_cancel()
        return seen

    return asyncio.run(inside())


def descriptors_beside(sandbox: Sandbox) -> int:
    """Return how many descriptors this process has, once the sandbox has prepared its cells."""
    engine: Any = sandbox._engine
    if sandbox.report.tier != "landlock":  # which prepares none
        wait_until(lambda: len(engine._pool) == engine._pool_size)
    return open_descriptors()


HelperOf = Callable[[str], int]
"""Returns the process id of a sandbox's helper by its module, once it is running."""


@contextlib.contextmanager
def probed(**options: Any) -> Iterator[tuple[Sandbox, HelperOf]]:
    """Probe a sandbox of the tier that prepares cells, and find its own helpers.

    Other tests of this process may share sandboxes, which have helpers of the same names.
    """
    others = descendants(os.getpid())
    found = Sandbox.probe(force="strong", **options)
    try:
        assert found.report.available, found.report.reason
        yield (
            found,
            lambda name: below(os.getpid(), f"server.isolation.child.{name}", besides=others),
        )
    finally:
        found.close()


def output_and_end(sandbox: Sandbox, code: str, **limits: float) -> tuple[str, ExitEvent]:
    """Run a program; return what it printed on standard output, and its end."""
    limited = Limits(**limits)  # type: ignore[arg-type]
    events = asyncio.run(all_events(sandbox, Program(code, "x", limited)))
    shown = [e.text for e in events if isinstance(e, OutputEvent) and e.stream == "stdout"]
    assert isinstance(events[-1], ExitEvent)
    return "".join(shown), events[-1]
