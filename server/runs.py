"""The life of a run: admitted, queued, given a way out, started, watched, kept.

Joins sandbox, gateway and store.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from llm_agent_builder.errors import (
    MachineryError,
    QueueFullError,
    RunFileNotFoundError,
    RunNotFoundError,
)
from llm_agent_builder.user_code.tool_needs import missing_message, missing_of, needs_of
from server.backends import Backend, BackendChoice, Backends, base_url_hint
from server.budgets import RunBudget
from server.confine import Limits
from server.egress import Egress
from server.gateway import Gateway, Grant, ModelCall
from server.ledgers import Ledger
from server.local_model import local_model_lacks
from server.metrics import RunMetrics
from server.run import Event, Run, RunOptions
from server.run_book import RunBook
from server.run_events import (
    DeniedEvent,
    ExitEvent,
    LimitEvent,
    OutputEvent,
    Program,
    Status,
)
from server.sandbox import Sandbox
from server.settings import PROVIDER_TOOLS
from server.store import Store
from server.telemetry import Telemetry

_log = logging.getLogger(__name__)


def _missing(run: Run) -> list[dict[str, Any]]:
    """Return what a run lacks of what its agent asks for."""
    needs = needs_of(run.code)
    found = missing_of(needs, files=run.options.files, hosts=run.options.hosts)
    missing = [asdict(need) | {"message": missing_message(need)} for need in found]
    if run.backend == "local" and (lack := local_model_lacks(run.code)):
        missing.append({"tool": "", "kind": lack[0], "names": [], "message": lack[1]})
    return missing


class Runs:
    """All runs of one server. Lives in one event loop, between `start` and `close`."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        gateway: Gateway,
        backends: Backends,
        store: Store,
        metrics: RunMetrics,
        max_concurrent: int,
        max_queued: int,
        model_label: Callable[[Backend], str],
        daily: Callable[[], Ledger] | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._gateway = gateway
        self._backends = backends
        self._store = store
        self._book = RunBook(store)
        self._metrics = metrics
        self._slots = asyncio.Semaphore(max_concurrent)
        self._max_open = max_concurrent + max_queued
        self._model_label = model_label
        self._daily = daily
        self._telemetry = telemetry or Telemetry()
        self._open: dict[str, Run] = {}
        self._durations = 1.0

    async def start(self) -> None:
        """Give the runs that an earlier server left open their end."""
        await asyncio.to_thread(self._store.end_interrupted_runs)

    async def close(self) -> None:
        """Cancel every run and wait until nothing of them is left."""
        runs = list(self._open.values())
        for run in runs:
            self._cancel(run)
        await asyncio.gather(*(run.done.wait() for run in runs))

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
            BackendUnavailableError: the provider was asked for and there is no key.
            SandboxUnavailableError: the server runs no code here; says how to mend it.
            StoreError: the run can't be kept.

        """
        self._sandbox.require_available()
        self._require_place()
        options = options or RunOptions()
        backend: Backend = "replay"
        if options.replay is None:  # long code takes a while to parse
            backend = await asyncio.to_thread(self._backends.resolve, choice, code)
            self._require_place()  # others may have come meanwhile
        run = Run(uuid.uuid4().hex, code, task, limits, backend, options)
        self._open[run.id] = run
        self._metrics.queued.inc()
        try:
            await asyncio.to_thread(
                self._store.add_run, run.id, code=code, task=task, backend=run.backend
            )
        except BaseException:
            self._metrics.queued.dec()
            del self._open[run.id]
            raise
        run.task_handle = asyncio.create_task(self._live(run), name=f"run {run.id}")
        return run

    def _require_place(self) -> None:
        if len(self._open) >= self._max_open:
            raise QueueFullError(max(1.0, self._durations))

    async def describe(self, run_id: str) -> dict[str, Any]:
        """Return one run, with its code and task, and the files it left (names and sizes).

        Raises:
            RunNotFoundError: there is no such run.

        """
        return self._with_live_status(await asyncio.to_thread(self._store.run, run_id))

    async def history(self, *, limit: int, before: str | None) -> list[dict[str, Any]]:
        """Return runs, newest first; with `before`, those older than that run."""
        rows = await asyncio.to_thread(self._store.runs, limit=limit, before=before)
        return [self._with_live_status(row) for row in rows]

    def _with_live_status(self, row: dict[str, Any]) -> dict[str, Any]:
        run = self._open.get(row["id"])
        if run is None:
            return row
        files = [{**file, "kept": True} for file in run.result.get("files", [])]
        live = {**run.result, "status": run.status, "files": files}
        return {name: live.get(name, value) for name, value in row.items()}

    async def cancel(self, run_id: str) -> None:
        """End a run; returns when nothing of it is left. Ended runs are left as they are.

        Raises:
            RunNotFoundError: there is no such run.

        """
        run = self._open.get(run_id)
        if run is None:
            await asyncio.to_thread(self._store.run, run_id)
            return
        self._cancel(run)
        await run.done.wait()

    async def cassette(self, run_id: str) -> dict[str, Any]:
        """Return the recorded model calls of a run that has ended.

        Raises:
            RunNotFoundError: there is no such run, or its calls were not recorded.

        """
        await self.require(run_id)
        found = await asyncio.to_thread(self._store.cassette, run_id)
        if found is None:
            raise RunNotFoundError(f"run {run_id[:40]!r} has no recording")
        return found

    async def require(self, run_id: str) -> None:
        """Raise RunNotFoundError where there is no such run."""
        if run_id not in self._open:
            await asyncio.to_thread(self._store.run, run_id)

    async def file(self, run_id: str, name: str) -> bytes:
        """Return the content of a file that the run left.

        Raises:
            RunNotFoundError: there is no such run.
            RunFileNotFoundError: it left no such file, or it is no longer kept.

        """
        run = self._open.get(run_id)
        if run is None:
            return await asyncio.to_thread(self._store.file, run_id, name)
        for file in run.files:
            if file.name == name:
                return file.content
        raise RunFileNotFoundError(f"this run has left no file {name[:80]!r}")

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events of a run behind number `after`, live ones as they come, to its end.

        Raises:
            RunNotFoundError: there is no such run.

        """
        run = self._open.get(run_id)
        if run is None:
            await asyncio.to_thread(self._store.run, run_id)
            for event in await asyncio.to_thread(self._store.events, run_id, after=after):
                yield event
            return
        position = max(0, after)
        while True:
            changed = run.changed
            while position < len(run.events):
                yield run.events[position]
                position += 1
            if run.done.is_set():
                return
            await changed.wait()

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
                self._end(run, status="cancelled", reason="cancelled")
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
            run.done.set()
            run.wake()

    async def _execute(self, run: Run) -> None:
        grants: list[Grant] = []

        async def way_out(listener: socket.socket) -> Mapping[str, str]:
            grant = await self._gateway.open(
                await asyncio.to_thread(self._backends.policy, run.backend, run.code),
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
        finally:
            for grant in grants:
                await grant.close()
                run.cassette = grant.recorded()
        if last is not None:  # and every call has been told of
            self._end_as(run, last)

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
        return last

    def _end_as(self, run: Run, last: ExitEvent) -> None:
        run.files, run.files_left_out = last.files, last.files_left_out
        outcome = {**asdict(replace(last, files=())), "status": str(last.status)}
        outcome["files"] = [{"name": file.name, "size": len(file.content)} for file in last.files]
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
        run.trace.end(run.result)
        self._metrics.end(run.backend, run.result)
        if run.result["duration"] is not None:
            self._durations = 0.9 * self._durations + 0.1 * run.result["duration"]

    def _gateway_event(self, run: Run, kind: str, data: Mapping[str, str]) -> None:
        if kind == "mismatch":
            run.mismatch = run.mismatch or data["message"]
            return
        run.add(kind, **data)
        if data["kind"] == "budget":
            run.over_budget = data["message"]
            self._metrics.budget_limits.labels(data["cap"]).inc()

    def _model_call(self, run: Run, call: ModelCall) -> None:
        run.add("model_call", **call)
        run.tally.add(call)
        self._metrics.call(call)


def _explained(run: Run, event: DeniedEvent) -> str:
    """Return why something was refused, and what helps where the network was meant for a model."""
    hint = base_url_hint(run.code) if event.kind == "network" and not run.tally.calls else None
    return f"{event.message}. {hint}" if hint else event.message
