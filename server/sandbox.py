"""The sandbox: runs programs that nobody has read, streams what they do, leaves nothing behind.

The interface is `Sandbox.start(program)`, `SandboxRun.events()` and `SandboxRun.cancel()`; nothing
above knows of processes. `run_in_sandbox` is the same in one blocking call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from llm_agent_builder.errors import MachineryError, SandboxUnavailableError
from server.isolation.abandoned import AbandonedRuns
from server.isolation.background_work import finish_despite_cancellation, in_thread
from server.isolation.child.cell_root import TEMPORARY_NAME
from server.isolation.child.denials import decode_denial
from server.isolation.child.libc import as_user
from server.isolation.child.run_program import FILE_SIZE, FULL
from server.isolation.denial_messages import denied_message
from server.isolation.engine import (
    Engine,
    ExitInfo,
    GivenDescriptors,
    LaunchOrder,
    Workspace,
    failure_in,
    new_job_file,
    write_program,
)
from server.isolation.environment import BASE_ENVIRONMENT
from server.isolation.events import (
    DeniedEvent,
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    SandboxEvent,
    Status,
    StreamName,
    WayOut,
    limit_message,
)
from server.isolation.files import PROGRAM, Collected, collect_files, place_files
from server.isolation.outcomes import limit_of, outcome_of, returncode_of
from server.isolation.output import OutputBuffer, Pump
from server.isolation.tiers.probe import PRELOADED, TierReport, make_engine, probe_tier, with_advice
from server.limits import Limits
from server.settings import load_settings

_DRAIN_S = 1.0
"""How long the pipes may stay open after everything in the place has ended."""
_MARK_BYTES = 4096
_COLLECT_S = 10.0
"""For reading the files of a run; `isolation/files.py` stops after a second if the disk answers."""
_WAY_OUT_S = 30.0
_NOT_ENDED = "its processes could not be killed, and the sandbox goes on trying"


class Sandbox:
    """Starts programs under one tier. Its helper processes end with it."""

    def __init__(
        self, report: TierReport, *, ready: int = 4, preload: Collection[str] = PRELOADED
    ) -> None:
        """`ready` places are kept prepared, where the tier prepares them.

        Modules that `preload` doesn't name, programs load themselves.
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
        """Find the strongest tier this machine offers, or try the one that is forced.

        Never raises for a weak machine: the report says so, and `start` refuses. `without` is for
        showing what a layer does (`doctor --attack`), never for serving.
        """
        report = probe_tier(force=force, allow_weak=allow_weak, without=without)
        return cls(report, ready=ready, preload=preload)

    def require_available(self) -> None:
        """Raise SandboxUnavailableError where no run can start now; it says how to fix that."""
        if not self.report.available:
            raise SandboxUnavailableError(self.report.reason or "there is no sandbox here")
        if self.abandoned.full:
            raise SandboxUnavailableError(self.abandoned.problem or "too many runs can't be ended")

    def warm_up(self) -> None:
        """Start the helper processes, which the first run would do otherwise.

        Raises:
            MachineryError: they could not be started.

        """
        if self.report.available:
            self._engine.start()

    def close(self) -> None:
        """End the helper processes, and what still runs by them."""
        self._engine.close()

    async def start(self, program: Program) -> SandboxRun:
        """Start `program` and return its run.

        Raises:
            SandboxUnavailableError: there is no tier that the server accepts; says how to fix it.
            MachineryError: the run could not be started.

        """
        self.require_available()
        run = SandboxRun(program, self.abandoned)
        await run.launch(self._engine, self.report.child_layers)
        return run


