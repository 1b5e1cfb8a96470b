"""Evaluates expressions made of literals, without running them."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

_NUMBER_MAX = 10**12
_DEPTH_MAX = 100
_CALL_DEPTH = 10
"""Depth that a call such as dedent(...) counts as: each call scans its whole text again."""
ON_TEXT: Mapping[str, Callable[[str], str]] = {
    "dedent": textwrap.dedent,
    "cleandoc": inspect.cleandoc,
    "strip": str.strip,
    "lstrip": str.lstrip,
    "rstrip": str.rstrip,
}
"""String functions and methods that prompts are commonly written with."""


class NotLiteralError(Exception):
    """The expression isn't made of literals only, so its value is unknown until it runs."""


def literal_value(node: ast.expr, depth: int = 0) -> Value:
    """Return the value of an expression of literals.

    Supported: strings, numbers, True, False, None, lists, tuples and dicts with string keys;
    string concatenation by `+`, f-strings without fields, `dedent(...)` and `.strip()`; `+`, `-`
    and `*` of numbers.

    Raises:
        NotLiteralError: the expression is anything else.

    """
    if depth > _DEPTH_MAX:
        raise NotLiteralError
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [literal_value(item, depth + 1) for item in node.elts]
    return _computed(node, depth)


def _computed(node: ast.expr, depth: int) -> Value:
    match node:
        case ast.Dict(keys=keys, values=values):
            return _mapping(keys, values, depth)
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, depth) for part in parts)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(literal_value(operand, depth + 1))
        case ast.BinOp(left=left, op=operator, right=right):
            return _combined(literal_value(left, depth + 1), operator, right, depth)
        case ast.Call(func=function, args=arguments, keywords=[]):
            return _called(function, arguments, depth)
    raise NotLiteralError


def _mapping(keys: list[ast.expr | None], values: list[ast.expr], depth: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, value in zip(keys, values, strict=True):
        if key is None:
            raise NotLiteralError
        found[_text(key, depth)] = literal_value(value, depth + 1)
    return found


def _text(node: ast.expr, depth: int) -> str:
    value = literal_value(node, depth + 1)
    if not isinstance(value, str):
        raise NotLiteralError
    return value


def _number(value: Value) -> int | float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise NotLiteralError
    if abs(value) > _NUMBER_MAX:
        raise NotLiteralError
    return value


def _combined(left: Value, operator: ast.operator, right_node: ast.expr, depth: int) -> Value:
    right = literal_value(right_node, depth + 1)
    if isinstance(operator, ast.Add) and isinstance(left, str) and isinstance(right, str):
        return left + right
    first, second = _number(left), _number(right)
    if isinstance(operator, ast.Add):
        return first + second
    if isinstance(operator, ast.Sub):
        return first - second
    if isinstance(operator, ast.Mult):
        return first * second
    raise NotLiteralError


def _called(function: ast.expr, arguments: list[ast.expr], depth: int) -> str:
    """Return the value of `dedent(text)`, `textwrap.dedent(text)` or `text.strip()`."""
    match function, arguments:
        case ast.Name(id="dedent" | "cleandoc" as name), [argument]:
            return ON_TEXT[name](_text(argument, depth + _CALL_DEPTH))
        case ast.Attribute(value=ast.Name(), attr="dedent" | "cleandoc" as name), [argument]:
            return ON_TEXT[name](_text(argument, depth + _CALL_DEPTH))
        case ast.Attribute(value=text, attr="strip" | "lstrip" | "rstrip" as name), []:
            return ON_TEXT[name](_text(text, depth + _CALL_DEPTH))
    raise NotLiteralError
