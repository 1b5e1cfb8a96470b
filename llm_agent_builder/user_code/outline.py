"""Names and needs of code that is still being typed: found by patterns, as it may not parse yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from llm_agent_builder.gallery import Needs, gallery

_FUNCTION = re.compile(r"^def\s+([A-Za-z]\w*)", re.MULTILINE)
_CLASS = re.compile(r"^class\s+(\w+)", re.MULTILINE)
_TITLE = re.compile(r'"title"\s*:\s*"([^"\n]{1,200})"')
_DOCSTRING = re.compile(r'"""\s*([^\n"]+)')
_HOSTS = re.compile(r"^[A-Z_]*HOSTS\b[^=\n]*=\s*[([{]([^)\]}]{0,4000})", re.MULTILINE)
_TEXT = re.compile(r"[\"']([\w.-]{1,253})(?::(\d{1,5}))?[\"']")
_READS_FILES = re.compile(r"\b(?:open\(|Path\(|sqlite3\b|read_text\(|read_bytes\()")
_USES_NETWORK = re.compile(r"\b(?:(?:urllib|http\.client|httpx|requests|socket)\b|https?://)")
_HTTPS = "443"
_HOSTS_MAX = 64
"""Limit of the hosts that are read from one tool."""


@dataclass(frozen=True, slots=True)
class ToolOutline:
    """What can be seen of a tool without parsing it."""

    name: str | None
    """Its public function; None while there is none."""
    summary: str | None
    """The first line of that function's docstring."""
    needs: Needs | None
    """What a run probably has to be given for it."""
    hosts: tuple[str, ...]
    """HOST:PORT that its constant named `...HOSTS` lists."""


def tool_outline(source: str) -> ToolOutline:
    """Return the outline of a tool's source; patterns take about 1 ms for 16 KiB."""
    function = _FUNCTION.search(source)
    name = function[1] if function else None
    docstring = _DOCSTRING.search(source, function.start() if function else 0)
    return ToolOutline(
        name=name,
        summary=docstring[1].strip() if docstring else None,
        needs=_needs(name, source),
        hosts=_listed_hosts(source),
    )


def answer_name(text: str) -> str | None:
    """Return the name of an answer's type: the last class, or a JSON Schema's title."""
    if classes := _CLASS.findall(text):
        return str(classes[-1])
    title = _TITLE.search(text)
    return title[1] if title else None


def _needs(name: str | None, source: str) -> Needs | None:
    for tool in gallery():
        if tool.id == name:
            return tool.needs
    if name is None:
        return None
    if _READS_FILES.search(source):
        return "files"
    return "hosts" if _USES_NETWORK.search(source) else None


def _listed_hosts(source: str) -> tuple[str, ...]:
    found = _HOSTS.search(source)
    if found is None:
        return ()
    listed = islice(_TEXT.finditer(found[1]), _HOSTS_MAX)
    return tuple(f"{each[1].lower()}:{each[2] or _HTTPS}" for each in listed)
