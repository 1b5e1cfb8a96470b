"""Prometheus metrics of our own: runs by outcome and backend, their times, those under way."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class RunMetrics:
    """The metrics of runs, on a registry of their own: apps in one process don't share them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.finished = Counter(
            "agent_builder_runs",
            "Finished runs by outcome and backend.",
            ["status", "backend"],
            registry=registry,
        )
        self.duration = Histogram(
            "agent_builder_run_duration_seconds",
            "From a run's start to its end.",
            ["backend"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_output = Histogram(
            "agent_builder_run_time_to_first_output_seconds",
            "From a run's start to the first byte it wrote.",
            ["backend"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "agent_builder_runs_in_flight", "Runs going on now.", registry=registry
        )
        self.queued = Gauge("agent_builder_runs_queued", "Runs waiting now.", registry=registry)
        self.model_calls = Counter(
            "agent_builder_model_calls",
            "Model calls that went through the gateway.",
            ["provider", "backend", "status"],
            registry=registry,
        )