class SandboxRun:
    """One program under way. Read `events()` to its end; leaving it early cancels the run."""

    def __init__(self, program: Program, abandoned: AbandonedRuns) -> None:
        self._program = program
        self._abandoned_places = abandoned
        self.abandoned = False
        """Whether its processes could not be ended."""
        self._queue: asyncio.Queue[SandboxEvent | MachineryError] = asyncio.Queue()
        self._output = OutputBuffer(self._queue.put_nowait)
        self._stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._started = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._pumps: tuple[Pump, ...] = ()
        self._mark = -1
        self._job = -1
        self._told: set[str] = set()
        self._bounded = False

    async def launch(self, engine: Engine, layers: tuple[str, ...]) -> None:
        """Start the process. Called once, by `Sandbox.start`.

        Raises:
            MachineryError: there is no room, no process or no pipe to be had.

        """
        try:
            place = await engine.workspace(self._program.limits)
        except OSError as error:
            raise MachineryError(f"the run can't be started: {error.strerror or error}") from error
        try:
            place.on_limit = self._notice
            self._bounded = place.bounded
            await self._start_in(place, layers)
        except BaseException as error:
            await finish_despite_cancellation(self._abandon(place))
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
                raise MachineryError(f"the run can't be started: {reason}") from error
            raise
        self._task = asyncio.create_task(self._run(place))

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
        self._request("stop")

    # ------------------------------------------------------------ start

    async def _start_in(self, place: Workspace, layers: tuple[str, ...]) -> None:
        code = self._program.code.encode("utf-8", "surrogatepass")
        with as_user(place.owner):
            write_program(place.folder, code)
            place_files(place.folder, self._program.files)
        environment: Mapping[str, str] = {}
        if self._program.way_out is not None:
            environment = await self._way_out(self._program.way_out, place.listener())
        order = LaunchOrder(
            program=f"{place.scratch}/{PROGRAM}",
            task=self._program.task,
            environment={
                **BASE_ENVIRONMENT,
                "HOME": place.scratch,
                "TMPDIR": f"{place.scratch}/{TEMPORARY_NAME}",
                **environment,
            },
            limits=self._program.limits,
            layers=layers,
        )
        self._job = new_job_file()
        await place.start(order, self._open_pipes())

    async def _way_out(self, open_it: WayOut, listener: socket.socket) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(_WAY_OUT_S):
                return await open_it(listener)
        except TimeoutError:
            raise MachineryError("the run's way out could not be opened in time") from None

    def _open_pipes(self) -> GivenDescriptors:
        with contextlib.ExitStack() as opened:
            stdout = self._open_pump("stdout", opened)
            stderr = self._open_pump("stderr", opened)
            self._mark, mark = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._mark, False)
            opened.pop_all()  # from here on they are the place's
            return GivenDescriptors(stdout, stderr, mark, self._job)

    def _open_pump(self, stream: StreamName, opened: contextlib.ExitStack) -> int:
        """Begin to read one of the streams; return the end that is to be written on."""
        read, write = os.pipe2(os.O_CLOEXEC)
        opened.callback(os.close, write)
        limit = self._program.limits.output_kib * 1024
        pump = Pump(read, stream, self._output, limit=limit, on_limit=self._over_output)
        self._pumps += (pump,)
        return write

    async def _abandon(self, place: Workspace) -> None:
        for pump in self._pumps:
            pump.close()
        if await place.close():
            await place.release()
        else:
            self._give_up(place)
        self._close_files()

    def _give_up(self, place: Workspace) -> None:
        """Leave a place whose processes can't be ended to whoever tries on."""
        self.abandoned = True
        self._abandoned_places.take(place)

    # ------------------------------------------------------------ on the way

    def _request(self, cause: str) -> None:
        if not self._stop.done():
            self._stop.set_result(cause)

    def _over_output(self) -> None:
        self._request("output")

    def _notice(self, kind: str) -> None:
        """Tell, once, of a limit that was met and doesn't end the run."""
        if kind not in self._told:
            self._told.add(kind)
            message = limit_message(kind, self._program.limits)
            self._queue.put_nowait(LimitEvent(kind, message))

    async def _run(self, place: Workspace) -> None:
        ended: ExitInfo | MachineryError = MachineryError("the run was abandoned")
        try:
            ended = await self._until_ended(place)
        finally:  # also when the event loop is being ended
            await finish_despite_cancellation(self._settle(place, ended))

    async def _settle(self, place: Workspace, ended: ExitInfo | MachineryError) -> None:
        """Leave nothing of the run, take what it left, and tell how it ended."""
        collected = Collected((), ())
        try:
            gone = await place.close()
            ended = self._failure() or ended
            await self._drain()
            if gone:
                self._look_at_scratch(place)
                collected = await self._collect(place)
            else:
                self._give_up(place)
        except Exception as error:
            ended = _failed(error)
        try:
            for pump in self._pumps:
                pump.close()
            if not self.abandoned:
                await place.release()
        except Exception as error:
            ended = _failed(error)
        self._output.flush()
        try:
            self._finish(ended, self._read_mark(), collected)
        except Exception as error:  # or whoever reads the events would wait for ever
            self._queue.put_nowait(_failed(error))
        finally:
            self._close_files()
            self._let_go_of(place)

    async def _until_ended(self, place: Workspace) -> ExitInfo | MachineryError:
        either: set[asyncio.Future[Any]] = {place.ended, self._stop}
        await asyncio.wait(
            either,
            timeout=self._started + self._program.limits.wall_s - time.monotonic(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if place.ended.done():
            error = place.ended.exception()
            if error is None:
                return place.ended.result()
            return error if isinstance(error, MachineryError) else MachineryError(str(error))
        return ExitInfo(limit=self._stop.result() if self._stop.done() else "wall")

    def _let_go_of(self, place: Workspace) -> None:
        """End the circles of references, or a run's output would wait for the collector."""
        place.on_limit = lambda kind: None
        self._pumps = ()

    def _failure(self) -> MachineryError | None:
        failure = failure_in(self._job)
        return (
            MachineryError(with_advice(f"the run can't be isolated: {failure}"))
            if failure
            else None
        )

    async def _drain(self) -> None:
        """Take what is still in the pipes; all who could write are gone."""
        waiting = {pump.ended for pump in self._pumps if not pump.ended.done()}
        if waiting:
            await asyncio.wait(waiting, timeout=_DRAIN_S)

    def _look_at_scratch(self, place: Workspace) -> None:
        """Tell of a file system that is full at the end, where the run has one of its own."""
        if not place.bounded:
            return
        status = os.fstatvfs(place.folder)
        if status.f_bfree == 0 or status.f_ffree == 0:
            self._notice("scratch")

    async def _collect(self, place: Workspace) -> Collected:
        if set(os.listdir(place.folder)) == {PROGRAM, TEMPORARY_NAME}:
            return Collected((), ())  # which is how most runs leave it
        folder = os.dup(place.folder)  # the thread's own: nobody waits for it on a slow disk

        def work() -> Collected:
            try:
                with as_user(place.owner):
                    return collect_files(folder, self._program.files, skip={TEMPORARY_NAME})
            finally:
                os.close(folder)

        return await asyncio.wait_for(asyncio.wrap_future(in_thread(work)), _COLLECT_S)

    def _read_mark(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self._mark, _MARK_BYTES)
        return b""

    def _close_files(self) -> None:
        for descriptor in (self._mark, self._job):
            if descriptor >= 0:
                os.close(descriptor)
        self._mark = self._job = -1

    # ------------------------------------------------------------ the end

    def _finish(self, ended: ExitInfo | MachineryError, mark: bytes, collected: Collected) -> None:
        if isinstance(ended, MachineryError):
            failure = MachineryError(f"{ended}; {_NOT_ENDED}") if self.abandoned else ended
            self._queue.put_nowait(failure)
            return
        if self._bounded and mark.startswith(FULL):
            self._notice("scratch")
        mark = mark.removeprefix(FULL)
        code, cause = returncode_of(ended), self._cause(ended, mark)
        status, reason = outcome_of(code, cause)
        if mark == FILE_SIZE:
            self._notice("file size")
        if status in {Status.LIMIT, Status.TIMEOUT} and cause:
            self._notice(cause)
        denial = decode_denial(mark)
        if denial is not None and status is Status.ERROR:
            self._queue.put_nowait(DeniedEvent(denial.kind, denied_message(*denial)))
        self._queue.put_nowait(self._exit(status, code, reason, collected))

    def _cause(self, ended: ExitInfo, mark: bytes) -> str | None:
        """Return the limit that ended the program, if one did."""
        if ended.limit is not None or ended.status is None:
            return ended.limit
        cause = limit_of(ended.status, mark)
        if cause == "cpu" and ended.cpu_s < self._program.limits.cpu_s / 2:
            return None  # a program can send itself the signal
        return cause

    def _exit(
        self, status: Status, code: int, reason: str | None, collected: Collected
    ) -> ExitEvent:
        if self.abandoned:
            reason = f"{reason}; {_NOT_ENDED}" if reason else _NOT_ENDED
        first = self._output.first_output
        return ExitEvent(
            status,
            code,
            reason,
            duration=time.monotonic() - self._started,
            time_to_first_output=first - self._started if first else None,
            files=collected.files,
            files_left_out=collected.left_out,
        )


def _failed(error: Exception) -> MachineryError:
    return MachineryError(f"the sandbox failed: {type(error).__name__}: {error}")


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
        SandboxUnavailableError: there is no tier that the settings accept; says how to fix it.
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
