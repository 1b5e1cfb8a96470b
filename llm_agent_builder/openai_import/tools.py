"""What an agent of the Agents SDK may use: function tools, hosted tools, MCP servers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llm_agent_builder.openai_import.functions import Function, carry_tool
from llm_agent_builder.openai_import.program import Program
from llm_agent_builder.openai_import.report import Report
from llm_agent_builder.reading.literal_values import NotLiteralError, literal_value

_HOSTED: Mapping[str, str] = {
    "WebSearchTool": "runs at OpenAI; the ready tool fetch_url reads pages of hosts that you allow",
    "FileSearchTool": "runs at OpenAI; the ready tool read_file reads files that you give",
    "CodeInterpreterTool": "runs at OpenAI; write what it is to compute as a tool of its own",
    "ImageGenerationTool": "runs at OpenAI; there is no counterpart",
    "ComputerTool": "there is no counterpart",
    "LocalShellTool": "there is no counterpart; write the one command as a tool",
    "ShellTool": "there is no counterpart; write the one command as a tool",
    "ApplyPatchTool": "there is no counterpart",
    "ToolSearchTool": "runs at OpenAI; all tools are named to the model",
    "FunctionTool": "write it as a function with types and a docstring, and add it as a tool",
    "CustomTool": "write it as a function with types and a docstring, and add it as a tool",
}
_STDIO, _HTTP = "MCPServerStdio", "MCPServerStreamableHttp"


_TOOLS_MAX = 32
"""Tools of one agent that are looked at: a spec takes half of that."""


def carry_tools(
    program: Program, value: ast.expr, spec: dict[str, Any], report: Report
) -> set[str]:
    """Carry an agent's `tools`; return the names of the program that are used up."""
    used: set[str] = set()
    listed = program.value_of(value)
    if not isinstance(listed, ast.List | ast.Tuple):
        report.add(value, "tools", carried=False, note="the list is made when it runs; add them")
        return used
    if isinstance(value, ast.Name):
        used.add(value.id)
    for item in listed.elts[:_TOOLS_MAX]:
        used |= {node.id for node in ast.walk(item) if isinstance(node, ast.Name)}
        used |= _carry_tool(program, item, spec, report)
    if rest := listed.elts[_TOOLS_MAX:]:
        report.add(rest[0], f"{len(rest)} more tools", carried=False, note="are too many; add them")
    return used


def _carry_tool(program: Program, item: ast.expr, spec: dict[str, Any], report: Report) -> set[str]:
    """Carry one tool; return the names of the program that its code took along."""
    made = program.value_of(item)
    kind = program.called(made)
    if kind in _HOSTED:
        report.add(item, kind, carried=False, note=_HOSTED[kind])
    elif kind == "HostedMCPTool" and isinstance(made, ast.Call):
        _carry_hosted(program, made, spec, report)
    elif kind == "function_tool" and isinstance(made, ast.Call) and made.args:
        return _carry_function(program, made.args[0], _said(made), spec, report)
    elif isinstance(made, ast.Call) and getattr(made.func, "attr", "") == "as_tool":
        note = "another agent as a tool: agents here work alone; run both from your code"
        report.add(item, program.source.segment(item)[:60], carried=False, note=note)
    else:
        return _carry_function(program, item, {}, spec, report)
    return set()


def _carry_function(
    program: Program,
    item: ast.expr,
    said: dict[str, str],
    spec: dict[str, Any],
    report: Report,
) -> set[str]:
    name = item.id if isinstance(item, ast.Name) else ""
    function = program.definitions.get(name) or _nested(program, name)
    if not isinstance(function, Function):
        what = f"tool {name}" if name else "a tool"
        note = "is not defined in this file; write it as a function, and add it as a tool"
        report.add(item, what, carried=False, note=note)
        return set()
    for decorator in function.decorator_list:
        if program.called(decorator) == "function_tool":
            assert isinstance(decorator, ast.Call)
            said = _said(decorator) | said
    carried = carry_tool(program, function, said)
    if carried.code is not None:
        spec.setdefault("tools", []).append({"code": carried.code})
    what = f"tool {said.get('name_override', function.name)}"
    report.add(function, what, carried=carried.code is not None, note=carried.note)
    return carried.uses


def _nested(program: Program, name: str) -> ast.AST | None:
    for node in ast.walk(program.source.tree):
        if isinstance(node, Function) and node.name == name:
            return node
    return None


def _said(call: ast.Call) -> dict[str, str]:
    """Return what a decorator says of a tool's name and description."""
    return {
        each.arg: each.value.value
        for each in call.keywords
        if each.arg in {"name_override", "description_override"}
        and isinstance(each.value, ast.Constant)
        and isinstance(each.value.value, str)
    }


def _carry_hosted(program: Program, call: ast.Call, spec: dict[str, Any], report: Report) -> None:
    config = next((each.value for each in call.keywords if each.arg == "tool_config"), call)
    values = dict(_literals(program, program.value_of(config)))
    url, name = values.get("server_url"), values.get("server_label")
    if not isinstance(url, str):
        note = "is a connector that OpenAI keeps; find the server's own URL, and add that"
        report.add(call, "HostedMCPTool", carried=False, note=note)
        return
    extra = values.keys() & {"authorization", "headers", "require_approval", "allowed_tools"}
    note = f"without {', '.join(sorted(extra))}" if extra else ""
    _add_server(call, {"name": name or "server", "url": url}, note, spec, report)


def carry_servers(program: Program, value: ast.expr, spec: dict[str, Any], report: Report) -> None:
    """Carry an agent's `mcp_servers`."""
    listed = program.value_of(value)
    for item in listed.elts if isinstance(listed, ast.List | ast.Tuple) else [value]:
        made = program.value_of(item)
        kind = program.called(made)
        if kind not in {_STDIO, _HTTP} or not isinstance(made, ast.Call):
            note = "only servers by command or by streamable HTTP can be carried; add it by hand"
            report.add(item, kind or "an MCP server", carried=False, note=note)
            continue
        _carry_server(program, made, kind, spec, report)


def _carry_server(
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
        note = "its place is computed when the program runs; add it by hand"
        report.add(call, kind, carried=False, note=note)
        return
    server = {"name": name or "server", "command": [command, *_texts(values.get("args"))]}
    env = values.get("env")
    note = ""
    if isinstance(env, dict):
        server["env"] = list(env)
        note = "of its environment only the names are kept: set the values where the agent runs"
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
    """Yield the entries of a dict, or of a call's keywords, that are literals."""
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
    """Return what can be told of a value that is computed: a dict's keys, a list's texts."""
    if isinstance(value, ast.Dict):
        return {
            key.value: None
            for key in value.keys
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    return None
