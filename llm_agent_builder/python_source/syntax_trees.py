"""Python source as syntax trees, one at a time.

The interpreter counts the recursion depth of all threads in one variable, so parsing in two
threads at once can raise a SystemError ("AST constructor recursion depth mismatch").
"""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def syntax_tree(
    source: str | bytes,
    filename: str = "<unknown>",
    feature_version: tuple[int, int] | None = None,
) -> ast.Module:
    """Return the tree of a module; raises what `ast.parse` does."""
    with _ONE_AT_A_TIME:
        return ast.parse(source, filename, feature_version=feature_version)
