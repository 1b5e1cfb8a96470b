"""Reads an agent file without running it: whose SDK it uses, and the constants it sets."""

from __future__ import annotations

import ast

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.syntax_trees import syntax_tree

PROVIDER_BASE_URLS = frozenset(provider.base_url for provider in OWN_SERVER_PROVIDERS)
"""What BASE_URL is in a file whose agent calls no server of the user's own."""


def provider_of(tree: ast.Module) -> ProviderEnum:
    """Return whose SDK the file imports.

    Raises:
        NotOursError: nobody's.

    """
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    for row in PROVIDERS.values():
        if row.sdk_module in imported:
            return row.id
    names = " or ".join(row.sdk_module for row in PROVIDERS.values())
    raise NotOursError(f"is not an agent made here (no {names} import)")


def assigned(tree: ast.Module, name: str) -> list[ast.expr | None]:
    """Return every value that the module's own statements give a name; None: not a plain one."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
            found.append(None)
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                found[found.index(None)] = value
            case ast.AnnAssign(target=ast.Name(id=target), value=value) if target == name and value:
                found[found.index(None)] = value
    return found


def constant(tree: ast.Module, name: str) -> object:
    """Return the value of a constant that is set once, by a literal; else None."""
    values = assigned(tree, name)
    if len(values) != 1 or not isinstance(values[0], ast.Constant):
        return None
    return values[0].value


def own_base_url(tree: ast.Module) -> str | None:
    """Return the address of the user's own server that an agent calls, or None.

    It is the last choice of BASE_URL, after the environment's; a provider's own address is none.
    """
    values = assigned(tree, "BASE_URL")
    value = values[0] if len(values) == 1 else None
    if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or):
        value = value.values[-1]
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return None
    return None if value.value in PROVIDER_BASE_URLS else value.value


def example_task(source: str) -> str | None:
    """Return the EXAMPLE_TASK of an agent file, if it has one; the file is read, never run."""
    try:
        task = constant(syntax_tree(source), "EXAMPLE_TASK")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return task if isinstance(task, str) else None
