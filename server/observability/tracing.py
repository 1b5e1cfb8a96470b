"""Traces: runs and model calls as OpenTelemetry spans, sent to a configured endpoint.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT is set; the exporter reads the other OTEL_* variables itself.
The OpenTelemetry SDK is an optional dependency (`pip install 'llm-agent-builder[otel]'`). Spans
contain names, counts, times and outcomes, but no prompt, response or key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from server.gateway.call import Call
from server.gateway.model_call import ModelCall
from server.gateway.run_trace import NoTrace, RunTrace
from server.storage.records import RunResult

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_OWN_ATTRIBUTES = {
    "backend",
    "time_to_first_chunk",
    "time_to_first_token",
    "cost_usd",
    "price_table",
    "unpriced",
    "refused",
}
"""Attributes without a name in the conventions; they get our prefix."""
_log = logging.getLogger(__name__)


class Telemetry:
    """Makes the traces of runs."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("llm_agent_builder") if provider else None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Telemetry:
        """Return the telemetry that the environment configures; it is off without an endpoint."""
        if not any(environ.get(name) for name in _ENDPOINTS):
            return cls()
        try:
            return cls(_make_provider())
        except ImportError:
            _log.warning(
                "tracing is configured (OTEL_EXPORTER_OTLP_ENDPOINT), but the OpenTelemetry SDK is "
                "not installed: pip install 'llm-agent-builder[otel]'"
            )
            return cls()

    def run(self, run_id: str, backend: str) -> RunTrace:
        """Begin the trace of a run."""
        if self._tracer is None:
            return NoTrace()
        return _SpanTrace(self._tracer, run_id, backend)

    def close(self) -> None:
        """Send the remaining spans; may take seconds."""
        if self._provider is not None:
            self._provider.shutdown()


def _make_provider() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    resource = Resource.create()  # as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name it
    if str(resource.attributes.get("service.name")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "llm-agent-builder"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class _SpanTrace:
    """A run as a span `invoke_agent`, its calls as spans `chat` below it."""

    def __init__(self, tracer: Tracer, run_id: str, backend: str) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        self._trace = trace
        self._tracer = tracer
        self._span: Span = tracer.start_span(
            "invoke_agent",
            kind=trace.SpanKind.INTERNAL,
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "agent_builder.run.id": run_id,
                "agent_builder.backend": backend,
            },
        )

    def environment(self) -> dict[str, str]:
        """Return TRACEPARENT, which passes the W3C trace context to child processes."""
        context = self._span.get_span_context()
        parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
        return {"TRACEPARENT": parent}

    def call(self, call: Call, finished: ModelCall) -> None:
        """Add a finished call as a child of the span that its SDK sent, or else of the run."""
        parent, links = self._parent(call.trace_parent)
        span = self._tracer.start_span(
            f"{finished.operation} {finished.request_model or ''}".strip(),
            context=parent,
            kind=self._trace.SpanKind.CLIENT,
            attributes=_attributes(finished),
            links=links,
            start_time=call.started_ns,
        )
        if finished.error is not None:
            span.set_status(self._trace.StatusCode.ERROR, finished.error)
        elif (finished.status or 0) >= 400:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(call.started_ns + int(finished.duration * 1e9))

    def end(self, result: RunResult) -> None:
        """End the run's span with its outcome, usage and cost."""
        usage = {} if result.usage is None else asdict(result.usage)
        found = {
            "agent_builder.run.status": result.status,
            "agent_builder.cost_usd": result.cost_usd,
            **{f"gen_ai.usage.{key}": value for key, value in usage.items()},
        }
        self._span.set_attributes({key: value for key, value in found.items() if value is not None})
        if result.status not in {"success", "cancelled"}:
            self._span.set_status(self._trace.StatusCode.ERROR, result.status)
        self._span.end()

    def _parent(self, sent: str | None) -> tuple[Context, list[Any]]:
        from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

        own = self._trace.set_span_in_context(self._span)
        if sent is None:
            return own, []
        propagator = tracecontext.TraceContextTextMapPropagator()
        context = propagator.extract({"traceparent": sent})
        joined = self._trace.get_current_span(context).get_span_context()
        if not joined.is_valid:
            return own, []
        same = joined.trace_id == self._span.get_span_context().trace_id
        return context, [] if same else [self._trace.Link(self._span.get_span_context())]


def _attributes(call: ModelCall) -> dict[str, Any]:
    return {
        f"agent_builder.{name}" if name in _OWN_ATTRIBUTES else name: value
        for name, value in call.to_wire().items()
        if value is not None and name != "duration"
    }
