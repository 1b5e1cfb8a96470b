"""Messages to users: which limit a run reached, and what the sandbox denied it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from llm_agent_builder.providers import PROVIDERS
from server.isolation.child.denials import FILE, NETWORK, printable
from server.isolation.events import LimitEvent
from server.limits import MAX_SESSIONS, Limits


@dataclass(frozen=True, slots=True)
class _Limit:
    """A kind of limit: its name for people, and its value as text."""

    name: str
    value: Callable[[Limits], str]


_LIMITS: Mapping[str, _Limit] = {
    "wall": _Limit("time", lambda limits: f"{limits.wall_s:g} s"),
    "cpu": _Limit("CPU time", lambda limits: f"{limits.cpu_s:g} s"),
    "memory": _Limit("memory", lambda limits: f"{limits.memory_mib} MiB"),
    "processes": _Limit("processes", lambda limits: str(limits.processes)),
    "sessions": _Limit("sessions", lambda limits: str(MAX_SESSIONS)),
    "scratch": _Limit("disk space", lambda limits: f"{limits.scratch_mib} MiB"),
    "output": _Limit("output", lambda limits: f"{limits.output_kib} KiB a stream"),
    "file size": _Limit("file size", lambda limits: f"{limits.scratch_mib} MiB"),
}


def limit_message(kind: str, limits: Limits) -> str:
    """Return a kind of limit with its value, such as "memory (512 MiB)"."""
    return f"{kind} ({_LIMITS[kind].value(limits)})" if kind in _LIMITS else kind


def limit_name(kind: str) -> str:
    """Return the name of a kind of limit for people, such as "disk space" for "scratch"."""
    return _LIMITS[kind].name if kind in _LIMITS else kind


def named_limit(limit: LimitEvent) -> str:
    """Return the message of a limit with its name for people, such as "time (60 s)"."""
    if not limit.message.startswith(limit.kind):
        return limit.message
    return limit_name(limit.kind) + limit.message.removeprefix(limit.kind)


def denied_message(kind: str, subject: str) -> str:
    """Return the message for a denial, with advice."""
    subject = printable(subject)
    if kind == NETWORK:
        variables = [(each.upstream, each.base_url_variable) for each in PROVIDERS.values()]
        return _network_message(subject, variables)
    if kind == FILE:
        return (
            f"{subject} is outside the program's folder; a run can only use files attached to it "
            "(--file, or Files on the page) and files it writes"
        )
    what = f": {subject}" if subject else ""
    return f"the sandbox blocks this system call{what}"


def _network_message(subject: str, variables: Iterable[tuple[str, str]]) -> str:
    attempted = f" (attempted: {subject})" if subject else ""
    message = f"the sandbox has no network; only the model API is reachable{attempted}"
    host = subject.rpartition(":")[0] or subject
    for upstream, variable in variables:
        domain = ".".join(upstream.split(".")[-2:])
        if f".{host}".endswith(f".{domain}"):  # an SDK may also call other hosts of its provider
            hint = f"Set the client's base URL from {variable}, as generated agents do"
            return f"{message}. {hint}"
    return message
