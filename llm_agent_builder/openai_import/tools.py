"""Converts the tools of an Agents SDK agent: function tools, hosted tools, MCP servers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_agent_builder.openai_import.functions import Function, convert_tool
from llm_agent_builder.openai_import.program import Program
from llm_agent_builder.openai_import.report import Report
from llm_agent_builder.reading.literal_values import NotLiteralError, literal_value

_HOSTED: Mapping[str, str] = {
    "WebSearchTool": "runs at OpenAI; the gallery tool fetch_url reads pages of allowed hosts",
    "FileSearchTool": "runs at OpenAI; the gallery tool read_file reads attached files",
    "CodeInterpreterTool": "runs at OpenAI; write the computation as a tool",
    "ImageGenerationTool": "runs at OpenAI; there is no counterpart",
    "ComputerTool": "there is no counterpart",
    "LocalShellTool": "there is no counterpart; write the one command as a tool",
    "ShellTool": "there is no counterpart; write the one command as a tool",
    "ApplyPatchTool": "there is no counterpart",
    "ToolSearchTool": "runs at OpenAI; here the model sees all tools",
    "FunctionTool": "write it as a function with types and a docstring, and add it as a tool",
    "CustomTool": "write it as a function with types and a docstring, and add it as a tool",
}
_STDIO, _HTTP = "MCPServerStdio", "MCPServerStreamableHttp"


_TOOLS_MAX = 32
"""Limit of the tools read from one agent; a spec can have half as many."""


def convert_tools(
    program: Program, value: ast.expr, spec: dict[str, Any], report: Report
) -> set[str]:
    """Convert an agent's `tools`; return the names of the program that this uses."""
    used: set[str] = set()
    listed = program.value_of(value)
    if not isinstance(listed, ast.List | ast.Tuple):
        report.add(
            value, "tools", carried=False, note="the list is only known at run time; add them"
        )
        return used
    if isinstance(value, ast.Name):
        used.add(value.id)
    for item in listed.elts[:_TOOLS_MAX]:
        used |= {node.id for node in ast.walk(item) if isinstance(node, ast.Name)}
        used |= _convert_tool(program, item, spec, report)
    if rest := listed.elts[_TOOLS_MAX:]:
        report.add(
            rest[0], f"{len(rest)} more tools", carried=False, note="too many; add them by hand"
        )
    return used


def _convert_tool(
    program: Program, item: ast.expr, spec: dict[str, Any], report: Report
) -> set[str]:
    """Convert one tool; return the names of the program that its code includes."""
    made = program.value_of(item)
    kind = program.called(made)
    if kind in _HOSTED:
        report.add(item, kind, carried=False, note=_HOSTED[kind])
    elif kind == "HostedMCPTool" and isinstance(made, ast.Call):
        _convert_hosted(program, made, spec, report)
    elif kind == "function_tool" and isinstance(made, ast.Call) and made.args:
        return _convert_function(program, made.args[0], _overrides(made), spec, report)
    elif isinstance(made, ast.Call) and getattr(made.func, "attr", "") == "as_tool":
        note = "another agent as a tool: agents here work alone, so run both from your code"
        report.add(item, program.source.segment(item)[:60], carried=False, note=note)
    else:
        return _convert_function(program, item, {}, spec, report)
    return set()


def _convert_function(
    program: Program,
    item: ast.expr,
    overrides: dict[str, str],
    spec: dict[str, Any],
    report: Report,
) -> set[str]:
    name = item.id if isinstance(item, ast.Name) else ""
    function = program.definitions.get(name) or _nested(program, name)
    if not isinstance(function, Function):
        what = f"tool {name}" if name else "a tool"
        note = "is not defined in this file; write it as a function and add it as a tool"
        report.add(item, what, carried=False, note=note)
        return set()
    for decorator in function.decorator_list:
        if program.called(decorator) == "function_tool":
            assert isinstance(decorator, ast.Call)
            overrides = _overrides(decorator) | overrides
    converted = convert_tool(program, function, overrides)
    if converted.code is not None:
        spec.setdefault("tools", []).append({"code": converted.code})
    what = f"tool {overrides.get('name_override', function.name)}"
    report.add(function, what, carried=converted.code is not None, note=converted.note)
    return converted.uses


