"""One run in the sandbox: starts the program, passes its events on, and cleans up after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.isolation.abandoned import AbandonedRuns
from server.isolation.background_work import finish_despite_cancellation, in_thread
from server.isolation.child.cell_root import TEMPORARY_NAME
from server.isolation.child.denials import decode_denial
from server.isolation.child.libc import as_user
from server.isolation.child.run_program import FILE_SIZE, FULL
from server.isolation.engine import (
    Engine,
    ExitInfo,
    LaunchOrder,
    PassedDescriptors,
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
    NetworkHandler,
    Program,
    SandboxEvent,
    Status,
    StreamName,
)
from server.isolation.files import PROGRAM, Collected, collect_files, place_files
from server.isolation.messages import denied_message, limit_message
from server.isolation.outcomes import limit_of, outcome_of, returncode_of
from server.isolation.output import OutputBuffer, Pump
from server.isolation.tiers.detection import with_advice

_DRAIN_S = 1.0
"""How long the pipes may stay open after every process of the run has ended."""
_EXIT_NOTE_BYTES = 4096
_COLLECT_S = 10.0
"""For reading the files of a run; `isolation/files.py` stops after a second if the disk answers."""
_NETWORK_S = 30.0
"""For the network handler to take over the listener."""
_NOT_ENDED = "its processes could not be killed, and the sandbox goes on trying"


class SandboxRun:
    """One running program. Read `events()` to its end; leaving it early cancels the run."""

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
        self._exit_note = -1
        self._job = -1
        self._noticed: set[str] = set()
        self._bounded = False

    async def launch(self, engine: Engine, layers: tuple[str, ...]) -> None:
        """Start the process. Called once, by `Sandbox.start`.

        Raises:
            MachineryError: no disk space, process or pipe is available.

        """
        try:
            workspace = await engine.workspace(self._program.limits)
        except OSError as error:
            raise MachineryError(f"the run can't be started: {error.strerror or error}") from error
        try:
            workspace.on_limit = self._notice
            self._bounded = workspace.bounded
            await self._start_in(workspace, layers)
        except BaseException as error:
            await finish_despite_cancellation(self._abandon(workspace))
            if isinstance(error, OSError):
                reason = error.strerror or str(error)
                raise MachineryError(f"the run can't be started: {reason}") from error
            raise
        self._task = asyncio.create_task(self._run(workspace))

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

    async def _start_in(self, workspace: Workspace, layers: tuple[str, ...]) -> None:
        code = self._program.code.encode("utf-8", "surrogatepass")
        with as_user(workspace.owner):
            write_program(workspace.folder, code)
            place_files(workspace.folder, self._program.files)
        environment: Mapping[str, str] = {}
        if self._program.network_handler is not None:
            environment = await self._open_network(
                self._program.network_handler, workspace.listener()
            )
        order = LaunchOrder(
            program=f"{workspace.scratch}/{PROGRAM}",
            task=self._program.task,
            environment={
                **BASE_ENVIRONMENT,
                "HOME": workspace.scratch,
                "TMPDIR": f"{workspace.scratch}/{TEMPORARY_NAME}",
                **environment,
            },
            limits=self._program.limits,
            layers=layers,
        )
        self._job = new_job_file()
        await workspace.start(order, self._open_pipes())

    async def _open_network(
        self, handler: NetworkHandler, listener: socket.socket
    ) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(_NETWORK_S):
                return await handler(listener)
        except TimeoutError:
            raise MachineryError("the run's way out could not be opened in time") from None

    def _open_pipes(self) -> PassedDescriptors:
        with contextlib.ExitStack() as opened:
            stdout = self._open_pump("stdout", opened)
            stderr = self._open_pump("stderr", opened)
            self._exit_note, exit_note = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self._exit_note, False)
            opened.pop_all()  # from here on the workspace owns them
            return PassedDescriptors(stdout, stderr, exit_note, self._job)

    def _open_pump(self, stream: StreamName, opened: contextlib.ExitStack) -> int:
        """Begin to read one of the streams; return the descriptor that the program writes to."""
        read, write = os.pipe2(os.O_CLOEXEC)
        opened.callback(os.close, write)
        limit = self._program.limits.output_kib * 1024
        pump = Pump(read, stream, self._output, limit=limit, on_limit=self._over_output)
        self._pumps += (pump,)
        return write

    async def _abandon(self, workspace: Workspace) -> None:
        for pump in self._pumps:
            pump.close()
        if await workspace.close():
            await workspace.release()
        else:
            self._give_up(workspace)
        self._close_files()

    def _give_up(self, workspace: Workspace) -> None:
        """Hand over a workspace whose processes can't be killed; `AbandonedRuns` keeps trying."""
        self.abandoned = True
        self._abandoned_places.take(workspace)

    # ------------------------------------------------------------ on the way

    def _request(self, cause: str) -> None:
        if not self._stop.done():
            self._stop.set_result(cause)

    def _over_output(self) -> None:
        self._request("output")

    def _notice(self, kind: str) -> None:
        """Report, once, a limit that was reached; this alone does not end the run."""
        if kind not in self._noticed:
            self._noticed.add(kind)
            message = limit_message(kind, self._program.limits)
            self._queue.put_nowait(LimitEvent(kind, message))

    async def _run(self, workspace: Workspace) -> None:
        ended: ExitInfo | MachineryError = MachineryError("the run was abandoned")
        try:
            ended = await self._until_ended(workspace)
        finally:  # also when the event loop is being ended
            await finish_despite_cancellation(self._settle(workspace, ended))

    async def _settle(self, workspace: Workspace, ended: ExitInfo | MachineryError) -> None:
        """End all processes of the run, collect its files, and report how it ended."""
        collected = Collected((), ())
        try:
            gone = await workspace.close()
            ended = self._failure() or ended
            await self._drain()
            if gone:
                self._check_scratch(workspace)
                collected = await self._collect(workspace)
            else:
                self._give_up(workspace)
        except Exception as error:
            ended = _failed(error)
        try:
            for pump in self._pumps:
                pump.close()
            if not self.abandoned:
                await workspace.release()
        except Exception as error:
            ended = _failed(error)
        self._output.flush()
        try:
            self._finish(ended, self._read_exit_note(), collected)
        except Exception as error:  # without a last event, readers would wait for ever
            self._queue.put_nowait(_failed(error))
        finally:
            self._close_files()
            self._break_cycles(workspace)

    async def _until_ended(self, workspace: Workspace) -> ExitInfo | MachineryError:
        either: set[asyncio.Future[Any]] = {workspace.ended, self._stop}
        await asyncio.wait(
            either,
            timeout=self._started + self._program.limits.wall_s - time.monotonic(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if workspace.ended.done():
            error = workspace.ended.exception()
            if error is None:
                return workspace.ended.result()
            return error if isinstance(error, MachineryError) else MachineryError(str(error))
        return ExitInfo(limit=self._stop.result() if self._stop.done() else "wall")

    def _break_cycles(self, workspace: Workspace) -> None:
        """Break reference cycles: otherwise a run's output stays until a garbage collection."""
        workspace.on_limit = lambda kind: None
        self._pumps = ()

    def _failure(self) -> MachineryError | None:
        failure = failure_in(self._job)
        return (
            MachineryError(with_advice(f"the run can't be isolated: {failure}"))
            if failure
            else None
        )

    async def _drain(self) -> None:
        """Read the rest of the pipes; every process that could write has ended."""
        waiting = {pump.ended for pump in self._pumps if not pump.ended.done()}
        if waiting:
            await asyncio.wait(waiting, timeout=_DRAIN_S)

    def _check_scratch(self, workspace: Workspace) -> None:
        """Report a file system that is full at the end, if the run has one of its own."""
        if not workspace.bounded:
            return
        status = os.fstatvfs(workspace.folder)
        if status.f_bfree == 0 or status.f_ffree == 0:
            self._notice("scratch")

    async def _collect(self, workspace: Workspace) -> Collected:
        if set(os.listdir(workspace.folder)) == {PROGRAM, TEMPORARY_NAME}:
            return Collected((), ())  # as most runs leave it
        folder = os.dup(
            workspace.folder
        )  # the thread's own: it may outlive this call on a slow disk

        def work() -> Collected:
            try:
                with as_user(workspace.owner):
                    return collect_files(folder, self._program.files, skip={TEMPORARY_NAME})
            finally:
                os.close(folder)

        return await asyncio.wait_for(asyncio.wrap_future(in_thread(work)), _COLLECT_S)

    def _read_exit_note(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self._exit_note, _EXIT_NOTE_BYTES)
        return b""

    def _close_files(self) -> None:
        for descriptor in (self._exit_note, self._job):
            if descriptor >= 0:
                os.close(descriptor)
        self._exit_note = self._job = -1

    # ------------------------------------------------------------ the end

    def _finish(
        self, ended: ExitInfo | MachineryError, exit_note: bytes, collected: Collected
    ) -> None:
        if isinstance(ended, MachineryError):
            failure = MachineryError(f"{ended}; {_NOT_ENDED}") if self.abandoned else ended
            self._queue.put_nowait(failure)
            return
        if self._bounded and exit_note.startswith(FULL):
            self._notice("scratch")
        exit_note = exit_note.removeprefix(FULL)
        code, cause = returncode_of(ended), self._cause(ended, exit_note)
        status, reason = outcome_of(code, cause)
        if exit_note == FILE_SIZE:
            self._notice("file size")
        if status in {Status.LIMIT, Status.TIMEOUT} and cause:
            self._notice(cause)
        denial = decode_denial(exit_note)
        if denial is not None and status is Status.ERROR:
            self._queue.put_nowait(DeniedEvent(denial.kind, denied_message(*denial)))
        self._queue.put_nowait(self._exit(status, code, reason, collected))

    def _cause(self, ended: ExitInfo, exit_note: bytes) -> str | None:
        """Return the limit that ended the program, if one did."""
        if ended.limit is not None or ended.status is None:
            return ended.limit
        cause = limit_of(ended.status, exit_note)
        if cause == "cpu" and ended.cpu_s < self._program.limits.cpu_s / 2:
            return None  # the program has sent itself the signal
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
