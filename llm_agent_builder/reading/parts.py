"""Splits a Python file into parts: its header, its statements, and the agent class's members.

Each line belongs to one part; blank lines and comments belong to the statement below them. A part
has a key that identifies it in another version of the file: its name, if it has one.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_agent_builder.reading.source import Source, plain

HEADER, END = "header", "end"


@dataclass(frozen=True, slots=True)
class Part:
    """A range of lines in a file; `first` counts from 0, `end` is one past the last."""

    key: str
    first: int
    end: int
    lines: tuple[str, ...]
    """Their line ends are LF."""
    node: ast.stmt | None = None
    lead: int = 0
    """How many of the lines are blank lines and comments above the statement."""

    @property
    def value(self) -> ast.expr | None:
        """The assigned value, if the part is an assignment to one name."""
        if self.key.startswith("= ") and isinstance(self.node, (ast.Assign, ast.AnnAssign)):
            return self.node.value
        return None


@dataclass(frozen=True, slots=True)
class _Cut:
    """The key and the lines of a statement, before its part is made."""

    key: str
    begin: int
    end: int
    node: ast.stmt | None = None


def names_of(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines: functions, classes, constants."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {each.id for each in targets if isinstance(each, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def _agent_class(tree: ast.Module) -> ast.ClassDef | None:
    """Return the class with a `run` method; of several, the one that main() uses, else the last."""
    preferred = {
        node.value.func.id
        for function in tree.body
        if names_of(function) == {"main"}
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    }
    found = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef) and method(node, "run") is not None
    ]
    named = [node for node in found if node.name in preferred]
    best = named or found
    return best[-1] if best else None


def method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """Return a class's method, or None."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == name:
            return item
    return None


@dataclass(frozen=True, slots=True)
class FileParts:
    """A file split into parts, in order."""

    source: Source
    agent: ast.ClassDef | None
    parts: tuple[Part, ...]

    def original_lines(self, part: Part) -> tuple[str, ...]:
        """Return the lines of a part with their original line ends."""
        return self.source.lines[part.first : part.end]


def split_file(source: Source) -> FileParts:
    """Split a file into parts; the agent's class is split into its members."""
    agent = _agent_class(source.tree)
    return FileParts(source, agent, _split(source, agent))


def _split(source: Source, agent: ast.ClassDef | None) -> tuple[Part, ...]:
    seen: Counter[str] = Counter()
    parts, start = [], 0
    for cut in _joined(list(_cuts(source, agent))):
        seen[cut.key] += 1
        key = cut.key if seen[cut.key] == 1 else f"{cut.key} #{seen[cut.key]}"
        lines = tuple(plain(line) for line in source.lines[start : cut.end])
        parts.append(Part(key, start, cut.end, lines, cut.node, max(cut.begin - start, 0)))
        start = cut.end
    return tuple(parts)


def _cuts(source: Source, agent: ast.ClassDef | None) -> Iterator[_Cut]:
    body = source.tree.body
    docstring = _docstring(body)
    yield _Cut(HEADER, 0, docstring.end_lineno or 0 if docstring else _comment_block(source))
    for node in body[1:] if docstring else body:
        if node is agent and agent is not None:
            yield from _members(source, agent)
        else:
            yield _cut(_key(source, node), node)
    yield _Cut(END, len(source.lines), len(source.lines))


def _docstring(body: Sequence[ast.stmt]) -> ast.stmt | None:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())) as first, *_]:
            return first
    return None


def _comment_block(source: Source) -> int:
    count = 0
    for line in source.lines:
        if not line.startswith("#"):
            break
        count += 1
    return count


def _cut(key: str, node: ast.stmt) -> _Cut:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return _Cut(key, first - 1, node.end_lineno or node.lineno, node)


def _members(source: Source, agent: ast.ClassDef) -> Iterator[_Cut]:
    head = _docstring(agent.body)
    members = agent.body[1:] if head else agent.body
    begin = _cut("", agent).begin
    if head is not None:
        end = head.end_lineno or head.lineno
    else:
        end = max(_cut("", members[0]).begin, agent.lineno)
    yield _Cut("agent", begin, end, agent)
    for node in members:
        yield _cut(f"agent.{_key(source, node)}", node)


def _key(source: Source, node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return f"= {name}"
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return f"def {name}"
        case ast.ClassDef(name=name):
            return f"class {name}"
        case ast.Import() | ast.ImportFrom():
            return ast.unparse(node)
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return "if __name__"
    return "".join(source.segment(node).split())


def _joined(cuts: list[_Cut]) -> Iterator[_Cut]:
    """Join statements that share a line."""
    waiting: list[_Cut] = []
    end = 0
    for cut in cuts:
        if waiting and cut.begin >= end:
            yield _as_one(waiting, end)
            waiting, end = [], 0
        waiting.append(cut)
        end = max(end, cut.end)
    if waiting:
        yield _as_one(waiting, end)


def _as_one(cuts: list[_Cut], end: int) -> _Cut:
    if len(cuts) == 1:
        return cuts[0]
    return _Cut("; ".join(cut.key for cut in cuts), cuts[0].begin, end)
