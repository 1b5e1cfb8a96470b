"""Derives the JSON Schema of a tool's parameters from its annotations and docstring.

The result equals that of the Anthropic SDK's `beta_tool` at run time, without its titles.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from typing import Any

from llm_agent_builder.errors import CodeProblem

Schema = dict[str, Any]

SUPPORTED = (
    "str, int, float, bool, list[...], dict[str, ...], Literal[...], and these with | None or a "
    "default"
)
_SIMPLE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_SIMPLE |= {"None": "null", "list": "array", "dict": "object"}
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_TYPING = frozenset({"Annotated", "Literal", "Optional", "Union"})
OLD_NAMES: Mapping[str, str] = {"List": "list[...]", "Dict": "dict[...]"}
"""Generic types of `typing` from before Python 3.9, and their replacements."""
_SECTION = re.compile(r"(Args|Arguments|Parameters|Params|Returns|Raises|Yields|Examples?):\s*")
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


class Types:
    """Reads annotations; `paths` has the import path of each imported name."""

    supported = SUPPORTED

    def __init__(self, paths: Mapping[str, str]) -> None:
        self.paths = paths

    def schema(self, node: ast.expr) -> Schema:
        """Return the JSON Schema of values that an annotation allows.

        Raises:
            CodeProblem: the annotation isn't supported; lists the supported types.

        """
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            if is_none(node.left) and is_none(node.right):  # an error in Python
                raise CodeProblem(node.lineno, "None | None is just None; write that")
            return any_of([self.schema(node.left), self.schema(node.right)])
        if is_none(node):
            return {"type": "null"}
        if isinstance(node, ast.Name) and node.id in _SIMPLE:
            return self._simple(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        raise self.unknown(node)

    def _simple(self, node: ast.Name) -> Schema:
        if node.id in {"list", "dict"}:
            inner = "str" if node.id == "list" else "str, str"
            message = f"{node.id} has no item type; write for example {node.id}[{inner}]"
            raise CodeProblem(node.lineno, message)
        return {"type": _SIMPLE[node.id]}

    def _subscript(self, node: ast.Subscript) -> Schema:
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        match self.path(node.value), inner:
            case "list", [of]:
                return {"type": "array", "items": self.schema(of)}
            case "dict", [ast.Name(id="str"), of]:
                return {"type": "object", "additionalProperties": self.schema(of)}
            case "typing.Literal", _:
                return self.literal(node, inner)
            case "typing.Optional", [of]:
                return any_of([self.schema(of), {"type": "null"}])
            case "typing.Union", [_, *_]:
                return any_of([self.schema(each) for each in inner])
        raise self.unknown(node)

    def path(self, node: ast.expr) -> str:
        """Return the import path of a name: `list`, `typing.Literal`."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return f"{self.paths.get(node.value.id)}.{node.attr}"
        return self.paths.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def literal(self, node: ast.Subscript, inner: list[ast.expr]) -> Schema:
        """Return the schema of `Literal[...]`."""
        values = [each.value for each in inner if isinstance(each, ast.Constant)]
        kinds = {type(value) for value in values}
        if len(values) < len(inner) or not kinds <= {str, int, bool} or len(kinds) != 1:
            message = "the values of a Literal must all be strings, integers or booleans"
            raise CodeProblem(node.lineno, message)
        kind = next(name for name, type_ in _KINDS.items() if type_ in kinds)
        only = {"const": values[0]} if len(values) == 1 else {"enum": list(dict.fromkeys(values))}
        return {**only, "type": kind}

    def unknown(self, node: ast.expr) -> CodeProblem:
        """Return the problem of a type that isn't supported."""
        name = node.value if isinstance(node, ast.Subscript) else node
        if isinstance(name, ast.Name) and name.id in _TYPING and name.id not in self.paths:
            message = f"{name.id} is not imported; write from typing import {name.id} above"
            return CodeProblem(node.lineno, message)
        old = self.path(name).removeprefix("typing.")
        if old in OLD_NAMES:
            return CodeProblem(node.lineno, f"{old} is outdated; write {OLD_NAMES[old]}")
        written = _short(ast.unparse(node))
        return CodeProblem(
            node.lineno, f"the type {written} is not supported; use {self.supported}"
        )


def is_none(node: ast.expr) -> bool:
    """Return whether an expression is the literal None."""
    return isinstance(node, ast.Constant) and node.value is None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def any_of(schemas: list[Schema]) -> Schema:
    """Return the schema of a union: flat, without duplicates."""
    flat: list[Schema] = []
    for schema in schemas:
        flat += [each for each in schema.get("anyOf", [schema]) if each not in flat]
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def fits(value: object, schema: Schema) -> bool:
    """Return whether a parameter's default is one of the values that its type allows."""
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if schema["type"] == "literal":
        return any(value == each and type(value) is type(each) for each in schema["enum"])
    kind = _KINDS.get(schema["type"], ())
    if isinstance(value, bool) and kind not in {bool}:
        return False
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else [value])
    return isinstance(value, kind) and value in allowed


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's description of its function, and of each parameter.

    Parameters are listed under `Args:` as `name: description`, with further lines indented.
    """
    about: list[str] = []
    parameters: dict[str, list[str]] = {}
    section, current = "", ""
    for line in inspect.cleandoc(text).split("\n"):
        if found := _SECTION.fullmatch(line):
            section, current = found[1], ""
        elif not section:
            about.append(line)
        elif section in {"Args", "Arguments", "Parameters", "Params"}:
            current = _argument(line, current, parameters)
    descriptions = {name: " ".join(filter(None, words)) for name, words in parameters.items()}
    return "\n".join(about).strip(), descriptions


def _argument(line: str, current: str, parameters: dict[str, list[str]]) -> str:
    """Read a line below `Args:`; return the parameter that the next line may continue."""
    entry = _ENTRY.fullmatch(line.strip())
    indent = len(line) - len(line.lstrip())
    if entry and (not current or indent <= 4):
        parameters[entry[1]] = [entry[2]]
        return entry[1]
    if current:
        parameters[current].append(line.strip())
    return current
