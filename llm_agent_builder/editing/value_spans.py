"""Places of expressions in a file, to put others there and leave all around them as it is."""

from __future__ import annotations

import ast
import io
import tokenize

from llm_agent_builder.reading.source import Source, at_byte


def around(source: Source, node: ast.expr) -> tuple[str, str]:
    """Return what stands before an expression in its first line, and behind it in its last."""
    before, _ = at_byte(source.lines[node.lineno - 1], node.col_offset)
    last, end = node.end_lineno, node.end_col_offset
    assert last is not None
    assert end is not None
    return before, at_byte(source.lines[last - 1], end)[1]


def has_comment(source: Source, node: ast.expr) -> bool:
    """Say whether a comment stands inside an expression of several lines."""
    last = node.end_lineno or node.lineno
    if last == node.lineno:
        return False
    # In parentheses the lines of an expression are one, wherever they were broken.
    text = "(" + source.segment(node) + "\n)"
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return True  # can't be told: leave it alone
    return any(token.type == tokenize.COMMENT for token in tokens)


def replace_value(source: Source, first: int, end: int, node: ast.expr, code: str) -> str | None:
    """Return lines `first` to `end` with `code` in the place of an expression.

    None: the expression holds comments, which would be lost.
    """
    if has_comment(source, node):
        return None
    before, after = around(source, node)
    above = source.lines[first : node.lineno - 1]
    below = source.lines[node.end_lineno or node.lineno : end]
    return "".join([*above, before, code, after, *below])


def own_ends(text: str, newline: str) -> str:
    """Return text with plain line ends with those of a file."""
    return text.replace("\n", newline)
