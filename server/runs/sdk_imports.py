"""Finds the modules that a program imports, without running it and with bounded parsing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.reading.source import read_source, without_texts

_IMPORT = re.compile(
    r"(?:^|[\r;:])[ \t]*+(?:"
    r"from[ \t]++(?P<module>\w++)[\w.]*+[ \t]++import\b|import[ \t]++(?P<names>[^\r\n;]++))",
    re.MULTILINE,
)
_FIRST_NAMES = re.compile(r"(?:^|,)[ \t]*+(\w++)")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@lru_cache(maxsize=8)
def imported(code: str, wanted: frozenset[str]) -> frozenset[str]:
    """Return which of the `wanted` modules a program imports.

    Code that is too large to parse, or not Python, is searched for lines that begin like imports,
    outside of strings and comments.
    """
    named = frozenset(module for module in wanted if module in code)
    if not named:
        return named
    try:
        tree = read_source(code).tree
    except NotOursError:
        return named & _in_pieces(code)
    return named.intersection(_in_tree(tree))


def _in_pieces(code: str) -> set[str]:
    found: set[str] = set()
    for match in _IMPORT.finditer(without_texts(code)):
        found.update([match["module"]] if match["module"] else _FIRST_NAMES.findall(match["names"]))
    return found


def _in_tree(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level names of all imports; only statements are searched."""
    rest: list[ast.AST] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        for block in _BLOCKS:
            rest += getattr(node, block, None) or ()
