"""The proof that values stay values: a rendered file differs from its reference in them only.

The reference is the same template rendered with stand-ins, for the same features. In both trees
each value is compared with what the spec says, node by node, and then blanked. The user's own code
is compared as text and cut out, a mark put in its place: where the mark stands as a statement, so
does the code. What remains must be the same.
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
from llm_agent_builder.same_tree import same_tree
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
    docstring: str
    tree: ast.Module
    """Blanked; never changed."""
    imports: _Aliases


def check_shape(made: Made) -> None:
    """Prove that a file's values changed nothing but themselves.

    Raises:
        TemplateError: they did; never write such a file.

    """
    try:
        tree = ast.parse(_without_user_code(made))
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"the rendered file is not Python: {error}") from error
    reference = _reference(made.features)
    imports = _take_imports(tree)
    theirs = frozenset().union(*map(_aliases_of_text, made.code.imports))
    docstring = _take_docstring(tree, made.filename)
    _blank_values(tree, made)
    names = {made.class_name: _CLASS, made.code.answer: _ANSWER}
    same = imports == reference.imports | theirs and docstring == reference.docstring
    if not same or not same_tree(tree, reference.tree, names):
        raise TemplateError("the rendered file does not have the shape of its template")


@lru_cache(maxsize=64)  # a tree takes up to a megabyte
def _reference(features: Features) -> _Reference:
    spec = _reference_spec(features)
    has_code = features.tools or features.answer
    tools = (_TOOL,) if features.tools else ()
    answer = _ANSWER if features.answer else ""
    code = FileCode(bodies=(_BLANK,) if has_code else (), tools=tools, answer=answer)
    source = render(spec, features, code, _CLASS, _FILENAME)
    tree = ast.parse(source)
    imports = _take_imports(tree)
    docstring = _take_docstring(tree, _FILENAME)
    _blank_values(tree, Made(source, spec, features, code, _CLASS, _FILENAME))
    return _Reference(docstring, tree, imports)


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


def _without_user_code(made: Made) -> str:
    """Return a file with a mark in place of the user's code, where that stands as it was given.

    It is looked for from the end: a prompt, which may quote it, comes earlier.
    """
    if not made.code.bodies:
        return made.source
    given = "\n\n\n".join(body.rstrip("\n") for body in made.code.bodies)
    place = made.source.rfind(f"\n{given}\n") + 1
    if not place:
        raise TemplateError("the rendered file does not hold the user's code as it was given")
    return f"{made.source[:place]}{_BLANK}{made.source[place + len(given) :]}"


def _take_docstring(tree: ast.Module, filename: str) -> str:
    docstring = (ast.get_docstring(tree) or "").replace(filename, _FILENAME)
    del tree.body[0]
    return docstring


def _blank_values(tree: ast.Module, made: Made) -> None:
    """Blank the values of a file's constants where they are as they should."""
    values = _values(made.spec)
    tools = tool_calls(made.features, made.code)
    for node in tree.body:
        name, value = _assigned(node)
        if name == "TOOLS" and isinstance(value, ast.List):
            if [_called(item) for item in value.elts] == tools:
                value.elts.clear()
        elif name == "BASE_URL" and isinstance(value, ast.BoolOp):
            if _is(value.values[-1], base_url_of(made.spec)):
                value.values[-1] = ast.Constant(_BLANK)
        elif name in values and _is(value, values[name]):
            node.value = ast.Constant(_BLANK)  # type: ignore[attr-defined]


def _called(node: ast.expr) -> str:
    """Return a call as `tool_calls` writes it; "" for anything else."""
    match node:
        case ast.Call(func=ast.Name(id=function), args=[ast.Name(id=name)], keywords=[]):
            return f"{function}({name})"
    return ""


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
