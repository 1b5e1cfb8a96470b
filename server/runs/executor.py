"""Executes one admitted run: opens its gateway, starts the program, and records what happens."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from llm_agent_builder.errors import MachineryError
from llm_agent_builder.user_code.gallery_needs import missing_message, missing_of, needs_of
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.egress_proxy import Egress
from server.gateway.gateway import RECORDING_FULL, Gateway, Grant, ModelCall
from server.isolation.events import DeniedEvent, ExitEvent, LimitEvent, Program, Status
from server.local_model.service import local_model_lacks
from server.observability.metrics import RunMetrics
from server.observability.tracing import Telemetry
from server.runs.backends import Backend, Backends, base_url_hint
from server.runs.events import MissingNeed, StartedEvent
from server.runs.persistence import RunWriter
from server.runs.run import Run
from server.sandbox import Sandbox
from server.settings import PROVIDER_TOOLS
from server.storage.records import FileSize, RunResult


class RunExecutor:
    """Executes runs in the sandbox, with a gateway of their own each."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        gateway: Gateway,
        backends: Backends,
        writer: RunWriter,
        metrics: RunMetrics,
        model_label: Callable[[Backend], str],
        daily: DailyBudget | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._gateway = gateway
        self._backends = backends
        self._writer = writer
        self._metrics = metrics
        self._model_label = model_label
        self._daily = daily
        self._telemetry = telemetry or Telemetry()

    async def execute(self, run: Run) -> RunResult:
        """Run the program to its end, and return the result without usage and cost.

        Raises:
            MachineryError: the sandbox or the gateway failed, not the program.

        """
        grants: list[Grant] = []

        async def handle_network(listener: socket.socket) -> Mapping[str, str]:
            grants.append(grant := await self._open_gateway(run, listener))
            return grant.environment()

        try:
            self._begin(run)
            program = Program(run.code, run.task, run.limits, handle_network, run.options.files)
            last = await self._follow(run, program)
        except MachineryError as error:
            raise MachineryError(_masked(str(error), grants)) from error
        finally:
            for grant in grants:
                await grant.close()
                await self._take_recording(run, grant)
        return _result(run, last)

    def _begin(self, run: Run) -> None:
        missing = _missing(run)
        run.missing = tuple(need.message for need in missing)
        run.status = "running"
        run.trace = self._telemetry.run(run.id, run.backend)
        run.created = time.monotonic()
        run.add(
            StartedEvent(
                run_id=run.id,
                backend=run.backend,
                model_label=self._model_label(run.backend),
                tier=self._sandbox.report.tier,
                limits=run.limits,
                granted_files=tuple(sorted(run.options.files)),
                granted_hosts=run.options.egress,
                missing=missing,
            )
        )

    async def _open_gateway(self, run: Run, listener: socket.socket) -> Grant:
        try:
            policy = await asyncio.to_thread(self._backends.policy, run.backend, run.code)
        except BaseException:
            listener.close()
            raise
        return await self._gateway.open(
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

    async def _take_recording(self, run: Run, grant: Grant) -> None:
        if not run.options.record:
            return
        run.cassette = await asyncio.to_thread(grant.recorded)
        if run.cassette is None and run.recording_full is None:  # too large as JSON
            run.recording_full = RECORDING_FULL
            run.add(LimitEvent("recording", RECORDING_FULL))

    async def _follow(self, run: Run, program: Program) -> ExitEvent:
        process = run.process = await self._sandbox.start(program)
        writing = asyncio.create_task(self._writer.write_behind(run))
        last: ExitEvent | None = None
        try:
            if run.cancel_asked:
                await process.cancel()
            async for event in process.events():
                if isinstance(event, ExitEvent):
                    last = event
                elif isinstance(event, DeniedEvent):
                    run.add(_with_hint(run, event))
                else:
                    run.add(event)
        finally:
            writing.cancel()
            await process.cancel()
            run.abandoned = process.abandoned
        assert last is not None  # it is always the last event
        return last

    def _gateway_event(self, run: Run, kind: str, data: Mapping[str, str]) -> None:
        message = data["message"]
        if kind == "mismatch":
            run.mismatch = run.mismatch or message
        elif kind == "denied":
            run.add(DeniedEvent(data["kind"], message))
        else:
            self._gateway_limit(run, LimitEvent(data["kind"], message, data.get("cap")))

    def _gateway_limit(self, run: Run, limit: LimitEvent) -> None:
        run.add(limit)
        if limit.kind == "recording":
            run.recording_full = limit.message
        elif limit.cap is not None:
            run.over_budget = limit.message
            self._metrics.budget_limits.labels(limit.cap).inc()

    def _model_call(self, run: Run, call: ModelCall) -> None:
        run.add(call)
        run.totals.add(call)
        self._metrics.call(call)


def _masked(text: str, grants: Iterable[Grant]) -> str:
    for grant in grants:
        text = grant.masked(text)
    return text


def _missing(run: Run) -> tuple[MissingNeed, ...]:
    """Return the files, hosts and tools that the agent needs and the run does not have."""
    needs = missing_of(needs_of(run.code), files=run.options.files, hosts=run.options.hosts)
    missing = [MissingNeed(n.tool, n.kind, n.names, missing_message(n)) for n in needs]
    if run.backend == "local" and (lack := local_model_lacks(run.code)):
        kind, message = lack
        missing.append(MissingNeed("", kind, (), message))
    return tuple(missing)


def _with_hint(run: Run, event: DeniedEvent) -> DeniedEvent:
    """Add advice if the program was denied the network before its first model call."""
    hint = base_url_hint(run.code) if event.kind == "network" and not run.totals.calls else None
    return replace(event, message=f"{event.message}. {hint}") if hint else event


def _result(run: Run, last: ExitEvent) -> RunResult:
    """Return the result of a run whose program has ended; also sets the files it left."""
    run.files = last.files
    status, reason = str(last.status), last.reason
    if last.status is Status.CANCELLED:
        more = (last.reason or "").removeprefix("cancelled")  # about processes that can't be killed
        reason = run.cancel_reason + more
    if run.over_budget and last.status in {Status.SUCCESS, Status.ERROR}:
        status, reason = "limit", "budget"
    elif run.mismatch and last.status is Status.ERROR:
        reason = f"replay: {run.mismatch}; to accept the change, record again"
    return RunResult(
        status=status,
        reason=reason,
        returncode=last.returncode,
        duration=last.duration,
        time_to_first_output=last.time_to_first_output,
        files=tuple(FileSize(file.name, len(file.content)) for file in last.files),
        files_left_out=last.files_left_out,
    )
