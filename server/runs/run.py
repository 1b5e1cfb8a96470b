"""One run: its input, its events so far, and its result.

Events are numbered here, once. Live readers and the database see the same numbers, so a stream can
be resumed from either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.budgets.ledger import Caps
from server.gateway.cassette import Cassette
from server.gateway.run_trace import NoTrace, RunTrace
from server.isolation.events import WrittenFile
from server.isolation.sandbox_run import SandboxRun
from server.limits import Limits
from server.runs.backends import Backend
from server.runs.events import RunEvent, message_of, text_of, to_wire, without_text
from server.runs.usage_totals import UsageTotals
from server.settings import PROVIDER_TOOLS
from server.storage.records import Event, FileEntry, RunDescription, RunResult, RunSummary
from server.storage.store import EVENT_BYTES_AT_ONCE, EVENTS_AT_ONCE


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run, besides its program and its limits."""

    budget: Caps = field(default_factory=Caps)
    egress: tuple[str, ...] = ()
    """The granted hosts as "host:port", and `PROVIDER_TOOLS`."""
    record: bool = False
    replay: Cassette | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Input files by name, written to the run's folder."""

    @property
    def size(self) -> int:
        """Return about how many bytes its files and its cassette take."""
        replay = 0 if self.replay is None else self.replay.size
        return sum(map(len, self.files.values())) + replay

    @property
    def hosts(self) -> frozenset[str]:
        """The granted hosts alone."""
        return frozenset(self.egress) - {PROVIDER_TOOLS}


@dataclass(eq=False)
class Run:
    """One run, from its admission until its last event is in the database."""

    id: str
    code: str
    task: str
    limits: Limits
    backend: Backend
    options: RunOptions
    files: tuple[WrittenFile, ...] = ()
    """The files that the program wrote."""
    created: float = field(default_factory=time.monotonic)
    status: str = "queued"
    events: list[Event] = field(default_factory=list)
    result: RunResult | None = None
    """None until it has ended."""
    failure: MachineryError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when none of its processes is left, whether or not the result is in the database."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task_handle: asyncio.Task[None] | None = None
    process: SandboxRun | None = None
    cancel_asked: bool = False
    abandoned: bool = False
    """Whether its processes could not be killed."""
    trace: RunTrace = field(default_factory=NoTrace)
    totals: UsageTotals = field(default_factory=UsageTotals)
    over_budget: str | None = None
    """The message about the budget that its last refused call exceeded."""
    mismatch: str | None = None
    """How the first call without a recorded response differs from the recording."""
    cassette: str | None = None
    """The recorded model calls as JSON, once the run has ended."""
    recording_full: str | None = None
    """Why there is no recording although one was requested."""
    missing: tuple[str, ...] = ()
    """Messages about what the agent's gallery tools need and this run does not have."""
    input_size: int = 0
    """Bytes of its code, task, files and cassette."""
    written: int = 0
    """How many of the events are in the database."""
    end_written: bool = False
    """Whether its result is in the database; its last events may still be missing there."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Locked while the run is written to the database."""
    cancel_reason: str = "cancelled"
    admitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, event: RunEvent) -> None:
        """Append an event with its number and the seconds since the start; wake the readers."""
        kind, data = to_wire(event)
        data["time"] = time.monotonic() - self.created
        self.events.append(Event(len(self.events) + 1, kind, data))
        self.wake()

    def wake(self) -> None:
        """Wake all readers that wait for a change."""
        self.changed.set()
        self.changed = asyncio.Event()

    def page(self, position: int) -> list[Event]:
        """Return the next events after the first `position`: 64 KiB of output, plus one event."""
        size, found = 0, self.events[position : position + EVENTS_AT_ONCE]
        for count, event in enumerate(found, 1):
            size += len(text_of(event))
            if size >= EVENT_BYTES_AT_ONCE:
                return found[:count]
        return found

    def describe(self) -> RunDescription:
        """Return the run as the history describes it; what isn't known yet is None."""
        result = self.result or RunResult(status=self.status)
        return RunDescription(
            **self._summary_fields(result),
            code=self.code,
            task=self.task,
            files=tuple(FileEntry(file.name, file.size, kept=True) for file in result.files),
            files_left_out=result.files_left_out,
        )

    def summary(self) -> RunSummary:
        """Return the run as it appears in the list of runs."""
        return RunSummary(**self._summary_fields(self.result or RunResult(status=self.status)))

    def _summary_fields(self, result: RunResult) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "backend": self.backend,
            "created_at": self.admitted_at.isoformat(),
            "reason": result.reason,
            "returncode": result.returncode,
            "duration": result.duration,
            "time_to_first_output": result.time_to_first_output,
            "usage": result.usage and asdict(result.usage),
            "cost_usd": result.cost_usd,
        }

    def size(self) -> int:
        """Return about how many bytes its output, files and recording take in memory."""
        texts = sum(len(text_of(event)) for event in self.events)
        return texts + sum(len(file.content) for file in self.files) + len(self.cassette or "")

    def drop_output(self) -> None:
        """Drop output, files and recording; the result and the other events remain."""
        self.files, self.cassette = (), None
        if self.result is not None:
            self.result = replace(self.result, files=())
        self.events = [without_text(event) for event in self.events]

    def denied(self) -> str | None:
        """Return the message of the last "denied" event."""
        messages = [message_of(event) for event in self.events if event.kind == "denied"]
        return messages[-1] if messages else None
