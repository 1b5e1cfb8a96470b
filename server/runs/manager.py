"""The life of a run: admitted, queued, given a way out, started, watched, kept.

Joins sandbox, gateway and store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from llm_agent_builder.errors import (
    MachineryError,
    QueueFullError,
    RunFileNotFoundError,
    RunNotFoundError,
    ServerBusyError,
)
from llm_agent_builder.user_code.gallery_needs import missing_message, missing_of, needs_of
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.egress_proxy import Egress
from server.gateway.gateway import RECORDING_FULL, Gateway, Grant, ModelCall
from server.isolation.events import (
    DeniedEvent,
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    Status,
)
from server.limits import MIB, Limits
from server.local_model.service import local_model_lacks
from server.observability.metrics import RunMetrics
from server.observability.tracing import Telemetry
from server.runs.backends import Backend, BackendChoice, Backends, base_url_hint
from server.runs.heartbeat import Heartbeat
from server.runs.persistence import RunWriter
from server.runs.run import Event, Run, RunOptions
from server.runs.stored_runs import StoredRuns
from server.sandbox import Sandbox
from server.settings import PROVIDER_TOOLS
from server.storage.database_threads import DatabaseThreads
from server.storage.leases import Lease
from server.storage.pruning import Pruning
from server.storage.store import Store
from server.storage.tables import OPEN

INPUT_MAX_BYTES = 64 * MIB
"""Of the code, tasks, files and cassettes of all runs that go or wait."""

_log = logging.getLogger(__name__)
STOPPED = "the server was stopped"
_CANCEL_S = 20.0
"""For a run's end, where everything that it waits for takes as long as it may."""
_WRITTEN_S = 1.0
"""For which a cancellation also waits until the run's end is in the history."""


def _masked(text: str, grants: Iterable[Grant]) -> str:
    for grant in grants:
        text = grant.masked(text)
    return text


def _missing(run: Run) -> list[dict[str, Any]]:
    """Return what a run lacks of what its agent asks for."""
    needs = needs_of(run.code)
    found = missing_of(needs, files=run.options.files, hosts=run.options.hosts)
    missing = [asdict(need) | {"message": missing_message(need)} for need in found]
    if run.backend == "local" and (lack := local_model_lacks(run.code)):
        missing.append({"tool": "", "kind": lack[0], "names": [], "message": lack[1]})
    return missing


