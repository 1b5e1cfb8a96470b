"""What the ready tools in an agent file need of a run: read from the file, never by running it."""

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
"""Where each tool's owner says what it may use."""
_TEXT = re.compile(r"\"([^\"\\\n]{1,253})\"|'([^'\\\n]{1,253})'")
_HTTPS = 443


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a tool can't work without."""

    tool: str
    kind: Needs
    names: tuple[str, ...]
    """Places as HOST:PORT, or files; empty: any file will do."""


def needs_of(source: str) -> tuple[Need, ...]:
    """Return what the ready tools of an agent file need, as its owner has set them."""
    found = []
    for tool, setting in _SETTINGS.items():
        match = setting.search(source) if f"\ndef {tool}(" in source else None
        if match is not None:
            texts = tuple(double or single for double, single in _TEXT.findall(match[1]))
            found.append(_need(tool, texts))
    return tuple(found)


def _need(tool: str, texts: tuple[str, ...]) -> Need:
    if tool == "fetch_url":
        places = (text if ":" in text else f"{text}:{_HTTPS}" for text in texts)
        return Need(tool, "hosts", tuple(places))
    return Need(tool, "files", texts if tool == "query_sqlite" else ())


def missing_of(
    needs: Collection[Need], *, files: Collection[str], hosts: Collection[str]
) -> tuple[Need, ...]:
    """Return what of `needs` a run with these files and granted places is not given."""
    left = []
    for need in needs:
        given = files if need.kind == "files" else hosts
        names = tuple(name for name in need.names if name not in given)
        if names or (not need.names and not given):
            left.append(Need(need.tool, need.kind, names))
    return tuple(left)


def missing_message(need: Need) -> str:
    """Return what a tool will lack, and how to fix that, as a sentence."""
    if need.kind == "hosts":
        places = ", ".join(need.names) or "anything"
        how = "--allow-host, or on the page what AGENT_BUILDER_EGRESS_ALLOW lists"
        return f"{need.tool} can't reach {places} in this run; grant it ({how})"
    files = ", ".join(need.names) or "file"
    return f"{need.tool} finds no {files} in this run; give it (--file, or Files on the page)"
