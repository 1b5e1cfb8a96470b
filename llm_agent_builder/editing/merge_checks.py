"""Checks a merged file for names that were removed or are defined twice."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from llm_agent_builder.errors import CONFLICTS_MAX, Conflict, MergeConflictError
from llm_agent_builder.reading.parts import names_of
from llm_agent_builder.reading.source import Source


def check_names(before: Source, after: Source) -> None:
    """Check the names of a merged file against those of the file before the merge.

    Raises:
        MergeConflictError: manual edits use a name that the changed fields removed, or define a
            name that the changed fields add.

    """
    had, has = _top_level(before.tree), _top_level(after.tree)
    gone = {name for name in after.global_names() if had[name] and not has[name]}
    found = list(islice(_found(after.tree, had, gone), CONFLICTS_MAX))
    if not found:
        return
    places = {line: place for place, line in reversed(list(enumerate(before.lines, 1)))}
    raise MergeConflictError(
        [_conflict(places, after.lines[line - 1], reason) for line, reason in found]
    )


def _found(tree: ast.Module, had: Counter[str], gone: set[str]) -> Iterator[tuple[int, str]]:
    """Yield the line of each conflict, and the reason."""
    if gone:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in gone:
                yield node.lineno, f"{node.id} is removed by the changed fields"
    for name, line in _twice(tree, had):
        yield line, f"{name} is defined twice; rename yours"


def _conflict(places: Mapping[str, int], text: str, reason: str) -> Conflict:
    """Return a conflict, located in the file before the merge by the text of its line."""
    place = places.get(text, 1)
    return Conflict(place, place, text, reason)


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    return []


def _top_level(tree: ast.Module) -> Counter[str]:
    return Counter(name for node in tree.body for name in (*names_of(node), *_imported(node)))


def _twice(tree: ast.Module, had: Counter[str]) -> list[tuple[str, int]]:
    """Return names that are newly defined twice; repeated imports are fine."""
    imported = {name for node in tree.body for name in _imported(node)}
    seen: Counter[str] = Counter()
    found = []
    for node in tree.body:
        for name in names_of(node):
            seen[name] += 1
            if seen[name] + (name in imported) > max(had[name], 1):
                found.append((name, node.lineno))
    return found
