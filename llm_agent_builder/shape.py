"""The proof that values stay values: a rendered file differs from its reference in them only.

The reference is the same template rendered with stand-ins, for the same features. In both trees
each value is compared with what the spec says, node by node, and then blanked; so is the user's own
code, against the parse of what the user gave. What remains must be the same.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from typing import Any

from llm_agent_builder.errors import TemplateError
from llm_agent_builder.features import Features
from llm_agent_builder.literals import number_value
from llm_agent_builder.rendering import FileCode, base_url_of, render, tool_calls
from llm_agent_builder.spec import AgentSpec, McpServer

_BLANK = "_blank"
_CLASS, _ANSWER, _TOOL = "ReferenceAgent", "ReferenceAnswer", "reference_tool"
_FILENAME = "agent.py"
_Aliases = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Made:
    """A file's source, with what it was made from."""

    source: str
    spec: AgentSpec
    features: Features
    code: FileCode
    class_name: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Reference:
    shape: tuple[str, str]
    """The docstring and the tree, as `_shape` gives them."""
    imports: _Aliases
    place: int
    """Of the user's code, among the statements below the imports."""


def check_shape(made: Made) -> None:
    """Prove that a file's values changed nothing but themselves.

    Raises:
        TemplateError: they did; never write such a file.

    """
    try:
        tree = ast.parse(made.source)
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"the rendered file is not Python: {error}") from error
    reference = _reference(made.features)
    imports = _take_imports(tree)
    theirs = frozenset().union(*map(_aliases_of_text, made.code.imports))
    found = _take_user_code(tree, made.code, reference.place)
    if not found or imports != reference.imports | theirs or _shape(tree, made) != reference.shape:
        raise TemplateError("the rendered file does not have the shape of its template")


@lru_cache(maxsize=512)
def _reference(features: Features) -> _Reference:
    spec = _reference_spec(features)
    has_code = features.tools or features.answer
    tools = (_TOOL,) if features.tools else ()
    answer = _ANSWER if features.answer else ""
    code = FileCode(bodies=(_BLANK,) if has_code else (), tools=tools, answer=answer)
    source = render(spec, features, code, _CLASS, _FILENAME)
    tree = ast.parse(source)
    imports = _take_imports(tree)
    dumps = [ast.dump(node) for node in tree.body]
    place = dumps.index(ast.dump(_marker())) if has_code else 0
    made = Made(source, spec, features, code, _CLASS, _FILENAME)
    return _Reference(_shape(tree, made), imports, place)


def _reference_spec(features: Features) -> AgentSpec:
    """Return a spec of stand-ins. Not validated: what is not among its features is not read."""
    servers = [McpServer(name="s", command=("c",))] if features.has_stdio else []
    servers += [McpServer(name="h", url="http://h/")] if features.has_http else []
    return AgentSpec.model_construct(
        name="reference name",
        model="reference model",
        prompt="reference prompt",
        task="reference task",
        base_url="http://reference/v1" if features.own_server else None,
        provider=features.provider,
        thinking="adaptive",
        effort="low",
        stop_sequences=("reference stop",),
        mcp_servers=tuple(servers),
        token_budget=1,
        timeout_s=1.5,
    )


def _take_imports(tree: ast.Module) -> _Aliases:
    """Take the import block out of a tree, and return each name that it imports."""
    docstring, *rest = tree.body
    block = list(takewhile(lambda node: isinstance(node, (ast.Import, ast.ImportFrom)), rest))
    tree.body = [docstring, *rest[len(block) :]]
    return _aliases(block)


def _aliases(nodes: list[ast.stmt]) -> _Aliases:
    return frozenset(
        (getattr(node, "module", None) or "", name.name, name.asname or "")
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    )


@lru_cache(maxsize=512)
def _aliases_of_text(imports: tuple[str, ...]) -> _Aliases:
    return _aliases(ast.parse("\n".join(imports)).body)


@lru_cache(maxsize=512)
def _dumped(text: str) -> tuple[str, ...]:
    return tuple(ast.dump(node) for node in ast.parse(text).body)


def _marker() -> ast.stmt:
    return ast.Expr(ast.Name(_BLANK, ast.Load()))


def _take_user_code(tree: ast.Module, code: FileCode, place: int) -> bool:
    """Put a mark in place of the user's code; return whether it stood there as it was given."""
    given = [dump for body in code.bodies for dump in _dumped(body)]
    if not given:
        return True
    end = place + len(given)
    stands = [ast.dump(node) for node in tree.body[place:end]]
    tree.body[place:end] = [_marker()]
    return stands == given


def _shape(tree: ast.Module, made: Made) -> tuple[str, str]:
    """Return a file's docstring and tree, with its values blanked where they are as they should."""
    docstring = (ast.get_docstring(tree) or "").replace(made.filename, _FILENAME)
    del tree.body[0]
    values = _values(made.spec)
    tools = [
        ast.dump(ast.parse(call, mode="eval").body) for call in tool_calls(made.features, made.code)
    ]
    for node in tree.body:
        name, value = _assigned(node)
        if name == "TOOLS" and isinstance(value, ast.List):
            if [ast.dump(item) for item in value.elts] == tools:
                value.elts.clear()
        elif name == "BASE_URL" and isinstance(value, ast.BoolOp):
            if _is(value.values[-1], base_url_of(made.spec)):
                value.values[-1] = ast.Constant(_BLANK)
        elif name in values and _is(value, values[name]):
            node.value = ast.Constant(_BLANK)  # type: ignore[attr-defined]
    _rename(tree, {made.class_name: _CLASS, made.code.answer: _ANSWER})
    return docstring, ast.dump(tree)


def _values(spec: AgentSpec) -> Mapping[str, Any]:
    return {
        "NAME": spec.name,
        "MODEL": spec.model,
        "MAX_TOKENS": spec.max_tokens,
        "THINKING": spec.thinking,
        "EFFORT": spec.effort,
        "STOP_SEQUENCES": spec.stop_sequences,
        "MAX_TURNS": spec.max_turns,
        "TOKEN_BUDGET": spec.token_budget,
        "TIMEOUT_S": number_value(spec.timeout_s or 0),
        "RETRIES": spec.retries,
        "MCP_SERVERS": [server_value(server) for server in spec.mcp_servers],
        "SYSTEM_PROMPT": spec.prompt,
        "EXAMPLE_TASK": spec.task,
    }


def server_value(server: McpServer) -> dict[str, Any]:
    """Return a server as the file's MCP_SERVERS has it."""
    if server.url is not None:
        return {"name": server.name, "url": server.url}
    return {"name": server.name, "command": server.command, "env": server.env}


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None]:
    """Return the name that a statement gives a value to, and the value."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
    return "", None


def _is(node: ast.expr | None, value: object) -> bool:
    """Return whether an expression is the literal of a value, and nothing else."""
    match node, value:
        case ast.Constant(value=constant, kind=None), str() | int() | float():
            return type(constant) is type(value) and constant == value
        case ast.List(elts=elements), list() | tuple():
            return len(elements) == len(value) and all(map(_is, elements, value))
        case ast.Dict(keys=keys, values=values), dict():
            names = [key.value if isinstance(key, ast.Constant) else None for key in keys]
            return names == list(value) and all(map(_is, values, value.values()))
    return False


def _rename(tree: ast.Module, names: Mapping[str, str]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            node.id = names[node.id]
        elif isinstance(node, ast.ClassDef) and node.name in names:
            node.name = names[node.name]
