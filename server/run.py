"""One run: what it is asked for, its events so far, and how it ended.

An event is numbered here, once; live readers and the database see the same numbers, so a stream can
be resumed from either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_agent_builder.errors import MachineryError
from server.backends import Backend
from server.cassette import Cassette
from server.confine import Limits
from server.ledgers import Caps
from server.run_events import LeftOut, WrittenFile
from server.sandbox import SandboxRun
from server.settings import PROVIDER_TOOLS
from server.tally import Tally
from server.telemetry import NoTrace, RunTrace

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
    done: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task_handle: asyncio.Task[None] | None = None
    process: SandboxRun | None = None
    cancel_asked: bool = False
    trace: RunTrace = field(default_factory=NoTrace)
    tally: Tally = field(default_factory=Tally)
    over_budget: str | None = None
    """The budget that its last refused call did not fit in, in words for people."""
    mismatch: str | None = None
    """How the first call that its recording has no answer to differs from what was recorded."""
    cassette: dict[str, Any] | None = None
    """The recorded model calls, once the run has ended."""
    missing: tuple[str, ...] = ()
    """What the agent's ready tools need and this run was not given, in words for people."""
    kept: int = 0
    """How many of the events are in the database."""

    def add(self, kind: str, /, **data: Any) -> None:
        """Give an event its number, and wake the readers."""
        data["time"] = time.monotonic() - self.created
        self.events.append((len(self.events) + 1, kind, data))
        self.wake()

    def wake(self) -> None:
        """Let every reader that waits look again."""
        self.changed.set()
        self.changed = asyncio.Event()

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
