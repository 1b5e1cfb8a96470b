"""Imports agents made with OpenAI's Agent Builder or Agents SDK.

One agent of the program is converted to a spec. A report lists, line by line, what was converted,
and what to do about the rest; nothing is skipped silently. The program is not run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.openai_import.functions import Function, convert_answer
from llm_agent_builder.openai_import.instructions import UnknownTextError, read_text
from llm_agent_builder.openai_import.model_settings import convert_run, convert_settings
from llm_agent_builder.openai_import.program import AgentCall, Program, read_program
from llm_agent_builder.openai_import.report import Line, Report
from llm_agent_builder.openai_import.tools import convert_servers, convert_tools
from llm_agent_builder.providers import DEFAULT_PROVIDER, PROVIDERS, ProviderEnum
from llm_agent_builder.reading.parts import names_of
from llm_agent_builder.validation.text import NAME_MAX_CHARS

_SHOWN_CHARS = 60
_NOT_HERE: Mapping[str, str] = {
    "handoffs": "agents here work alone: use one prompt, or run several files from your code",
    "handoff_description": "describes this agent to other agents; agents here work alone",
    "input_guardrails": "no guardrails here: check the task in your code, before run(task)",
    "output_guardrails": "no guardrails here: give the answer a type, or check it after run(task)",
    "hooks": "no hooks here: add what you need to the file's methods",
    "tool_use_behavior": "the model always sees what tools return before it answers",
    "reset_tool_choice": "the model itself decides when to call tools",
    "mcp_config": "schemas of MCP servers are used unchanged",
    "prompt": "it is stored at OpenAI: copy its text into the prompt",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: the fields of the spec, and the report in line order."""

    spec: dict[str, Any]
    report: tuple[Line, ...]
    agents: tuple[str, ...]
    """The names of all agents in the program; one of them was imported."""


@dataclass(slots=True)
class _Import:
    program: Program
    agent: AgentCall
    spec: dict[str, Any]
    report: Report
    used: set[str] = field(default_factory=set)


def import_agent(
    text: str, provider: ProviderEnum = DEFAULT_PROVIDER, agent: str | None = None
) -> Imported:
    """Convert one agent of a program, and report on the rest.

    `agent` is the name of the agent to convert, by default the one that the program starts.

    Raises:
        NotOursError: the text is not a program of that SDK, or has no such agent.

    """
    program = read_program(text)
    chosen = _chosen(program, agent)
    row = PROVIDERS[provider]
    spec = {"provider": row.id.value, "model": row.default_model}
    work = _Import(program, chosen, spec, Report())
    for name, value in chosen.arguments.items():
        _convert(work, name, value)
    _note_missing(work)
    runs = [run for run in program.runs if run.agent == chosen.variable] or program.runs[:1]
    for run in runs:
        convert_run(run, work.spec, work.report)
    _report_rest(work)
    titles = tuple(each.title for each in program.agents)
    return Imported(work.spec, tuple(work.report.sorted()), titles)


def _chosen(program: Program, name: str | None) -> AgentCall:
    if name is not None:
        for each in program.agents:
            if name in {each.title, each.variable}:
                return each
        titles = ", ".join(each.title for each in program.agents)
        raise NotOursError(f"has no agent {name!r}; it has: {titles}")
    started = [run.agent for run in program.runs]
    by_variable = {each.variable: each for each in program.agents if each.variable}
    for variable in started:
        if variable in by_variable:
            return by_variable[variable]
    handing = [each for each in program.agents if "handoffs" in each.arguments]
    return (handing or program.agents)[-1]


def _convert(work: _Import, name: str, value: ast.expr) -> None:
    convert = _CONVERTERS.get(name)
    if convert is not None:
        convert(work, value)
    else:
        note = _NOT_HERE.get(name, "has no counterpart here; consider writing it into the prompt")
        work.report.add(value, name, carried=False, note=note)


def _convert_name(work: _Import, value: ast.expr) -> None:
    try:
        name = " ".join(read_text(work.program, value).text.split())
    except UnknownTextError:
        name = ""
    short = name[:NAME_MAX_CHARS].strip()
    if not short:
        work.report.add(
            value, "name", carried=False, note="it is only known at run time; enter a name"
        )
        return
    work.spec["name"] = short
    note = "" if short == name else f"cut to {NAME_MAX_CHARS} characters"
    work.report.add(value, "name", carried=True, note=note)


