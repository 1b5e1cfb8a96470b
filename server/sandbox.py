"""The sandbox: runs programs that nobody has read, streams what they do, leaves nothing behind.

The interface is `Sandbox.start(program)`, `SandboxRun.events()` and `SandboxRun.cancel()`; nothing
above knows of processes. `run_in_sandbox` is the same in one blocking call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_agent_builder.errors import MachineryError, SandboxUnavailableError
from server import forkserver
from server.confine import Limits
from server.denials import denied_message
from server.listening import listen_without_delay
from server.output import OutputBuffer, open_reader, pump
from server.run_events import (
    DeniedEvent,
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    SandboxEvent,
    Status,
    limit_message,
)
from server.run_files import Collected, collect_files, place_files
from server.scratch import make_scratch, remove_tree
from server.settings import load_settings
from server.task_cap import make_group, remove_group
from server.tiers import TierReport, probe_tier

_DRAIN_S = 1.0
"""How long the pipes may stay open after the keeper's report."""
_OVERDUE_S = 5.0
"""How long after the wall-clock limit the keeper may take to report."""


class Sandbox:
    """Starts programs under one tier."""

    def __init__(self, report: TierReport) -> None:
        self.report = report

    @classmethod
    def probe(cls, *, force: str | None = None, allow_weak: bool = False) -> Sandbox:
        """Find the strongest tier this machine offers, or try the one that is forced.

        Never raises for a weak machine: the report says so, and `start` refuses.
        """
        return cls(probe_tier(force=force, allow_weak=allow_weak))

    def require_available(self) -> None:
        """Raise SandboxUnavailableError where the server runs no code; it says how to mend that."""
        if not self.report.available:
            raise SandboxUnavailableError(self.report.reason or "there is no sandbox here")

    async def start(self, program: Program) -> SandboxRun:
        """Start `program` and return its run.

        Raises:
            SandboxUnavailableError: there is no tier that the server accepts; says how to mend it.
            MachineryError: the run could not be started.

        """
        self.require_available()
        run = SandboxRun(program, self.report.child_layers)
        await run.launch()
        return run