class RunManager:
    """All runs of one server. Lives in one event loop, between `start` and `close`."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        gateway: Gateway,
        backends: Backends,
        store: Store,
        pruning: Pruning,
        metrics: RunMetrics,
        max_concurrent: int,
        max_queued: int,
        model_label: Callable[[Backend], str],
        daily: DailyBudget | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._gateway = gateway
        self._backends = backends
        self._store = store
        self._threads = DatabaseThreads(store.database)
        self._book = RunWriter(store, self._threads)
        self._stored = StoredRuns(store, self._threads)
        self._lease = Lease(store.database)
        self._heartbeat = Heartbeat(store, self._threads, self._lease, pruning, self)
        self._metrics = metrics
        self._slots = asyncio.Semaphore(max_concurrent)
        self._max_open = max_concurrent + max_queued
        self._model_label = model_label
        self._daily = daily
        self._telemetry = telemetry or Telemetry()
        self._open: dict[str, Run] = {}
        self._durations = 1.0
        self._closing = False
        self._cassette_reader = asyncio.Lock()

    async def start(self) -> None:
        """Take this server's lease, and end the runs that servers which are gone left open."""
        await self._heartbeat.start()
        self._writer = asyncio.create_task(self._book.write_again())

    async def close(self) -> None:
        """Cancel every run and write their ends, which come within a bound."""
        runs = self.cancel_all()
        await asyncio.gather(*(run.done.wait() for run in runs))
        self._writer.cancel()
        await self._book.flush()
        await self._heartbeat.close(release=not self._book.unwritten)
        self._threads.close()

    def cancel_all(self) -> list[Run]:
        """Have every run end soon, and take in no more; return those that are still open."""
        self._closing = True
        self._threads.hurry()
        runs = list(self._open.values())
        for run in runs:
            run.cancel_reason = STOPPED
            self._cancel(run)
        return runs

    async def store_problem(self) -> str | None:
        """Return why the history can't be written, tried now, in words; None: it can."""
        return self._book.problem or await self._heartbeat.problem()

    # ------------------------------------------------------------ for the heartbeat

    def going(self) -> Mapping[str, str]:
        """Return the runs that have not ended, with their statuses."""
        return {run.id: run.status for run in self._open.values() if run.status in OPEN}

    def in_memory(self) -> Collection[str]:
        """Return the runs whose end the database may not know yet, those that go among them."""
        return self._open.keys() | self._book.unwritten.keys()

    def cancel_soon(self, run_id: str) -> None:
        """Have a run end; one that is not there is left out."""
        if (run := self._open.get(run_id)) is not None:
            self._cancel(run)

    # ------------------------------------------------------------ for clients

    async def admit(
        self,
        code: str,
        task: str,
        choice: BackendChoice,
        limits: Limits,
        options: RunOptions | None = None,
    ) -> Run:
        """Take a run in; it starts when a place is free.

        Raises:
            QueueFullError: as many wait as may.
            ServerBusyError: what they were given takes up as much as may be held.
            BackendUnavailableError: the provider was asked for and there is no key.
            SandboxUnavailableError: the server runs no code here or now; says how to fix it.
            StoreError: the run can't be kept.
            MachineryError: the server is stopping.

        """
        self._sandbox.require_available()
        self._book.require_place()
        options = options or RunOptions()
        size = len(code) + len(task) + options.size
        self._require_place(size)
        backend: Backend = "replay"
        if options.replay is None:  # long code takes a while to parse
            backend = await asyncio.to_thread(self._backends.resolve, choice, code)
            self._require_place(size)  # others may have come meanwhile
        run = Run(uuid.uuid4().hex, code, task, limits, backend, options, input_size=size)
        self._open[run.id] = run
        self._metrics.queued.inc()
        try:
            await self._threads.write(
                self._store.add_run,
                run.id,
                code=code,
                task=task,
                backend=run.backend,
                server_id=self._lease.id,
                created_at=run.admitted_at,
            )
        except BaseException:
            self._metrics.queued.dec()
            del self._open[run.id]
            raise
        run.task_handle = asyncio.create_task(self._live(run), name=f"run {run.id}")
        return run

    def _require_place(self, size: int) -> None:
        if self._closing:
            raise MachineryError("the server is stopping and starts no further runs")
        if len(self._open) >= self._max_open:
            raise QueueFullError(max(1.0, self._durations))
        if sum(run.input_size for run in self._open.values()) + size > INPUT_MAX_BYTES:
            what = "the runs that go or wait were given as much as may be held"
            raise ServerBusyError(what, max(1.0, self._durations))

    async def describe(self, run_id: str) -> dict[str, Any]:
        """Return one run, with its code and task, and the files it left (names and sizes).

        Raises:
            RunNotFoundError: there is no such run.

        """
        if (run := self._in_memory(run_id)) is not None:  # no silent database delays this
            return _as_shown({**run.described(), "server_id": self._lease.id}, run)
        return _as_shown(await self._threads.read(self._store.run, run_id), None)

    async def history(self, *, limit: int, before: str | None) -> list[dict[str, Any]]:
        """Return runs, newest first; with `before`, those older than that run."""
        rows = await self._threads.read(self._store.runs, limit=limit, before=before)
        for row in filter(self._is_stale, rows):
            row.update(await self._threads.read(self._store.summary, row["id"]))
        return [_as_shown(row, self._in_memory(row["id"])) for row in rows]

    def _in_memory(self, run_id: str) -> Run | None:
        """Return a run that goes, or whose end is not in the database yet."""
        return self._open.get(run_id) or self._book.unwritten.get(run_id)

    def _is_stale(self, row: dict[str, Any]) -> bool:
        """Return whether a run of this server has ended since its row was read."""
        is_open = row["status"] in OPEN and row["server_id"] == self._lease.id
        return is_open and self._in_memory(row["id"]) is None

    async def cancel(self, run_id: str) -> None:
        """End a run; returns when nothing of it is left. Ended runs are left as they are.

        Raises:
            RunNotFoundError: there is no such run.
            RunElsewhereError: another server has it, and has not ended it in time.
            MachineryError: its processes could not be killed, or its end takes too long.

        """
        run = self._open.get(run_id)
        if run is None:
            if run_id not in self._book.unwritten:
                await self._stored.cancel(run_id)
            return
        self._cancel(run)
        try:
            await asyncio.wait_for(run.ended.wait(), _CANCEL_S)
        except TimeoutError:
            raise MachineryError(f"the run has not ended within {_CANCEL_S:g} s") from None
        with contextlib.suppress(TimeoutError):  # its end is in memory, and is written later
            await asyncio.wait_for(run.done.wait(), _WRITTEN_S)
        if run.abandoned:
            raise MachineryError(
                "the run has ended, but its processes could not be killed: the sandbox goes on "
                "trying, and /healthz says when they have gone"
            )

    async def cassette(self, run_id: str) -> str:
        """Return the recorded model calls of a run that has ended, as JSON.

        Raises:
            RunNotFoundError: there is no such run, or its calls were not recorded.

        """
        await self.require(run_id)
        run = self._in_memory(run_id)
        async with self._cassette_reader:  # each takes up 16 MiB
            found = run.cassette if run else await self._threads.read(self._store.cassette, run_id)
        if found is None:
            raise RunNotFoundError(f"run {run_id[:40]!r} has no recording")
        return found

    async def require(self, run_id: str) -> None:
        """Raise RunNotFoundError where there is no such run."""
        if self._in_memory(run_id) is None:
            await self._threads.read(self._store.status, run_id)

    async def file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file that the run left.

        Raises:
            RunNotFoundError: there is no such run.
            RunFileNotFoundError: it left no such file, or it is no longer kept.

        """
        run = self._in_memory(run_id)
        if run is None:
            return await self._threads.read(self._store.file, run_id, name)
        for file in run.files:
            if file.name == name:
                return file.content
        raise RunFileNotFoundError(f"this run has left no file {name[:80]!r}")

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events of a run behind number `after`, live ones as they come, to its end.

        Raises:
            RunNotFoundError: there is no such run.

        """
        async for page in self.event_pages(run_id, after):
            for event in page:
                yield event

    async def event_pages(self, run_id: str, after: int = 0) -> AsyncIterator[Sequence[Event]]:
        """Yield the same events, as many at a time as are there and as a reader is to hold."""
        await self.require(run_id)
        position = max(0, after)
        # Looked for each time: a reader that is slow must not hold a run that has ended.
        while (run := self._in_memory(run_id)) is not None:
            changed, ended = run.changed, run.done.is_set()
            page = run.page(position)
            del run
            if page:
                position += len(page)
                yield page
            elif ended:
                return
            else:
                await changed.wait()
        async for stored in self._stored.event_pages(run_id, position):
            yield stored

    # ------------------------------------------------------------ inside

    def _cancel(self, run: Run) -> None:
        """Have a run end; one that has started ends by its sandbox, and keeps what it wrote."""
        if run.cancel_asked:
            return  # a second wish must not interrupt what the first one set off
        run.cancel_asked = True
        if run.process is not None:
            run.process.request_cancel()
        elif run.task_handle is not None:
            run.task_handle.cancel()

    async def _live(self, run: Run) -> None:
        """Carry a run through; whatever happens, it gets an end that is kept."""
        started = False
        try:
            try:
                async with self._slots:
                    started = True
                    self._metrics.queued.dec()
                    with self._metrics.in_flight.track_inprogress():
                        await self._execute(run)
            except asyncio.CancelledError:
                self._end(run, status="cancelled", reason=run.cancel_reason)
            except MachineryError as error:
                run.failure = error
                self._end(run, status="failed", reason=str(error))
            except Exception as error:
                _log.exception("run %s failed", run.id)
                run.failure = MachineryError(f"the server failed: {type(error).__name__}")
                self._end(run, status="failed", reason=str(run.failure))
            if not started:
                self._metrics.queued.dec()
            await self._book.close(run)
        finally:
            run.process = None  # it holds the run in turn, with its output
            del self._open[run.id]
            self._heartbeat.may_prune = True
            run.ended.set()  # whatever failed before
            run.done.set()
            run.wake()

    async def _execute(self, run: Run) -> None:
        grants: list[Grant] = []

        async def way_out(listener: socket.socket) -> Mapping[str, str]:
            try:
                policy = await asyncio.to_thread(self._backends.policy, run.backend, run.code)
            except BaseException:
                listener.close()
                raise
            grant = await self._gateway.open(
                policy,
                lambda call: self._model_call(run, call),
                listener=listener,
                on_event=lambda kind, data: self._gateway_event(run, kind, data),
                budget=RunBudget(Ledger("run", run.options.budget), self._daily),
                record=self._backends.secrets if run.options.record else None,
                replay=run.options.replay,
                egress=Egress(run.options.hosts),
                provider_tools=PROVIDER_TOOLS in run.options.egress,
                trace=run.trace,
            )
            grants.append(grant)
            return grant.environment()

        try:
            program = Program(run.code, run.task, run.limits, way_out, run.options.files)
            missing = _missing(run)
            run.missing = tuple(each["message"] for each in missing)
            run.status = "running"
            run.trace = self._telemetry.run(run.id, run.backend)
            run.created = time.monotonic()
            run.add(
                "started",
                run_id=run.id,
                backend=run.backend,
                model_label=self._model_label(run.backend),
                tier=self._sandbox.report.tier,
                limits=asdict(run.limits),
                granted={"files": sorted(run.options.files), "hosts": list(run.options.egress)},
                missing=missing,
            )
            last = await self._follow(run, program)
        except MachineryError as error:
            raise MachineryError(_masked(str(error), grants)) from error
        finally:
            for grant in grants:
                await grant.close()
                await self._take_recording(run, grant)
        if last is not None:  # and every call has been told of
            self._end_as(run, last)

    async def _take_recording(self, run: Run, grant: Grant) -> None:
        if not run.options.record:
            return
        run.cassette = await asyncio.to_thread(grant.recorded)
        if run.cassette is None and run.recording_full is None:  # as JSON, it is too much
            self._gateway_event(run, "limit", {"kind": "recording", "message": RECORDING_FULL})

    async def _follow(self, run: Run, program: Program) -> ExitEvent | None:
        process = run.process = await self._sandbox.start(program)
        writer = asyncio.create_task(self._book.write_behind(run))
        last: ExitEvent | None = None
        try:
            if run.cancel_asked:
                await process.cancel()
            async for event in process.events():
                if isinstance(event, OutputEvent):
                    run.add("output", stream=event.stream, text=event.text)
                elif isinstance(event, LimitEvent):
                    run.add("limit", kind=event.kind, message=event.message)
                elif isinstance(event, DeniedEvent):
                    run.add("denied", kind=event.kind, message=_explained(run, event))
                else:
                    last = event
        finally:
            writer.cancel()
            await process.cancel()
            run.abandoned = process.abandoned
        return last

    def _end_as(self, run: Run, last: ExitEvent) -> None:
        run.files, run.files_left_out = last.files, last.files_left_out
        outcome = {**asdict(replace(last, files=())), "status": str(last.status)}
        outcome["files"] = [{"name": file.name, "size": len(file.content)} for file in last.files]
        if last.status is Status.CANCELLED:
            more = (last.reason or "").removeprefix("cancelled")  # what could not be killed
            outcome["reason"] = run.cancel_reason + more
        if run.over_budget and last.status in {Status.SUCCESS, Status.ERROR}:
            outcome |= {"status": "limit", "reason": "budget"}
        elif run.mismatch and last.status is Status.ERROR:
            outcome["reason"] = f"replay: {run.mismatch}; to keep the change, record anew"
        self._end(run, **outcome)

    def _end(self, run: Run, **outcome: Any) -> None:
        unknown = ("returncode", "duration", "time_to_first_output")
        known: dict[str, Any] = {"usage": run.tally.usage(), "cost_usd": run.tally.cost_usd()}
        known |= {"files": [], "files_left_out": []}
        run.result = {**dict.fromkeys(unknown), **known, **outcome}
        run.status = run.result["status"]
        run.add("exit", **run.result)
        run.ended.set()
        run.trace.end(run.result)
        self._metrics.end(run.backend, run.result)
        if run.result["duration"] is not None:
            self._durations = 0.9 * self._durations + 0.1 * run.result["duration"]

    def _gateway_event(self, run: Run, kind: str, data: Mapping[str, str]) -> None:
        if kind == "mismatch":
            run.mismatch = run.mismatch or data["message"]
            return
        run.add(kind, **data)
        if data["kind"] == "recording":
            run.recording_full = data["message"]
        elif data["kind"] == "budget":
            run.over_budget = data["message"]
            self._metrics.budget_limits.labels(data["cap"]).inc()

    def _model_call(self, run: Run, call: ModelCall) -> None:
        run.add("model_call", **call)
        run.tally.add(call)
        self._metrics.call(call)


def _as_shown(row: dict[str, Any], run: Run | None) -> dict[str, Any]:
    """Return a run of the history as clients see it: what is in memory goes before its row."""
    shown = {name: value for name, value in row.items() if name != "server_id"}
    if run is None:
        return shown
    files = [{**file, "kept": True} for file in run.result.get("files", [])]
    live = {**run.result, "status": run.status, "files": files}
    return {name: live.get(name, value) for name, value in shown.items()}


def _explained(run: Run, event: DeniedEvent) -> str:
    """Return why something was refused, and what helps where the network was meant for a model."""
    hint = base_url_hint(run.code) if event.kind == "network" and not run.tally.calls else None
    return f"{event.message}. {hint}" if hint else event.message
