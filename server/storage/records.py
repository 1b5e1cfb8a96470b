"""The records of the run history: events, results, and descriptions of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from llm_agent_builder.python_source.constants import EXIT_STOPPED_EARLY
from server.isolation.events import LeftOut


class Event(NamedTuple):
    """One event of a run, as the database and the clients have it."""

    seq: int
    """Its number in the run, from 1."""
    kind: str
    """One of "started", "output", "model_call", "denied", "limit", "exit"."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunUsage:
    """The sums of a run's model calls."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    calls: int
    refused_calls: int
    """Of these, calls that the gateway refused."""
    unmetered_calls: int
    """Of these, calls that a model may have answered and whose tokens are not known."""


@dataclass(frozen=True, slots=True)
class FileSize:
    """A file that a run wrote; its size in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a run. Times in seconds; None: unknown or not applicable."""

    status: str
    reason: str | None = None
    returncode: int | None = None
    duration: float | None = None
    time_to_first_output: float | None = None
    usage: RunUsage | None = None
    cost_usd: float | None = None
    files: tuple[FileSize, ...] = ()
    files_left_out: tuple[LeftOut, ...] = ()

    @property
    def stopped_early(self) -> bool:
        """Whether the agent stopped early, as its exit code says."""
        return has_stopped_early(self.status, self.returncode)

    def to_wire(self) -> dict[str, Any]:
        """Return the data of the run's `exit` event."""
        return {
            "returncode": self.returncode,
            "duration": self.duration,
            "time_to_first_output": self.time_to_first_output,
            "usage": self.usage and asdict(self.usage),
            "cost_usd": self.cost_usd,
            "files": [asdict(file) for file in self.files],
            "files_left_out": [asdict(left_out) for left_out in self.files_left_out],
            "status": self.status,
            "reason": self.reason,
            "stopped_early": self.stopped_early,
        }


def has_stopped_early(status: str, returncode: int | None) -> bool:
    """Return whether a run with this end is one of an agent that stopped early."""
    return status == "error" and returncode == EXIT_STOPPED_EARLY


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run in the list of runs; None: not known yet. Times in seconds."""

    id: str
    status: str
    backend: str | None
    created_at: str
    """ISO 8601, with its offset from UTC."""
    reason: str | None = None
    returncode: int | None = None
    duration: float | None = None
    time_to_first_output: float | None = None
    usage: dict[str, int] | None = None
    """The fields of `RunUsage`; earlier versions wrote fewer counts."""
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run in the list of runs, and the server that it belongs to, if known."""

    summary: RunSummary
    server_id: str | None


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that a run wrote; its size in bytes, and whether its content is still stored."""

    name: str
    size: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDescription(RunSummary):
    """One run with its code, its task, and the files that it wrote."""

    code: str
    task: str
    files: tuple[FileEntry, ...] = ()
    files_left_out: tuple[LeftOut, ...] = ()
