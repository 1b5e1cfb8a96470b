"""Reads an agent file without running it: which SDK it imports, and the constants it sets."""

from __future__ import annotations

import ast

from llm_agent_builder.errors import NotOursError
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.syntax_trees import syntax_tree

PROVIDER_BASE_URLS = frozenset(provider.base_url for provider in OWN_SERVER_PROVIDERS)
"""Values of BASE_URL in files whose agent calls the provider, not a server of the user's own."""


def provider_of(tree: ast.Module) -> ProviderEnum:
    """Return the provider whose SDK the file imports.

    Raises:
        NotOursError: the file imports no provider's SDK.

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
    names = " nor ".join(row.sdk_module for row in PROVIDERS.values())
    raise NotOursError(f"contains no agent: it imports neither {names}")


def assigned(tree: ast.Module, name: str) -> list[ast.expr | None]:
    """Return every value assigned to a name at module level.

    An assignment anywhere else, or with several targets, counts as None.
    """
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
    """Return the value of a constant that is assigned exactly once, as a literal; else None."""
    values = assigned(tree, name)
    if len(values) != 1 or not isinstance(values[0], ast.Constant):
        return None
    return values[0].value


def own_base_url(tree: ast.Module) -> str | None:
    """Return the URL of the user's own server that an agent calls, or None.

    It is the default of BASE_URL, after the environment variable. A provider's URL gives None.
    """
    values = assigned(tree, "BASE_URL")
    value = values[0] if len(values) == 1 else None
    if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or):
        value = value.values[-1]
    if not isinstance(value, ast.Constant) or not isinstance(value.value, str):
        return None
    return None if value.value in PROVIDER_BASE_URLS else value.value


def example_task(source: str) -> str | None:
    """Return the EXAMPLE_TASK of an agent file, or None. The file is parsed, never run."""
    try:
        task = constant(syntax_tree(source), "EXAMPLE_TASK")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return task if isinstance(task, str) else None
