"""Renames the agent's class and file throughout an agent file."""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import replace
from itertools import groupby, pairwise, takewhile
from operator import itemgetter

from llm_agent_builder.errors import Conflict, MergeConflictError
from llm_agent_builder.reading.source import Source, at_byte, read_source


def rename_class(source: Source, agent: ast.ClassDef, name: str) -> Source:
    """Return the file with its agent's class renamed, in manual edits too.

    Raises:
        MergeConflictError: the old or the new name is also used for something else.

    """
    places: list[tuple[int, int]] = [_definition(source, agent)]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id == agent.name:
            if not isinstance(node.ctx, ast.Load):
                raise _taken(source, node.lineno, agent.name)
            places.append((node.lineno, node.col_offset))
        elif node is not agent and {agent.name, name} & _bound(node):
            raise _taken(source, getattr(node, "lineno", 1), name)
    return _with_words(source, places, agent.name, name)


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a node binds or uses."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)) | ast.Name(id=name):
            return {name}
        case ast.alias(name=name, asname=asname):
            return {(asname or name).partition(".")[0]}
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return set(names)
    return set()


def _taken(source: Source, line: int, name: str) -> MergeConflictError:
    reason = (
        f"{name} is the name of the agent's class and of something else here; rename that first"
    )
    return MergeConflictError([Conflict(line, line, source.lines[line - 1], reason)])


def _definition(source: Source, agent: ast.ClassDef) -> tuple[int, int]:
    line = source.lines[agent.lineno - 1]
    _, rest = at_byte(line, agent.col_offset)
    found = re.match(r"class\s+", rest)
    shift = found.end() if found else 0
    return agent.lineno, agent.col_offset + shift


def _with_words(source: Source, places: list[tuple[int, int]], old: str, new: str) -> Source:
    lines = list(source.lines)
    for line, found in groupby(sorted(places), key=itemgetter(0)):
        words = _replaced(lines[line - 1], [column for _, column in found], old, new)
        if words is None:
            raise _taken(source, line, old)
        lines[line - 1] = words
    return read_source(source.bom + "".join(lines))


def _replaced(line: str, columns: list[int], old: str, new: str) -> str | None:
    """Return a line with the name at each column replaced; None if one isn't `old`."""
    data = line.encode()
    pieces = [data[: columns[0]].decode()]
    for column, end in pairwise([*columns, len(data)]):
        after = data[column:end].decode()
        word = "".join(takewhile(lambda char: f"a{char}".isidentifier(), after))
        # Python treats variants of a letter (NFKC) as the same name.
        if unicodedata.normalize("NFKC", word) != old:
            return None
        pieces += [new, after[len(word) :]]
    return "".join(pieces)


def rename_file(source: Source, old: str, new: str) -> Source:
    """Return the file with its file name replaced in the module docstring's usage lines."""
    match source.tree.body:
        case [ast.Expr(value=ast.Constant(value=str())) as docstring, *_] if old != new:
            pattern = re.compile(rf"(?<![\w./-]){re.escape(old)}(?![\w./-])")
            lines = list(source.lines)
            for number in range(docstring.lineno - 1, docstring.end_lineno or 0):
                lines[number] = pattern.sub(new, lines[number])
            return replace(source, lines=tuple(lines))
    return source