class SandboxRun:
    """One program under way. Read `events()` to its end; leaving it early cancels the run."""

    def __init__(self, program: Program, layers: tuple[str, ...]) -> None:
        self._program = program
        self._layers = layers
        self._queue: asyncio.Queue[SandboxEvent | MachineryError] = asyncio.Queue()
        self._output = OutputBuffer(self._queue.put_nowait)
        self._stop = asyncio.Event()
        self._over_output = False
        self._started = time.monotonic()
        self._scratch = ""
        self._collected = Collected((), ())
        self._group: str | None = None
        self._port: int | None = None
        self._environment: Mapping[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    async def launch(self) -> None:
        """Start the process. Called once, by `Sandbox.start`.

        Raises:
            MachineryError: there is no room, no process or no pipe to be had.

        """
        try:
            self._scratch = make_scratch()
            code = self._program.code.encode("utf-8", "surrogatepass")
            Path(self._scratch, "agent.py").write_bytes(code)
            folder = os.open(self._scratch, os.O_RDONLY | os.O_DIRECTORY)
            try:
                place_files(folder, self._program.files)
            finally:
                os.close(folder)
            name = os.path.basename(self._scratch)
            self._group = make_group(name, self._program.limits.processes)
            await self._open_way_out()
            child = forkserver.launch()
        except OSError as error:
            remove_tree(self._scratch)
            raise MachineryError(f"can't write the program: {error.strerror}") from error
        except MachineryError:
            remove_group(self._group)
            remove_tree(self._scratch)
            raise
        self._task = asyncio.create_task(self._run(child))

    async def _open_way_out(self) -> None:
        if self._program.way_out is None:
            return
        listener = listen_without_delay("127.0.0.1", 0)
        self._port = listener.getsockname()[1]
        self._environment = await self._program.way_out(listener)

    async def events(self) -> AsyncIterator[SandboxEvent]:
        """Yield what happens, as it happens; the last is an `ExitEvent`.

        Raises:
            MachineryError: the sandbox itself failed; the program is not to blame.

        """
        try:
            while True:
                event = await self._queue.get()
                if isinstance(event, MachineryError):
                    raise event
                yield event
                if isinstance(event, ExitEvent):
                    return
        finally:
            await self.cancel()

    async def cancel(self) -> None:
        """End the run if it is still going; returns when nothing of it is left."""
        self.request_cancel()
        if self._task is not None:
            await asyncio.shield(self._task)

    def request_cancel(self) -> None:
        """Have the run end soon; `events()` goes on to its last event."""
        self._stop.set()

    async def _run(self, child: forkserver.Child) -> None:
        report: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self._program.limits.wall_s + _OVERDUE_S):
                await self._converse(child, report)
        except TimeoutError:
            # The keeper had no turn, which is the program's doing: it is ended from here.
            _kill_group(report.get("started"))
            report.setdefault("exit", {"returncode": 128 + signal.SIGKILL, "cause": "wall"})
        except Exception as error:
            report["failed"] = f"the run's pipes failed: {error}"
        finally:  # also when the event loop is being ended
            try:
                await asyncio.to_thread(self._clean_up, child, report)
            finally:  # whatever could not be cleaned up: a reader waits for the end
                self._output.flush()
                self._finish(report)

    async def _converse(self, child: forkserver.Child, report: dict[str, Any]) -> None:
        """Give the keeper its job and take what comes, until its report has ended."""
        loop = asyncio.get_running_loop()
        control, _ = await loop.connect_write_pipe(
            asyncio.Protocol, os.fdopen(child.control, "wb", buffering=0)
        )
        readers = [await open_reader(fd) for fd in (child.report, child.stdout, child.stderr)]
        (lines, _), (stdout, _), (stderr, _) = readers
        limit = self._program.limits.output_kib * 1024
        options: dict[str, Any] = {"limit": limit, "on_limit": self._output_limit}
        stopper = asyncio.create_task(self._close_when_stopped(control))
        pumps = asyncio.gather(
            pump(stdout, "stdout", self._output, **options),
            pump(stderr, "stderr", self._output, **options),
        )
        try:
            control.write(json.dumps(self._job()).encode() + b"\n")
            async for line in lines:
                report.update(json.loads(line))
            await asyncio.wait([pumps], timeout=_DRAIN_S)
        finally:
            pumps.cancel()
            stopper.cancel()
            _abort(control)
            for _, transport in readers:
                transport.close()
            await asyncio.gather(pumps, stopper, return_exceptions=True)

    async def _close_when_stopped(self, control: asyncio.WriteTransport) -> None:
        await self._stop.wait()
        _abort(control)  # the keeper ends the tree when its control pipe ends

    def _output_limit(self) -> None:
        self._over_output = True
        self._stop.set()

    def _job(self) -> dict[str, Any]:
        return {
            "program": os.path.join(self._scratch, "agent.py"),
            "task": self._program.task,
            "scratch": self._scratch,
            "environment": {
                "HOME": self._scratch,
                "TMPDIR": self._scratch,
                "LANG": "C.UTF-8",
                "PATH": "/usr/bin:/bin",
                **self._environment,
            },
            "limits": asdict(self._program.limits),
            "layers": list(self._layers),
            "port": self._port,
            "group": self._group,
        }

    def _clean_up(self, child: forkserver.Child, report: Mapping[str, Any]) -> None:
        """Leave no process and no file of the run, whatever has happened."""
        try:
            child.process.wait(_OVERDUE_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        if child.process.returncode != 0:
            _kill_group(report.get("started"))  # a keeper that was killed could not do it
        remove_group(self._group)
        with contextlib.suppress(OSError):
            os.chmod(self._scratch, 0o700)
            folder = os.open(self._scratch, os.O_RDONLY | os.O_DIRECTORY)
            try:
                self._collected = collect_files(folder, self._program.files)
            finally:
                os.close(folder)
        remove_tree(self._scratch)

    def _finish(self, report: Mapping[str, Any]) -> None:
        if "exit" not in report or "failed" in report:
            reason = report.get("failed", "the run's keeper was killed")
            self._queue.put_nowait(MachineryError(f"the sandbox failed: {reason}"))
            return
        returncode: int = report["exit"]["returncode"]
        cause: str | None = report["exit"]["cause"]
        if self._over_output and cause in {None, "stop"}:
            cause = "output"
        status, reason = self._outcome(returncode, cause)
        if status in {Status.LIMIT, Status.TIMEOUT} and cause:
            self._queue.put_nowait(LimitEvent(cause, limit_message(cause, self._program.limits)))
        if report["exit"].get("denied"):
            kind, subject = report["exit"]["denied"]
            self._queue.put_nowait(DeniedEvent(kind, denied_message(kind, subject)))
        first = self._output.first_output
        self._queue.put_nowait(
            ExitEvent(
                status,
                returncode,
                reason,
                duration=time.monotonic() - self._started,
                time_to_first_output=first - self._started if first else None,
                files=self._collected.files,
                files_left_out=self._collected.left_out,
            )
        )

    def _outcome(self, returncode: int, cause: str | None) -> tuple[Status, str | None]:
        if cause == "stop":
            return Status.CANCELLED, "cancelled"
        if cause:
            return Status.TIMEOUT if cause == "wall" else Status.LIMIT, cause
        if returncode == 0:
            return Status.SUCCESS, None
        if returncode > 128 and (name := _signal_name(returncode - 128)):
            return Status.ERROR, f"killed by {name}"
        return Status.ERROR, f"exit code {returncode}"


def _abort(transport: asyncio.WriteTransport) -> None:
    if not transport.is_closing():  # the other side may have closed it
        transport.abort()


def _signal_name(number: int) -> str | None:
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _kill_group(group: int | None) -> None:
    if group is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def run_in_sandbox(
    code: str,
    task: str,
    *,
    limits: Limits | None = None,
    sandbox: Sandbox | None = None,
) -> str:
    """Run `code` as `agent.py --task TASK` and return what it printed, both streams as they came.

    One line naming the outcome follows unless the program succeeded. It has no way out: to reach a
    model, run it through the server or `llm-agent-builder run`. Blocks for as long as the run
    takes; call it from a thread where an event loop runs.

    Raises:
        SandboxUnavailableError: there is no tier that the settings accept; says how to mend it.
        MachineryError: the sandbox failed; the program is not to blame.

    """
    program = Program(code, task, limits or Limits())
    result: list[str | BaseException] = []

    def work() -> None:
        try:
            result.append(asyncio.run(_collect(program, sandbox or _default_sandbox())))
        except BaseException as error:
            result.append(error)

    # A thread of its own, so that it works in a thread whose event loop is running, too.
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
