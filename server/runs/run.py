"""One run: what it is asked for, its events so far, and how it ended.

An event is numbered here, once; live readers and the database see the same numbers, so a stream can
be resumed from either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.budgets.ledger import Caps
from server.gateway.cassette import Cassette
from server.isolation.events import LeftOut, WrittenFile
from server.limits import Limits
from server.observability.tracing import NoTrace, RunTrace
from server.runs.backends import Backend
from server.runs.usage_totals import UsageTotals
from server.sandbox import SandboxRun
from server.settings import PROVIDER_TOOLS
from server.storage.store import EVENT_BYTES_AT_ONCE, EVENTS_AT_ONCE

Event = tuple[int, str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run may have beside its program and its limits."""

    budget: Caps = field(default_factory=Caps)
    egress: tuple[str, ...] = ()
    """What it was granted: places, "host:port", and `PROVIDER_TOOLS`."""
    record: bool = False
    replay: Cassette | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Placed in its folder."""

    @property
    def size(self) -> int:
        """Return the bytes that its files and its cassette take up, about."""
        replay = 0 if self.replay is None else self.replay.size
        return sum(map(len, self.files.values())) + replay

    @property
    def hosts(self) -> frozenset[str]:
        """The granted places alone."""
        return frozenset(self.egress) - {PROVIDER_TOOLS}


@dataclass(eq=False)
class Run:
    """One run, from admission until its last event is kept."""

    id: str
    code: str
    task: str
    limits: Limits
    backend: Backend
    options: RunOptions
    files: tuple[WrittenFile, ...] = ()
    """What it left in its folder, and with `files_left_out` what is not among it."""
    files_left_out: tuple[LeftOut, ...] = ()
    created: float = field(default_factory=time.monotonic)
    status: str = "queued"
    events: list[Event] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    failure: MachineryError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing of it runs any more, whether or not the database knows."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task_handle: asyncio.Task[None] | None = None
    process: SandboxRun | None = None
    cancel_asked: bool = False
    abandoned: bool = False
    """Whether its processes could not be ended with it."""
    trace: RunTrace = field(default_factory=NoTrace)
    tally: UsageTotals = field(default_factory=UsageTotals)
    over_budget: str | None = None
    """The budget that its last refused call did not fit in, in words for people."""
    mismatch: str | None = None
    """How the first call that its recording has no answer to differs from what was recorded."""
    cassette: str | None = None
    """The recorded model calls as JSON, once the run has ended."""
    recording_full: str | None = None
    """Why there is no recording, where one was asked for."""
    missing: tuple[str, ...] = ()
    """What the agent's ready tools need and this run was not given, in words for people."""
    input_size: int = 0
    """Bytes of what it was given: code, task, files, cassette."""
    kept: int = 0
    """How many of the events are in the database."""
    end_written: bool = False
    """Whether its outcome is in the database, though its last events may not be."""
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by who writes it to the database."""
    cancel_reason: str = "cancelled"
    admitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def add(self, kind: str, /, **data: Any) -> None:
        """Give an event its number, and wake the readers."""
        data["time"] = time.monotonic() - self.created
        self.events.append((len(self.events) + 1, kind, data))
        self.wake()

    def wake(self) -> None:
        """Let every reader that waits look again."""
        self.changed.set()
        self.changed = asyncio.Event()

    def page(self, position: int) -> list[Event]:
        """Return some events behind the first `position`: 64 KiB of output, and one event more."""
        size, found = 0, self.events[position : position + EVENTS_AT_ONCE]
        for count, (_, _, data) in enumerate(found, 1):
            size += len(data.get("text", ""))
            if size >= EVENT_BYTES_AT_ONCE:
                return found[:count]
        return found

    def described(self) -> dict[str, Any]:
        """Return what the history has of a run that has not ended; what isn't known is None."""
        unknown = ("reason", "returncode", "duration", "time_to_first_output", "usage", "cost_usd")
        return {
            "id": self.id,
            "status": self.status,
            "backend": self.backend,
            "created_at": self.admitted_at.isoformat(),
            **dict.fromkeys(unknown),
            "code": self.code,
            "task": self.task,
            "files": [],
            "files_left_out": [],
        }

    def size(self) -> int:
        """Return about how many bytes its output, files and recording take in memory."""
        texts = sum(len(data["text"]) for _, kind, data in self.events if kind == "output")
        return texts + sum(len(file.content) for file in self.files) + _size(self.cassette)

    def drop_outputs(self) -> None:
        """Give up what it wrote; how it ended and what happened in it stays."""
        self.files, self.cassette, self.result["files"] = (), None, []
        self.events = [
            (seq, kind, {**data, "text": ""} if kind == "output" else data)
            for seq, kind, data in self.events
        ]

    def denied(self) -> str | None:
        """Return what was refused last, in words for people."""
        messages = [data["message"] for _, kind, data in self.events if kind == "denied"]
        return messages[-1] if messages else None

    def output(self, stream: str | None = None) -> str:
        """Return what the program wrote, on one stream or on both in order of arrival."""
        return "".join(
            data["text"]
            for _, kind, data in self.events
            if kind == "output" and stream in {None, data["stream"]}
        )


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_size(each) for each in value.values())
    return sum(_size(each) for each in value) if isinstance(value, list | tuple) else 8
