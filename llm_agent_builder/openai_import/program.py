"""Parses a program of OpenAI's Agents SDK and finds its definitions and agents; never runs it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.reading.parts import names_of
from llm_agent_builder.reading.source import Source, read_source

_SDK = "agents"
_SDK_IMPORT = re.compile(rf"^\s*(?:from|import)\s+{_SDK}\b", re.MULTILINE)
_RUNS = {"run", "run_sync", "run_streamed"}


@dataclass(frozen=True, slots=True)
class AgentCall:
    """One `Agent(...)` in a program."""

    call: ast.Call
    variable: str
    """The variable it is assigned to; empty if none."""
    arguments: Mapping[str, ast.expr]

    @property
    def title(self) -> str:
        """The agent's name if it is a literal, else its variable."""
        name = self.arguments.get("name")
        value = name.value if isinstance(name, ast.Constant) else None
        return value if isinstance(value, str) and value else self.variable or "agent"


@dataclass(frozen=True, slots=True)
class RunCall:
    """One call of the SDK's Runner."""

    call: ast.Call
    kind: str
    agent: str
    """The variable of the agent that it starts."""
    arguments: Mapping[str, ast.expr]


@dataclass(slots=True)
class Program:
    """A parsed program."""

    source: Source
    sdk_names: dict[str, str] = field(default_factory=dict)
    """The SDK's name of each local name imported from it."""
    sdk_modules: set[str] = field(default_factory=set)
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    """Functions, classes and constants at the level of the module, by name."""
    agents: list[AgentCall] = field(default_factory=list)
    runs: list[RunCall] = field(default_factory=list)
    values: dict[str, ast.expr] = field(default_factory=dict)
    """Values bound to names by plain assignments and `with ... as name`, anywhere."""

    def called(self, node: ast.AST) -> str:
        """Return the SDK's name of the called object: `Agent` for `agents.Agent[X](...)`."""
        if not isinstance(node, ast.Call):
            return ""
        return self.sdk_name(node.func)

    def sdk_name(self, node: ast.AST) -> str:
        """Return the SDK's name of an expression, or an empty string."""
        if isinstance(node, ast.Subscript):
            node = node.value
        match node:
            case ast.Name(id=name):
                return self.sdk_names.get(name, "")
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self.sdk_modules:
                return name
        return ""

    def value_of(self, node: ast.expr) -> ast.expr:
        """Follow names to the expression that they are bound to; return other nodes unchanged."""
        for _ in range(10):
            if not isinstance(node, ast.Name) or node.id not in self.values:
                break
            node = self.values[node.id]
        return node


def uses_agents_sdk(text: str) -> bool:
    """Say whether a file imports OpenAI's Agents SDK, without parsing it."""
    return _SDK_IMPORT.search(text) is not None


def read_program(text: str) -> Program:
    """Parse a program of the Agents SDK.

    Raises:
        NotOursError: the text is not such a program; the message says why.

    """
    if "@openai/agents" in text:
        raise NotOursError("is TypeScript: export the agent as Python (Agents SDK) and import that")
    source = read_source(text)
    program = Program(source)
    for node in ast.walk(source.tree):
        _note_import(program, node)
    for node in source.tree.body:
        for name in names_of(node):
            program.definitions[name] = node
    for node in ast.walk(source.tree):
        _note_value(program, node)
    _find_agents(program)
    if not program.agents:
        raise NotOursError(
            "contains no OpenAI Agents SDK agent: it never calls the Agent of "
            "`from agents import Agent`"
        )
    return program


def _note_import(program: Program, node: ast.AST) -> None:
    if isinstance(node, ast.ImportFrom) and not node.level:
        if (node.module or "").partition(".")[0] == _SDK:
            for alias in node.names:
                program.sdk_names[alias.asname or alias.name] = alias.name
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.partition(".")[0] == _SDK:
                program.sdk_modules.add(alias.asname or _SDK)


def _note_value(program: Program, node: ast.AST) -> None:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            program.values[name] = value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            program.values[name] = value
        case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
            program.values[name] = value


def _find_agents(program: Program) -> None:
    variables = {id(value): name for name, value in program.values.items()}
    for node in ast.walk(program.source.tree):
        if not isinstance(node, ast.Call):
            continue
        if program.called(node) in {"Agent", "SandboxAgent", "RealtimeAgent"}:
            variable = variables.get(id(node), "")
            program.agents.append(AgentCall(node, variable, dict(_arguments(node, ("name",)))))
        elif run := _run(program, node):
            program.runs.append(run)
    program.agents.sort(key=lambda agent: agent.call.lineno)
    later = _inside_functions(program.source.tree)
    program.runs.sort(key=lambda run: (id(run.call) in later, run.call.lineno))


def _inside_functions(tree: ast.Module) -> set[int]:
    """Return the ids of nodes inside functions and classes: they run after module-level code."""
    return {
        id(inner)
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for inner in ast.walk(node)
    }


def _run(program: Program, node: ast.Call) -> RunCall | None:
    """Return a call such as `Runner.run_sync(agent, "task")` or `run_demo_loop(agent)`."""
    kind = program.called(node)
    match node.func:
        case ast.Attribute(value=runner, attr=name) if name in _RUNS:
            made = program.value_of(runner)
            if "Runner" in {program.sdk_name(runner), program.called(made)}:
                kind = name
    if kind not in _RUNS | {"run_demo_loop"}:
        return None
    arguments = dict(_arguments(node, ("starting_agent", "input")))
    agent = arguments.get("starting_agent") or arguments.get("agent")
    name = agent.id if isinstance(agent, ast.Name) else ""
    return RunCall(node, kind, name, arguments)


def _arguments(node: ast.Call, positional: tuple[str, ...]) -> Iterator[tuple[str, ast.expr]]:
    yield from zip(positional, node.args, strict=False)
    yield from ((each.arg, each.value) for each in node.keywords if each.arg is not None)
