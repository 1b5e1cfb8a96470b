"""The sandbox: runs untrusted programs, streams their events, and leaves nothing behind.

The interface is `Sandbox.start(program)`, `SandboxRun.events()` and `SandboxRun.cancel()`; callers
never see processes. `run_in_sandbox` does all this in one blocking call.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Collection

from llm_agent_builder.errors import SandboxUnavailableError
from server.isolation.abandoned import AbandonedRuns
from server.isolation.engine import Engine
from server.isolation.events import DeniedEvent, LimitEvent, OutputEvent, Program, Status
from server.isolation.sandbox_run import SandboxRun
from server.isolation.tiers.detection import PRELOADED, TierReport, make_engine, probe_tier
from server.limits import Limits
from server.settings import load_settings

__all__ = ["Sandbox", "SandboxRun", "run_in_sandbox"]


class Sandbox:
    """Starts programs under one tier. Its helper processes end when it is closed."""

    def __init__(
        self, report: TierReport, *, ready: int = 4, preload: Collection[str] = PRELOADED
    ) -> None:
        """Create a sandbox that prepares `ready` cells in advance, if its tier supports that.

        `preload` names the modules that the fork server imports before the programs do.
        """
        self.report = report
        self.abandoned = AbandonedRuns()
        self._engine: Engine = make_engine(report.tier, ready=ready, preload=preload)
        self._finalizer = weakref.finalize(self, self._engine.close)

    @classmethod
    def probe(
        cls,
        *,
        force: str | None = None,
        allow_weak: bool = False,
        without: Collection[str] = (),
        ready: int = 4,
        preload: Collection[str] = PRELOADED,
    ) -> Sandbox:
        """Find the strongest tier that works on this machine, or try the one that is forced.

        Never raises on a machine without isolation: the report says why, and `start` refuses.
        `without` disables layers to show what they prevent; a server never uses it.
        """
        report = probe_tier(force=force, allow_weak=allow_weak, without=without)
        return cls(report, ready=ready, preload=preload)

    def require_available(self) -> None:
        """Raise SandboxUnavailableError if no run can start now; the message says how to fix it."""
        if not self.report.available:
            reason = self.report.reason or "no sandbox is available on this machine"
            raise SandboxUnavailableError(reason)
        if self.abandoned.full:
            raise SandboxUnavailableError(self.abandoned.problem or "too many runs can't be ended")

    def warm_up(self) -> None:
        """Start the helper processes now, not with the first run.

        Raises:
            MachineryError: they could not be started.

        """
        if self.report.available:
            self._engine.start()

    def close(self) -> None:
        """End the helper processes and all running programs."""
        self._engine.close()

    async def start(self, program: Program) -> SandboxRun:
        """Start `program` and return its run.

        Raises:
            SandboxUnavailableError: no accepted tier works on this machine; says how to fix it.
            MachineryError: the run could not be started.

        """
        self.require_available()
        run = SandboxRun(program, self.abandoned)
        await run.launch(self._engine, self.report.child_layers)
        return run


def run_in_sandbox(
    code: str,
    task: str,
    *,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
) -> str:
    """Run `code` as `agent.py --task TASK`; return its output, both streams in order of arrival.

    Unless the program succeeded, a line with the outcome follows. The program has no network: to
    reach a model, run it through the server or `llm-agent-builder run`. Blocks until the run ends;
    it may be called from a thread with a running event loop.

    Raises:
        SandboxUnavailableError: no accepted tier works on this machine; says how to fix it.
        MachineryError: the sandbox itself failed, not the program.

    """
    program = Program(code, task, limits or Limits())
    result: list[str | BaseException] = []

    def work() -> None:
        try:
            result.append(asyncio.run(_collect(program, sandbox or _default_sandbox())))
        except BaseException as error:
            result.append(error)

    # A new thread, because the caller's may have a running event loop.
    thread = threading.Thread(target=work, name="run_in_sandbox")
    thread.start()
    thread.join()
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def _default_sandbox() -> Sandbox:
    settings = load_settings()
    return Sandbox.probe(force=settings.sandbox_tier, allow_weak=settings.allow_weak_sandbox)


async def _collect(program: Program, sandbox: Sandbox) -> str:
    run = await sandbox.start(program)
    text, notes, limit = "", "", ""
    async for event in run.events():
        if isinstance(event, OutputEvent):
            text += event.text
        elif isinstance(event, LimitEvent):
            limit = event.message
        elif isinstance(event, DeniedEvent):
            notes += f"denied: {event.message}\n"
        elif event.status is not Status.SUCCESS:
            notes += f"{event.status}: {limit or event.reason}\n"
    return text + ("\n" if notes and text and not text.endswith("\n") else "") + notes
