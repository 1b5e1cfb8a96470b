"""The proof that values stay values: a rendered file differs from its reference in them only.

The user's own code is compared as text and cut out, a mark put in its place: where the mark stands
as a statement of its own, so does the code, which has been parsed before. The reference is the same
template rendered with stand-ins, for the same features and names. The file is parsed; each value is
compared with what the spec says, node by node. With the stand-ins where the values stand, the file
is its reference to the letter: whatever the values, it has the shape of its template.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, takewhile
from typing import Any

from llm_agent_builder.errors import TemplateError
from llm_agent_builder.python_source.constants import CONSTANTS, Kind
from llm_agent_builder.python_source.syntax_trees import syntax_tree
from llm_agent_builder.rendering.constants import constant_values
from llm_agent_builder.rendering.features import Features
from llm_agent_builder.rendering.render import RenderedCode, base_url_of, render
from llm_agent_builder.spec.agent_spec import AgentSpec, McpServer

_MARK = "_mark"
_CLASS, _ANSWER, _TOOL = "ReferenceAgent", "ReferenceAnswer", "reference_tool"
_FILENAME = "agent.py"
_STAND_INS: Mapping[Kind, Any] = {
    Kind.TEXT: "reference text",
    Kind.CHOICE: "reference choice",
    Kind.WHOLE: 1,
    Kind.NUMBER: 1.5,
    Kind.TEXTS: ("reference item",),
}
_Aliases = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Made:
    """A file's source, with what it was made from."""

    source: str
    spec: AgentSpec
    features: Features
    code: RenderedCode
    class_name: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Reference:
    """What is known of all files of the same features."""

    literals: Mapping[str, bytes]
    """What stands for each value; for BASE_URL its whole statement."""
    base_url: str
    """The tree of the statement of BASE_URL, its own address aside."""
    imports: _Aliases
    count: int
    """Of the statements below the imports, the mark among them."""


def check_shape(made: Made) -> None:
    """Prove that a file's values changed nothing but themselves.

    Raises:
        TemplateError: they did; never write such a file.

    """
    cut = _without_user_code(made)
    try:
        tree = syntax_tree(cut.source)
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"the rendered file is not Python: {error}") from error
    reference = _reference(cut.features)
    imports, body = _parted(tree)
    theirs = frozenset().union(*map(_aliases_of_text, cut.code.imports))
    holds = imports == reference.imports | theirs and len(body) == reference.count
    wanted = _reference_text(cut.features, cut.code, cut.class_name, cut.filename)
    if not holds or _with_stand_ins(body, cut, reference) != wanted:
        raise TemplateError("the rendered file does not have the shape of its template")


def _without_user_code(made: Made) -> Made:
    """Return a file with a mark in place of the user's code, where that stands as it was given.

    It is looked for from the end: a prompt, which may quote it, comes earlier.
    """
    if not made.code.bodies:
        return made
    given = "\n\n\n".join(body.rstrip("\n") for body in made.code.bodies)
    place = made.source.rfind(f"\n{given}\n") + 1
    if not place:
        raise TemplateError("the rendered file does not hold the user's code as it was given")
    source = f"{made.source[:place]}{_MARK}{made.source[place + len(given) :]}"
    return replace(made, source=source, code=replace(made.code, bodies=(_MARK,)))


@lru_cache(maxsize=512)
def _reference_text(
    features: Features, code: RenderedCode, class_name: str, filename: str
) -> bytes:
    spec = _reference_spec(features)
    return render(spec, features, code, class_name, filename).encode()


@lru_cache(maxsize=512)
def _reference(features: Features) -> _Reference:
    has_code = features.tools or features.answer
    tools = (_TOOL,) if features.tools else ()
    answer = _ANSWER if features.answer else ""
    code = RenderedCode(bodies=(_MARK,) if has_code else (), tools=tools, answer=answer)
    source = _reference_text(features, code, _CLASS, _FILENAME)
    imports, body = _parted(syntax_tree(source))
    values = constant_values(_reference_spec(features))
    base_url, literals, place = "", {}, _Places(source)
    for node in body:
        name, value = _assigned(node)
        if name == "BASE_URL":
            literals[name] = place.text(node)
            base_url = _without_address(value)
        elif name in values and value is not None:
            literals[name] = place.text(value)
    return _Reference(literals, base_url, imports, len(body))


def _reference_spec(features: Features) -> AgentSpec:
    """Return a spec of stand-ins. Not validated: what is not among its features is not read."""
    servers = [McpServer(name="s", command=("c",))] if features.has_stdio else []
    servers += [McpServer(name="h", url="http://h/")] if features.has_http else []
    values = {row.field: _STAND_INS.get(row.kind, servers) for row in CONSTANTS}
    base_url = "http://reference/v1" if features.own_server else None
    return AgentSpec.model_construct(**values, base_url=base_url, provider=features.provider)


class _Places:
    """Where the nodes of a tree stand in its source: Python counts in bytes of UTF-8."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        lengths = (len(line) + 1 for line in source.split(b"\n"))
        self._starts = [0, *accumulate(lengths)]

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return the first byte of a node, and the one behind its last."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.stmt | ast.expr) -> bytes:
        """Return the bytes of a node."""
        start, end = self.span(node)
        return self.source[start:end]


def _with_stand_ins(body: list[ast.stmt], made: Made, reference: _Reference) -> bytes:
    """Return a file's text with its values replaced; empty where one is not what the spec says."""
    places, pieces, done = _Places(made.source.encode()), [], 0
    right = list(_right_values(body, made.spec, reference))
    if [name for name, _ in right] != list(reference.literals):
        return b""
    for name, node in right:
        start, end = places.span(node)
        pieces += [places.source[done:start], reference.literals[name]]
        done = end
    return b"".join([*pieces, places.source[done:]])


def _right_values(
    body: list[ast.stmt], spec: AgentSpec, reference: _Reference
) -> Iterator[tuple[str, ast.stmt | ast.expr]]:
    values = constant_values(spec)
    for node in body:
        name, value = _assigned(node)
        if name not in reference.literals or value is None:
            continue
        if name == "BASE_URL":
            address = value.values[-1] if isinstance(value, ast.BoolOp) else None
            if _is(address, base_url_of(spec)) and _without_address(value) == reference.base_url:
                yield name, node
        elif _is(value, values[name]):
            yield name, value


def _without_address(value: ast.expr | None) -> str:
    """Return the tree of what BASE_URL is, its last choice aside."""
    if not isinstance(value, ast.BoolOp):
        return ""
    return ast.dump(ast.BoolOp(value.op, value.values[:-1]))


def _parted(tree: ast.Module) -> tuple[_Aliases, list[ast.stmt]]:
    """Return the names that a file's import block imports, and the statements below it."""
    rest = tree.body[1:]  # past the docstring
    block = list(takewhile(lambda node: isinstance(node, (ast.Import, ast.ImportFrom)), rest))
    return _aliases(block), rest[len(block) :]


def _aliases(nodes: list[ast.stmt]) -> _Aliases:
    return frozenset(
        (getattr(node, "module", None) or "", name.name, name.asname or "")
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in node.names
    )


@lru_cache(maxsize=512)
def _aliases_of_text(imports: tuple[str, ...]) -> _Aliases:
    return _aliases(syntax_tree("\n".join(imports)).body)


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
