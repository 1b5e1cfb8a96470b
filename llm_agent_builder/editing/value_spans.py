"""Replaces single expressions in a file, and nothing around them."""

from __future__ import annotations

import ast
import io
import tokenize

from llm_agent_builder.reading.source import Source, at_byte


def around(source: Source, node: ast.expr) -> tuple[str, str]:
    """Return the text before an expression on its first line, and after it on its last."""
    before, _ = at_byte(source.lines[node.lineno - 1], node.col_offset)
    last, end = node.end_lineno, node.end_col_offset
    assert last is not None
    assert end is not None
    return before, at_byte(source.lines[last - 1], end)[1]


def has_comment(source: Source, node: ast.expr) -> bool:
    """Return whether an expression of several lines contains a comment."""
    last = node.end_lineno or node.lineno
    if last == node.lineno:
        return False
    # Parentheses allow line breaks anywhere in the expression.
    text = "(" + source.segment(node) + "\n)"
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return True  # unclear: leave it alone
    return any(token.type == tokenize.COMMENT for token in tokens)


def replace_value(source: Source, first: int, end: int, node: ast.expr, code: str) -> str | None:
    """Return lines `first` to `end` with an expression replaced by `code`.

    Returns None if the expression contains comments, which would be lost.
    """
    if has_comment(source, node):
        return None
    before, after = around(source, node)
    above = source.lines[first : node.lineno - 1]
    below = source.lines[node.end_lineno or node.lineno : end]
    return "".join([*above, before, code, after, *below])


def own_ends(text: str, newline: str) -> str:
    """Return the text with its LF line ends replaced by `newline`."""
    return text.replace("\n", newline)
