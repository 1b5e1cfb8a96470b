"""Writes the constants of an agent file, and gives the values that they must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_agent_builder.python_source.constants import CONSTANTS, Constant, Kind
from llm_agent_builder.python_source.literals import (
    line_literal,
    list_literal,
    number_literal,
    number_value,
    python_literal,
    wrapped,
)
from llm_agent_builder.spec.agent_spec import AgentSpec, McpServer


def constant_line(constant: Constant, value: Any) -> str:
    """Return the assignment of a constant, which may have several lines."""
    return _WRITERS[constant.kind](constant.name, value)


def constant_values(spec: AgentSpec) -> dict[str, Any]:
    """Return the value of each constant as Python reads it from the file of `spec`."""
    return {row.name: _VALUES[row.kind](getattr(spec, row.field)) for row in CONSTANTS}


def server_value(server: McpServer) -> dict[str, Any]:
    """Return an MCP server as the dictionary in the file."""
    if server.url is not None:
        return {"name": server.name, "url": server.url}
    return {"name": server.name, "command": server.command, "env": server.env}


def _servers_literal(servers: Sequence[McpServer]) -> str:
    return "[\n" + "".join(map(_server_literal, servers)) + "]"


def _server_literal(server: McpServer) -> str:
    items = [f'"name": {line_literal(server.name)}']
    if server.url is None:
        lists = {"command": server.command, "env": server.env}
        items += [_list_item(key, values) for key, values in lists.items()]
    else:
        items.append(f'"url": {line_literal(server.url)}')
    return wrapped("    {", items, "},") + "\n"


def _list_item(key: str, values: Sequence[str]) -> str:
    """Return an item of a server's dictionary, without the indentation of its first line."""
    return list_literal(f'        "{key}": [', values, "],").strip().removesuffix(",")


_WRITERS: Mapping[Kind, Callable[[str, Any], str]] = {
    Kind.TEXT: lambda name, value: f"{name} = {python_literal(value)}",
    Kind.CHOICE: lambda name, value: f"{name}: Final = {python_literal(value)}",
    Kind.WHOLE: lambda name, value: f"{name} = {value}",
    Kind.NUMBER: lambda name, value: f"{name} = {number_literal(value)}",
    Kind.TEXTS: lambda name, value: list_literal(f"{name} = [", value),
    Kind.SERVERS: lambda name, value: f"{name}: list[dict[str, Any]] = {_servers_literal(value)}",
}
_VALUES: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: lambda value: value,
    Kind.CHOICE: lambda value: value,
    Kind.WHOLE: lambda value: value,
    Kind.NUMBER: lambda value: None if value is None else number_value(value),
    Kind.TEXTS: lambda value: value,
    Kind.SERVERS: lambda value: [server_value(server) for server in value],
}
