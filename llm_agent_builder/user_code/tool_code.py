"""Parses a tool of an agent: one Python function written by the user, checked but never run.

The agent file contains the source: its imports in the file's import block, the rest unchanged.
Style is not checked; code that would break the file or the tool's schema is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.imports import require_standard
from llm_agent_builder.user_code.layout import Name, check_names, split_code
from llm_agent_builder.user_code.parse import TOOL_MAX_BYTES, parse_code
from llm_agent_builder.user_code.tool_functions import (
    check_annotated,
    check_constant,
    check_top_level,
    read_tool,
)
from llm_agent_builder.user_code.type_schema import Types


@dataclass(frozen=True, slots=True)
class ToolCode:
    """A function that an agent file can offer to its model."""

    name: str
    imports: tuple[str, ...]
    """One statement each, as ruff and isort would write them."""
    body: str
    """The unchanged code below the imports; ends with a newline."""
    description: str
    """The docstring's text about the function, without its parameters."""
    input_schema: Mapping[str, Any]
    """JSON Schema of the parameters."""
    names: tuple[Name, ...]
    """Every name at module level, including imported ones."""
    source: str
    """Canonical: imports, blank lines, body; parsing it gives the same again."""


@lru_cache(maxsize=128)
def parse_tool(source: str) -> ToolCode:
    """Return the tool that `source` defines: one public function.

    The source may also contain imports of the standard library, constants in capitals, and helper
    functions with names that start with an underscore.

    Raises:
        CodeProblem: the source can't be a tool; names the line and a fix.

    """
    parsed = parse_code(source, TOOL_MAX_BYTES)
    layout = split_code(parsed)
    for each in layout.imports:
        require_standard(each.imported, each.line)
    functions, names = _read_statements(layout.rest)
    function = _public_function(functions)
    check_names(parsed, layout, names)
    check_annotated(parsed.tree)
    paths = {each.imported.bound: each.imported.path for each in layout.imports}
    description, schema = read_tool(function, Types(paths))
    return ToolCode(
        name=function.name,
        imports=layout.statements,
        body=layout.body,
        description=description,
        input_schema=schema,
        names=(*layout.imported_names, *names),
        source=layout.source,
    )


def _read_statements(rest: Sequence[ast.stmt]) -> tuple[list[ast.FunctionDef], list[Name]]:
    functions: list[ast.FunctionDef] = []
    names: list[Name] = []
    for node in rest:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            check_top_level(node)
            functions += [node] if isinstance(node, ast.FunctionDef) else []
            names.append(Name(node.name, node.lineno))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            names.append(Name(check_constant(node), node.lineno))
        else:
            raise CodeProblem(node.lineno, _statement_problem(node))
    return functions, names


def _statement_problem(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return "a string has no effect here; the docstring goes into the function, right below def"
    if isinstance(node, ast.Expr):
        return "this statement would run when the file is imported; move it inside the function"
    if isinstance(node, ast.ClassDef):
        return f"class {node.name} is outside the function; move it inside"
    return "this statement is outside the function; move it inside or remove it"


def _public_function(functions: Sequence[ast.FunctionDef]) -> ast.FunctionDef:
    public = [function for function in functions if not function.name.startswith("_")]
    if not public:
        line = functions[0].lineno if functions else 1
        raise CodeProblem(
            line,
            'no function for the model; write def name(text: str) -> str: with a """docstring"""',
        )
    if len(public) > 1:
        message = (
            f"{public[1].name} is a second function for the model; make it a tool of its own, "
            f"or a helper: _{public[1].name}"
        )
        raise CodeProblem(public[1].lineno, message)
    return public[0]
