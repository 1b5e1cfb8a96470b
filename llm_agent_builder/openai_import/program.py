"""A program of OpenAI's Agents SDK: what it defines and which agents it makes. Read, never run."""

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
    """What it is assigned to; empty where it is not."""
    arguments: Mapping[str, ast.expr]

    @property
    def title(self) -> str:
        """Its name, as far as the program says it plainly."""
        name = self.arguments.get("name")
        said = name.value if isinstance(name, ast.Constant) else None
        return said if isinstance(said, str) and said else self.variable or "agent"


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
    """Local names of what was imported from the SDK, and the SDK's own."""
    sdk_modules: set[str] = field(default_factory=set)
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    """Functions, classes and constants at the level of the module, by name."""
    agents: list[AgentCall] = field(default_factory=list)
    runs: list[RunCall] = field(default_factory=list)
    opened: dict[str, ast.expr] = field(default_factory=dict)
    """What `with ... as name` and plain assignments give to names, anywhere."""

    def called(self, node: ast.AST) -> str:
        """Return the SDK's name of what is called: `Agent` for `agents.Agent[X](...)`."""
        if not isinstance(node, ast.Call):
            return ""
        return self.sdk_name(node.func)

    def sdk_name(self, node: ast.AST) -> str:
        """Return the SDK's name of an expression, or nothing."""
        if isinstance(node, ast.Subscript):
            node = node.value
        match node:
            case ast.Name(id=name):
                return self.sdk_names.get(name, "")
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self.sdk_modules:
                return name
        return ""

    def value_of(self, node: ast.expr) -> ast.expr:
        """Return what a name of the program stands for, where that is one expression."""
        for _ in range(10):
            if not isinstance(node, ast.Name) or node.id not in self.opened:
                break
            node = self.opened[node.id]
        return node


def uses_agents_sdk(text: str) -> bool:
    """Say whether a file imports OpenAI's Agents SDK, without parsing it."""
    return _SDK_IMPORT.search(text) is not None


def read_program(text: str) -> Program:
    """Return a program of the Agents SDK.

    Raises:
        NotOursError: it isn't one; says what it is instead, where that shows.

    """
    if "@openai/agents" in text:
        raise NotOursError(
            "is TypeScript: export the agent's code as Python (Agents SDK), and import that"
        )
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
            "is no program of OpenAI's Agents SDK: nothing in it makes an Agent(...) that was "
            "imported by `from agents import Agent`"
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
            program.opened[name] = value
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            program.opened[name] = value
        case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
            program.opened[name] = value


def _find_agents(program: Program) -> None:
    variables = {id(value): name for name, value in program.opened.items()}
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
    """Return what stands in functions: it runs later than what stands in the module."""
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
