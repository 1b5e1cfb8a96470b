"""Which modules a program imports, found without running it and without parsing much."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.reading.foreign_code import read_source

_IMPORT = re.compile(r"^[ \t]*+(?:import|from)[ \t]++([^\r\n#;]*+)", re.MULTILINE)
_FIRST_NAMES = re.compile(r"(?:^|,)[ \t]*+(\w++)")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@lru_cache(maxsize=8)
def imported(code: str, wanted: frozenset[str]) -> frozenset[str]:
    """Return which of the `wanted` modules a program imports.

    What is too large to be parsed within bounds, or no Python, is looked through for lines that
    begin as imports do.
    """
    named = frozenset(module for module in wanted if module in code)
    if not named:
        return named
    try:
        tree = read_source(code).tree
    except NotOursError:
        return named & _at_line_starts(code)
    return named.intersection(_in_tree(tree))


def _at_line_starts(code: str) -> set[str]:
    return {name for line in _IMPORT.findall(code) for name in _FIRST_NAMES.findall(line)}


def _in_tree(tree: ast.Module) -> Iterator[str]:
    """Return the first names of all imports; expressions hold none, and aren't looked into."""
    rest: list[ast.AST] = [tree]
    while rest:
        node = rest.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
        for block in _BLOCKS:
            rest += getattr(node, block, None) or ()
