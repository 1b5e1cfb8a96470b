"""The events of a run as types; the only place that writes and reads their wire form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from server.gateway.model_call import ModelCall
from server.isolation.events import DeniedEvent, LimitEvent, OutputEvent
from server.limits import Limits
from server.storage.records import Event, RunResult


@dataclass(frozen=True, slots=True)
class MissingNeed:
    """Something that the agent needs and the run does not have."""

    tool: str
    """The tool that needs it; empty if it concerns all tools."""
    kind: str
    """ "files", "hosts" or "tools"."""
    names: tuple[str, ...]
    message: str
    """The same as a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedEvent:
    """The run has left the queue and starts."""

    run_id: str
    backend: str
    model_label: str
    tier: str
    limits: Limits
    granted_files: tuple[str, ...]
    granted_hosts: tuple[str, ...]
    missing: tuple[MissingNeed, ...]

    def to_wire(self) -> dict[str, Any]:
        """Return the data of the event."""
        return {
            "run_id": self.run_id,
            "backend": self.backend,
            "model_label": self.model_label,
            "tier": self.tier,
            "limits": asdict(self.limits),
            "granted": {"files": list(self.granted_files), "hosts": list(self.granted_hosts)},
            "missing": [{**asdict(need), "names": list(need.names)} for need in self.missing],
        }


RunEvent = StartedEvent | OutputEvent | ModelCall | LimitEvent | DeniedEvent | RunResult
"""Everything that happens in a run."""


def to_wire(event: RunEvent) -> tuple[str, dict[str, Any]]:
    """Return an event's kind and its data, as the database and the clients have them."""
    match event:
        case OutputEvent():
            return "output", {"stream": event.stream, "text": event.text}
        case ModelCall():
            return "model_call", event.to_wire()
        case LimitEvent():
            cap = {} if event.cap is None else {"cap": event.cap}
            return "limit", {"kind": event.kind, **cap, "message": event.message}
        case DeniedEvent():
            return "denied", {"kind": event.kind, "message": event.message}
        case StartedEvent():
            return "started", event.to_wire()
        case RunResult():
            return "exit", event.to_wire()


def text_of(event: Event) -> str:
    """Return the text of an output event; empty for any other."""
    text: str = event.data["text"] if event.kind == "output" else ""
    return text


def without_text(event: Event) -> Event:
    """Return the event with an empty text, if it is an output event."""
    return event._replace(data={**event.data, "text": ""}) if event.kind == "output" else event


def read_output(event: Event) -> OutputEvent:
    """Return an "output" event as a type."""
    return OutputEvent(event.data["stream"], event.data["text"])


def read_limit(event: Event) -> LimitEvent:
    """Return a "limit" event as a type."""
    return LimitEvent(event.data["kind"], event.data["message"], event.data.get("cap"))


def message_of(event: Event) -> str:
    """Return the message of a "denied" event."""
    message: str = event.data["message"]
    return message


def missing_messages(event: Event) -> list[str]:
    """Return the messages about missing files, hosts and tools in a "started" event."""
    return [need["message"] for need in event.data["missing"]]