def _nested(program: Program, name: str) -> ast.AST | None:
    for node in ast.walk(program.source.tree):
        if isinstance(node, Function) and node.name == name:
            return node
    return None


def _overrides(call: ast.Call) -> dict[str, str]:
    """Return the name and description that a decorator's arguments give a tool."""
    return {
        each.arg: each.value.value
        for each in call.keywords
        if each.arg in {"name_override", "description_override"}
        and isinstance(each.value, ast.Constant)
        and isinstance(each.value.value, str)
    }


def _convert_hosted(program: Program, call: ast.Call, spec: dict[str, Any], report: Report) -> None:
    config = next((each.value for each in call.keywords if each.arg == "tool_config"), call)
    values = dict(_literals(program, program.value_of(config)))
    url, name = values.get("server_url"), values.get("server_label")
    if not isinstance(url, str):
        note = "is a connector hosted by OpenAI; find the server's own URL and add that"
        report.add(call, "HostedMCPTool", carried=False, note=note)
        return
    extra = values.keys() & {"authorization", "headers", "require_approval", "allowed_tools"}
    note = f"without {', '.join(sorted(extra))}" if extra else ""
    _add_server(call, {"name": name or "server", "url": url}, note, spec, report)


def convert_servers(
    program: Program, value: ast.expr, spec: dict[str, Any], report: Report
) -> None:
    """Convert an agent's `mcp_servers`."""
    listed = program.value_of(value)
    for item in listed.elts if isinstance(listed, ast.List | ast.Tuple) else [value]:
        made = program.value_of(item)
        kind = program.called(made)
        if kind not in {_STDIO, _HTTP} or not isinstance(made, ast.Call):
            note = "only stdio and streamable HTTP servers can be converted; add it by hand"
            report.add(item, kind or "an MCP server", carried=False, note=note)
            continue
        _convert_server(program, made, kind, spec, report)


def _convert_server(
    program: Program, call: ast.Call, kind: str, spec: dict[str, Any], report: Report
) -> None:
    arguments = {each.arg: each.value for each in call.keywords}
    values = dict(_literals(program, program.value_of(arguments.get("params", call))))
    named = arguments.get("name")
    name = named.value if isinstance(named, ast.Constant) else None
    if kind == _HTTP and isinstance(values.get("url"), str):
        note = "without its headers" if "headers" in values else ""
        _add_server(call, {"name": name or "server", "url": values["url"]}, note, spec, report)
        return
    command = values.get("command")
    if not isinstance(command, str):
        note = "its command or URL is only known at run time; add it by hand"
        report.add(call, kind, carried=False, note=note)
        return
    server = {"name": name or "server", "command": [command, *_texts(values.get("args"))]}
    env = values.get("env")
    note = ""
    if isinstance(env, dict):
        server["env"] = list(env)
        note = "its environment variables are listed by name: set the values where the agent runs"
    _add_server(call, server, note, spec, report)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _add_server(
    node: ast.AST, server: dict[str, Any], note: str, spec: dict[str, Any], report: Report
) -> None:
    servers = spec.setdefault("mcp_servers", [])
    base = re.sub(r"[^A-Za-z0-9_-]+", "-", str(server["name"])).strip("-")[:28] or "server"
    taken = {each["name"] for each in servers}
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, 100))
    server["name"] = next(name for name in names if name not in taken)
    servers.append(server)
    report.add(node, f"MCP server {server['name']}", carried=True, note=note)


def _literals(program: Program, node: ast.expr) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a dict, or the keywords of a call, with literal values."""
    if isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    elif isinstance(node, ast.Call):
        pairs = [(ast.Constant(each.arg), each.value) for each in node.keywords]
    else:
        pairs = []
    for key, given in pairs:
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            continue
        value = program.value_of(given)
        try:
            yield key.value, literal_value(value)
        except NotLiteralError:
            yield key.value, _names_of(value)


def _names_of(value: ast.expr) -> Any:
    """Return the known part of a computed value: a dict's keys."""
    if isinstance(value, ast.Dict):
        return {
            key.value: None
            for key in value.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    return None
