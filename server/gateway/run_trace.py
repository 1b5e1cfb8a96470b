"""The trace of one run, to which the gateway adds model calls."""

from __future__ import annotations

from typing import Protocol

from server.gateway.call import Call
from server.gateway.model_call import ModelCall
from server.storage.records import RunResult


class RunTrace(Protocol):
    """The trace of one run."""

    def environment(self) -> dict[str, str]:
        """Return environment variables with which an instrumented agent joins the trace."""
        ...

    def call(self, call: Call, finished: ModelCall) -> None:
        """Add a finished call."""
        ...

    def end(self, result: RunResult) -> None:
        """End the trace."""
        ...


class NoTrace:
    """The trace of a run while tracing is off."""

    def environment(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def call(self, call: Call, finished: ModelCall) -> None:
        """Do nothing."""

    def end(self, result: RunResult) -> None:
        """Do nothing."""
