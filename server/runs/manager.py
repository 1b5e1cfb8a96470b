"""The life of a run: admitted, queued, executed, written to the history.

Other modules do the parts: `admission.py` decides whether a run may wait, `executor.py` executes
it, `persistence.py` writes it, `reader.py` shows it to clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from llm_agent_builder.errors import MachineryError
from server.budgets.daily_budget import DailyBudget
from server.gateway.gateway import Gateway
from server.limits import Limits
from server.observability.metrics import RunMetrics
from server.observability.tracing import Telemetry
from server.runs.admission import Admission
from server.runs.backends import Backend, BackendChoice, Backends
from server.runs.executor import RunExecutor
from server.runs.heartbeat import Heartbeat
from server.runs.reader import RunReader
from server.runs.run import Run, RunOptions
from server.sandbox import Sandbox
from server.storage.leases import Lease
from server.storage.pruning import Pruning
from server.storage.records import RunResult
from server.storage.store import Store
from server.storage.tables import OPEN

_log = logging.getLogger(__name__)
STOPPED = "the server was stopped"
_CANCEL_S = 20.0
"""How long a cancelled run may take to end: the sum of all its own timeouts."""
_WRITTEN_S = 1.0
"""How long a cancellation also waits until the result is in the history."""


class RunManager(RunReader):
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
        self._lease = Lease(store.database)
        super().__init__(store, self._lease.id)
        self._sandbox = sandbox
        self._backends = backends
        self._metrics = metrics
        self._heartbeat = Heartbeat(store, self._threads, self._lease, pruning, self)
        self._slots = asyncio.Semaphore(max_concurrent)
        self._admission = Admission(max_concurrent + max_queued)
        self._executor = RunExecutor(
            sandbox=sandbox,
            gateway=gateway,
            backends=backends,
            writer=self._writer,
            metrics=metrics,
            model_label=model_label,
            daily=daily,
            telemetry=telemetry,
        )

    async def start(self) -> None:
        """Take this server's lease, and end the runs of servers that are gone.

        Raises:
            StoreError: the database can't be used.

        """
        await self._heartbeat.start()
        self._writing = asyncio.create_task(self._writer.retry_unwritten())

    async def close(self) -> None:
        """Cancel every run and write the results, within a bounded time."""
        runs = self.cancel_all()
        await asyncio.gather(*(run.done.wait() for run in runs))
        self._writing.cancel()
        await self._writer.flush()
        await self._heartbeat.close(release=not self._writer.unwritten)
        self._threads.close()

    def cancel_all(self) -> list[Run]:
        """Cancel every run soon, and admit no more; return those that are still open."""
        self._admission.is_closed = True
        self._threads.shorten_timeouts()
        runs = list(self._open.values())
        for run in runs:
            run.cancel_reason = STOPPED
            self._cancel(run)
        return runs

    async def store_problem(self) -> str | None:
        """Try to write to the history; return the message why that failed, or None."""
        return self._writer.problem or await self._heartbeat.problem()

    # ------------------------------------------------------------ for the heartbeat

    def open_statuses(self) -> Mapping[str, str]:
        """Return the status of each run that has not ended, by id."""
        return {run.id: run.status for run in self._open.values() if run.status in OPEN}

    def in_memory(self) -> Collection[str]:
        """Return the ids of open runs, and of those whose result is not in the database yet."""
        return self._open.keys() | self._writer.unwritten.keys()

    def request_cancel(self, run_id: str) -> None:
        """Cancel a run soon; does nothing if it is not open."""
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
        """Admit a run; it starts when a slot is free.

        Raises:
            QueueFullError: the queue is full.
            ServerBusyError: the input of all open runs would take too much memory.
            BackendUnavailableError: the provider was chosen and there is no key.
            SandboxUnavailableError: no run can start on this server at present; says how to fix it.
            StoreError: the run can't be written to the history.
            MachineryError: the server is stopping.

        """
        self._sandbox.require_available()
        self._writer.require_capacity()
        options = options or RunOptions()
        size = len(code) + len(task) + options.size
        self._admission.require_capacity(self._open.values(), size)
        backend: Backend = "replay"
        if options.replay is None:  # long code takes a while to parse
            backend = await asyncio.to_thread(self._backends.resolve, choice, code)
            self._admission.require_capacity(
                self._open.values(), size
            )  # others may have been admitted meanwhile
        run = Run(uuid.uuid4().hex, code, task, limits, backend, options, input_size=size)
        await self._add(run)
        run.task_handle = asyncio.create_task(self._execute_and_write(run), name=f"run {run.id}")
        return run

    async def _add(self, run: Run) -> None:
        self._open[run.id] = run
        self._metrics.queued.inc()
        try:
            await self._threads.write(
                self._store.add_run,
                run.id,
                code=run.code,
                task=run.task,
                backend=run.backend,
                server_id=self._lease.id,
                created_at=run.admitted_at,
            )
        except BaseException:
            self._metrics.queued.dec()
            del self._open[run.id]
            raise

    async def cancel(self, run_id: str) -> None:
        """Cancel a run; returns when none of its processes is left. Ended runs stay as they are.

        Raises:
            RunNotFoundError: there is no such run.
            RunElsewhereError: it is another server's, which has not cancelled it in time.
            MachineryError: its processes could not be killed, or its end takes too long.

        """
        run = self._open.get(run_id)
        if run is None:
            if run_id not in self._writer.unwritten:
                await self._stored.cancel(run_id)
            return
        self._cancel(run)
        try:
            await asyncio.wait_for(run.ended.wait(), _CANCEL_S)
        except TimeoutError:
            raise MachineryError(f"the run has not ended within {_CANCEL_S:g} s") from None
        with contextlib.suppress(TimeoutError):  # the result is in memory, and is written later
            await asyncio.wait_for(run.done.wait(), _WRITTEN_S)
        if run.abandoned:
            raise MachineryError(
                "the run has ended, but its processes could not be killed: the sandbox keeps "
                "trying, and /healthz shows when they are gone"
            )

    # ------------------------------------------------------------ inside

    def _cancel(self, run: Run) -> None:
        """Cancel a run soon; a started run is ended by its sandbox, and its output is saved."""
        if run.cancel_asked:
            return  # a second request must not interrupt the cancellation in progress
        run.cancel_asked = True
        if run.process is not None:
            run.process.request_cancel()
        elif run.task_handle is not None:
            run.task_handle.cancel()

    async def _execute_and_write(self, run: Run) -> None:
        """Execute a run when a slot is free, and write a result in any case."""
        started = False
        try:
            try:
                async with self._slots:
                    started = True
                    self._metrics.queued.dec()
                    with self._metrics.in_flight.track_inprogress():
                        self._end(run, await self._executor.execute(run))
            except asyncio.CancelledError:
                self._end(run, RunResult(status="cancelled", reason=run.cancel_reason))
            except MachineryError as error:
                self._fail(run, error)
            except Exception as error:
                _log.exception("run %s failed", run.id)
                self._fail(run, MachineryError(f"the server failed: {type(error).__name__}"))
            if not started:
                self._metrics.queued.dec()
            await self._writer.close(run)
        finally:
            run.process = None  # it references the run in turn, with its output
            del self._open[run.id]
            self._heartbeat.may_prune = True
            run.ended.set()  # even if something above failed
            run.done.set()
            run.wake()

    def _fail(self, run: Run, error: MachineryError) -> None:
        run.failure = error
        self._end(run, RunResult(status="failed", reason=str(error)))

    def _end(self, run: Run, result: RunResult) -> None:
        """End a run; only now, with every model call counted, its usage and cost are known."""
        result = replace(result, usage=run.totals.usage(), cost_usd=run.totals.cost_usd())
        run.result, run.status = result, result.status
        run.add(result)
        run.ended.set()
        run.trace.end(result)
        self._metrics.end(run.backend, result)
        if result.duration is not None:
            self._admission.record_duration(result.duration)