def _convert_instructions(work: _Import, value: ast.expr) -> None:
    if isinstance(value, ast.Name):
        work.used.add(value.id)
    try:
        text = read_text(work.program, value)
    except UnknownTextError as error:
        work.report.add(value, "instructions", carried=False, note=str(error))
        return
    if not text.text.strip():
        work.report.add(value, "instructions", carried=False, note="are empty; write the prompt")
        return
    work.spec["prompt"] = text.text
    work.report.add(value, "instructions", carried=True, note=text.notes)
    for name in text.named & work.program.definitions.keys() - work.used:
        node = work.program.definitions[name]
        work.report.add(node, name, carried=True, note="its value was inserted into the prompt")
    work.used |= text.named


def _convert_model(work: _Import, value: ast.expr) -> None:
    chosen = work.spec["model"]
    label = PROVIDERS[ProviderEnum(work.spec["provider"])].label
    named = str(value.value) if isinstance(value, ast.Constant) else "the program's own"
    note = f"{named} is another provider's model; replaced by {chosen}, the default of {label}"
    work.report.add(value, "model", carried=False, note=note)


def _convert_output(work: _Import, value: ast.expr) -> None:
    if isinstance(value, ast.Call) and work.program.called(value) == "AgentOutputSchema":
        value = value.args[0] if value.args else value
    if isinstance(value, ast.Constant) and value.value is None:
        return
    if not isinstance(value, ast.Name):
        note = "only a class of the program can be converted; wrap the value in a Pydantic model"
        work.report.add(value, "output_type", carried=False, note=note)
        return
    if value.id == "str":
        return
    converted = convert_answer(work.program, value.id)
    work.used |= {value.id, *converted.uses}
    node = work.program.definitions.get(value.id, value)
    what = f"output_type {value.id}"
    if converted.code is not None:
        work.spec["answer"] = converted.code
    work.report.add(node, what, carried=converted.code is not None, note=converted.note)


def _convert_tools(work: _Import, value: ast.expr) -> None:
    work.used |= convert_tools(work.program, value, work.spec, work.report)


def _convert_servers(work: _Import, value: ast.expr) -> None:
    convert_servers(work.program, value, work.spec, work.report)


def _convert_settings(work: _Import, value: ast.expr) -> None:
    convert_settings(work.program, value, work.spec, work.report)


_CONVERTERS: Mapping[str, Callable[[_Import, ast.expr], None]] = {
    "name": _convert_name,
    "instructions": _convert_instructions,
    "model": _convert_model,
    "output_type": _convert_output,
    "tools": _convert_tools,
    "mcp_servers": _convert_servers,
    "model_settings": _convert_settings,
}


def _note_missing(work: _Import) -> None:
    call = work.agent.call
    if "model" not in work.agent.arguments:
        _convert_model(work, ast.copy_location(ast.Constant("that SDK's default model"), call))
    if "instructions" not in work.agent.arguments:
        work.report.add(
            call, "instructions", carried=False, note="the agent has none; write the prompt"
        )


def _report_rest(work: _Import) -> None:
    """Report everything else in the program as not converted."""
    work.used |= {work.agent.variable}
    others = {each.variable: each for each in work.program.agents if each is not work.agent}
    for each in others.values():
        note = f"another agent: import it by name, {each.title!r}, into its own file"
        work.report.add(each.call, f"agent {each.title}", carried=False, note=note)
    for node in work.program.source.tree.body:
        names = names_of(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or names & (work.used | set(others)):
            continue
        if _is_docstring(node) or work.report.has(node):
            continue
        what = " ".join(sorted(names)) or _first_line(work, node)
        work.report.add(node, what, carried=False, note=_why_not(node))


def _first_line(work: _Import, node: ast.stmt) -> str:
    line = work.program.source.lines[node.lineno - 1].strip().rstrip(":")
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 3]}..."


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _why_not(node: ast.stmt) -> str:
    if isinstance(node, Function):
        return "workflow code: an agent file answers one task; call run(task) from code like this"
    if isinstance(node, ast.ClassDef):
        return "not part of the agent; keep it with the code that calls run(task)"
    return "not part of the agent; agent files start and find the API key by themselves"
