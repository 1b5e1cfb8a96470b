"""Prometheus metrics of runs and model calls; their labels have a limited number of values."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from llm_agent_builder.catalog.catalog import allowed_model_ids
from llm_agent_builder.providers import PROVIDERS, ProviderEnum

if TYPE_CHECKING:
    from llm_agent_builder.metering.usage import Usage
    from server.gateway.model_call import ModelCall
    from server.storage.records import RunResult

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
AnyMetric = TypeVar("AnyMetric", Counter, Histogram)
KnownModels = Callable[[ProviderEnum], Collection[str]]
OUTCOMES = ("ok", "refused", "rejected", "failed", "cut", "disconnected")
"""ok; refused by the gateway, whatever the reason; rejected by the provider (4xx); failed (no
response, 5xx); cut (the response broke off); disconnected by the agent."""


def outcome_of(call: ModelCall) -> str:
    """Return the outcome of a call, one of OUTCOMES."""
    if call.refused:
        return "refused"
    if call.error == "client_disconnected":
        return "disconnected"
    if call.status is None or call.status >= 500:
        return "failed"
    if call.status >= 300:
        return "rejected"
    return "ok" if call.error is None else "cut"


def model_label(provider: str, model: str | None, models: KnownModels = allowed_model_ids) -> str:
    """Return a model's id if it is in the catalog, else "other", as an agent may use any name."""
    known = models(ProviderEnum(provider)) if provider in list(PROVIDERS) else ()
    names = [model or "", (model or "").partition(":")[0]]  # without Hugging Face's partner suffix
    return next((name for name in names if name in known), "other")


class RunMetrics:
    """The metrics of runs, in the registry of one app."""

    def __init__(
        self, registry: CollectorRegistry, models: KnownModels = allowed_model_ids
    ) -> None:
        self._registry = registry
        self._models = models
        self._series: dict[tuple[object, ...], Any] = {}
        self.finished = self._counter(
            "runs", "Finished runs by outcome and backend.", "status", "backend"
        )
        self.duration = self._seconds("run_duration", "From a run's start to its end.", "backend")
        self.first_output = self._seconds(
            "run_time_to_first_output", "From a run's start to its first output.", "backend"
        )
        self.in_flight = self._gauge("runs_in_flight", "Runs in progress.")
        self.queued = self._gauge("runs_queued", "Runs waiting to start.")
        self.abandoned = self._gauge(
            "runs_abandoned", "Ended runs whose processes can't be killed."
        )
        self.budget_used = self._gauge(
            "daily_budget_used_ratio",
            "Used and reserved share of today's tightest budget; above 1 if it was lowered.",
        )
        self.budget_limits = self._counter("budget_limits", "Budgets that runs reached.", "cap")
        for kind in ("usd", "tokens", "calls"):
            # From 0: Prometheus sees no increase in a series that begins with its first refusal.
            self.budget_limits.labels(f"day_{kind}")
        who = ("provider", "model", "backend")
        self.model_calls = self._counter(
            "model_calls", "Model calls through the gateway, by outcome.", *who, "outcome"
        )
        self.model_tokens = self._counter(
            "model_tokens",
            "Tokens; cache and reasoning are parts of input and output.",
            *who,
            "kind",
        )
        self.model_cost = self._counter(
            "model_cost_usd", "Cost of calls with a known price, in US dollars.", *who
        )
        self.unpriced = self._counter(
            "model_calls_unpriced",
            "Calls with an unknown price.",
            *who,
        )
        self.call_duration = self._seconds(
            "model_call_duration", "From a call's arrival to its end.", *who, "outcome"
        )
        self.first_token = self._seconds(
            "model_time_to_first_token",
            "From a call's arrival to the first token of its stream.",
            *who,
        )

    def end(self, backend: str, result: RunResult) -> None:
        """Count a run that has ended."""
        self.finished.labels(result.status, backend).inc()
        if result.duration is not None:
            self.duration.labels(backend).observe(result.duration)
        if result.time_to_first_output is not None:
            self.first_output.labels(backend).observe(result.time_to_first_output)

    def call(self, call: ModelCall) -> None:
        """Count a model call that has ended."""
        model = model_label(call.provider, call.request_model, self._models)
        who = (call.provider, model, call.backend or "none")
        outcome = outcome_of(call)
        at = self._at
        at(self.model_calls, *who, outcome).inc()
        at(self.call_duration, *who, outcome).observe(call.duration)
        if call.time_to_first_token is not None:
            at(self.first_token, *who).observe(call.time_to_first_token)
        if call.usage is not None:
            self._count_tokens(call.usage, who)
        if call.cost_usd is not None:
            at(self.model_cost, *who).inc(call.cost_usd)
        elif call.unpriced:
            at(self.unpriced, *who).inc()

    def _count_tokens(self, usage: Usage, who: tuple[str, ...]) -> None:
        counts = (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens),
            ("reasoning", usage.reasoning_tokens),
        )
        for kind, count in counts:
            if count:
                self._at(self.model_tokens, *who, kind).inc(count)

    def _at(self, metric: AnyMetric, *labels: str) -> AnyMetric:
        """Return one series of a metric from a cache: `labels()` takes five times as long."""
        key = (metric, labels)
        if key not in self._series:
            self._series[key] = metric.labels(*labels)
        found: AnyMetric = self._series[key]
        return found

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"agent_builder_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"agent_builder_{name}", text, registry=self._registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(
            f"agent_builder_{name}_seconds",
            text,
            labels,
            buckets=_SECONDS,
            registry=self._registry,
        )
