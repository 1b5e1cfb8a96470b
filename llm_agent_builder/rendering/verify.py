"""Verifies that a rendered file differs from its reference only in the values of the spec.

This proves that no value can inject code. The reference is the same template, rendered with
placeholder values for the same features and names. The user's code is compared as text and replaced
by a placeholder name: that name is a statement of its own, so the code, which was parsed before, is
too. Then the file is parsed, and each value in it is compared with the spec, node by node. Finally,
with the values replaced by placeholders, the file must equal its reference byte for byte.
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

_CODE_PLACEHOLDER = "_user_code"
_CLASS, _ANSWER, _TOOL = "ReferenceAgent", "ReferenceAnswer", "reference_tool"
_FILENAME = "agent.py"
_PLACEHOLDERS: Mapping[Kind, Any] = {
    Kind.TEXT: "reference text",
    Kind.CHOICE: "reference choice",
    Kind.WHOLE: 1,
    Kind.NUMBER: 1.5,
    Kind.TEXTS: ("reference item",),
}
_Aliases = frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A rendered file with its inputs."""

    source: str
    spec: AgentSpec
    features: Features
    code: RenderedCode
    class_name: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Reference:
    """The reference data of all files with the same features."""

    literals: Mapping[str, bytes]
    """The source of each placeholder; for BASE_URL that of its whole statement."""
    base_url: str
    """The syntax tree of BASE_URL's value, without the address."""
    imports: _Aliases
    count: int
    """The number of statements below the imports, including the code placeholder."""


def verify(file: RenderedFile) -> None:
    """Check that a file's values changed nothing but themselves.

    Raises:
        TemplateError: the file has another structure; it must not be written.

    """
    cut = _without_user_code(file)
    try:
        tree = syntax_tree(cut.source)
    except (SyntaxError, ValueError) as error:
        raise TemplateError(f"the rendered file is not Python: {error}") from error
    reference = _reference(cut.features)
    imports, body = _split(tree)
    theirs = frozenset().union(*map(_aliases_of_text, cut.code.imports))
    matches = imports == reference.imports | theirs and len(body) == reference.count
    wanted = _reference_text(cut.features, cut.code, cut.class_name, cut.filename)
    if not matches or _with_placeholders(body, cut, reference) != wanted:
        raise TemplateError("the rendered file does not have the shape of its template")


def _without_user_code(file: RenderedFile) -> RenderedFile:
    """Return a file with a placeholder for the user's code, which it must contain unchanged.

    The search starts at the end: a prompt, which may quote the code, comes earlier.
    """
    if not file.code.bodies:
        return file
    code = "\n\n\n".join(body.rstrip("\n") for body in file.code.bodies)
    start = file.source.rfind(f"\n{code}\n") + 1
    if not start:
        raise TemplateError("the rendered file does not contain the user's code unchanged")
    source = f"{file.source[:start]}{_CODE_PLACEHOLDER}{file.source[start + len(code) :]}"
    return replace(file, source=source, code=replace(file.code, bodies=(_CODE_PLACEHOLDER,)))


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
    code = RenderedCode(bodies=(_CODE_PLACEHOLDER,) if has_code else (), tools=tools, answer=answer)
    source = _reference_text(features, code, _CLASS, _FILENAME)
    imports, body = _split(syntax_tree(source))
    values = constant_values(_reference_spec(features))
    base_url, literals, spans = "", {}, _Spans(source)
    for node in body:
        name, value = _assigned(node)
        if name == "BASE_URL":
            literals[name] = spans.text(node)
            base_url = _without_address(value)
        elif name in values and value is not None:
            literals[name] = spans.text(value)
    return _Reference(literals, base_url, imports, len(body))


def _reference_spec(features: Features) -> AgentSpec:
    """Return a spec of placeholders, not validated: rendering reads only its features' fields."""
    servers = [McpServer(name="s", command=("c",))] if features.has_stdio else []
    servers += [McpServer(name="h", url="http://h/")] if features.has_http else []
    values = {row.field: _PLACEHOLDERS.get(row.kind, servers) for row in CONSTANTS}
    base_url = "http://reference/v1" if features.own_server else None
    return AgentSpec.model_construct(**values, base_url=base_url, provider=features.provider)


class _Spans:
    """The positions of syntax tree nodes in the source, in UTF-8 bytes."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        lengths = (len(line) + 1 for line in source.split(b"\n"))
        self._starts = [0, *accumulate(lengths)]

    def span(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        """Return the start and the end of a node in bytes."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.stmt | ast.expr) -> bytes:
        """Return the bytes of a node."""
        start, end = self.span(node)
        return self.source[start:end]


def _with_placeholders(body: list[ast.stmt], file: RenderedFile, reference: _Reference) -> bytes:
    """Return a file's text with placeholders for its values; empty if a value is wrong."""
    spans, pieces, done = _Spans(file.source.encode()), [], 0
    matching = list(_matching_values(body, file.spec, reference))
    if [name for name, _ in matching] != list(reference.literals):
        return b""
    for name, node in matching:
        start, end = spans.span(node)
        pieces += [spans.source[done:start], reference.literals[name]]
        done = end
    return b"".join([*pieces, spans.source[done:]])


def _matching_values(
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
    """Return the syntax tree of BASE_URL's value, without its last operand."""
    if not isinstance(value, ast.BoolOp):
        return ""
    return ast.dump(ast.BoolOp(value.op, value.values[:-1]))


def _split(tree: ast.Module) -> tuple[_Aliases, list[ast.stmt]]:
    """Return the imported names of a file's import block, and the statements below it."""
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
    """Return the name and the value of an assignment."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
    return "", None


def _is(node: ast.expr | None, value: object) -> bool:
    """Return whether an expression is exactly the literal of a value."""
    match node, value:
        case ast.Constant(value=constant, kind=None), str() | int() | float():
            return type(constant) is type(value) and constant == value
        case ast.List(elts=elements), list() | tuple():
            return len(elements) == len(value) and all(map(_is, elements, value))
        case ast.Dict(keys=keys, values=values), dict():
            names = [key.value if isinstance(key, ast.Constant) else None for key in keys]
            return names == list(value) and all(map(_is, values, value.values()))
    return False
