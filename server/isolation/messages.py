"""Messages to users: which limit a run reached, and what the sandbox denied it."""

from __future__ import annotations

from collections.abc import Iterable

from llm_agent_builder.providers import PROVIDERS
from server.isolation.child.denials import FILE, NETWORK, printable
from server.limits import MAX_SESSIONS, Limits


def limit_message(kind: str, limits: Limits) -> str:
    """Return a limit as text with its value, such as "memory (512 MiB)"."""
    figure = {
        "wall": f"{limits.wall_s:g} s",
        "cpu": f"{limits.cpu_s:g} s",
        "memory": f"{limits.memory_mib} MiB",
        "processes": str(limits.processes),
        "sessions": str(MAX_SESSIONS),
        "scratch": f"{limits.scratch_mib} MiB",
        "output": f"{limits.output_kib} KiB a stream",
        "file size": f"{limits.scratch_mib} MiB",
    }
    return f"{kind} ({figure[kind]})" if kind in figure else kind


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
