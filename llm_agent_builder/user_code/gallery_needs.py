"""Finds the files and hosts that an agent file's gallery tools need, without running it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from llm_agent_builder.gallery import Needs

_SETTINGS = {
    "fetch_url": re.compile(r"^FETCH_HOSTS\b[^=\n]*=[^([{\n]*[([{]([^)\]}]{0,4000})", re.MULTILINE),
    "query_sqlite": re.compile(r"^SQLITE_FILE\b[^=\n]*=([^\n]{0,4000})", re.MULTILINE),
    "read_file": re.compile(r"^READ_FOLDER\b[^=\n]*=([^\n]{0,4000})", re.MULTILINE),
}
"""The constant in which the user sets what each tool may use."""
_TEXT = re.compile(r"\"([^\"\\\n]{1,253})\"|'([^'\\\n]{1,253})'")
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Need:
    """Files or hosts that a tool can't work without."""

    tool: str
    kind: Needs
    names: tuple[str, ...]
    """Hosts as HOST:PORT, or files; empty means that any file will do."""


def needs_of(source: str) -> tuple[Need, ...]:
    """Return the needs of an agent file's gallery tools, as set in the file."""
    found = []
    for tool, setting in _SETTINGS.items():
        match = setting.search(source) if f"\ndef {tool}(" in source else None
        if match is not None:
            texts = tuple(double or single for double, single in _TEXT.findall(match[1]))
            found.append(_need(tool, texts))
    return tuple(found)


def _need(tool: str, texts: tuple[str, ...]) -> Need:
    if tool == "fetch_url":
        hosts = (text if ":" in text else f"{text}:{_HTTPS}" for text in texts)
        return Need(tool, "hosts", tuple(hosts))
    return Need(tool, "files", texts if tool == "query_sqlite" else ())


def missing_of(
    needs: Collection[Need], *, files: Collection[str], hosts: Collection[str]
) -> tuple[Need, ...]:
    """Return the part of `needs` that a run with these files and allowed hosts lacks."""
    left = []
    for need in needs:
        available = files if need.kind == "files" else hosts
        names = tuple(name for name in need.names if name not in available)
        if names or (not need.names and not available):
            left.append(Need(need.tool, need.kind, names))
    return tuple(left)


def missing_message(need: Need) -> str:
    """Return a sentence about what a tool lacks, and how to fix that."""
    if need.kind == "hosts":
        hosts = ", ".join(need.names) or "anything"
        return (
            f"{need.tool} can't reach {hosts} in this run; allow the host with --allow-host, or "
            "select it on the page (only hosts in AGENT_BUILDER_EGRESS_ALLOW can be selected)"
        )
    files = ", ".join(need.names) or "file"
    return (
        f"{need.tool} finds no {files} in this run; attach files with --file, or under Files on "
        "the page"
    )
