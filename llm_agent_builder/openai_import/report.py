"""The report of an import: line by line what was converted, and what was not and why."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of the program."""

    line: int
    what: str
    carried: bool
    note: str
    """What a user must know or do; empty where there is nothing."""


@dataclass(slots=True)
class Report:
    """Lines in the making."""

    lines: list[Line] = field(default_factory=list)

    def add(self, node: ast.AST, what: str, *, carried: bool, note: str = "") -> None:
        """Add what became of a node."""
        self.lines.append(Line(getattr(node, "lineno", 1), what, carried, note))

    def has(self, node: ast.AST) -> bool:
        """Say whether a statement is in the report, apart from what stands inside a definition."""
        first = getattr(node, "lineno", 1)
        last = getattr(node, "end_lineno", None) or first
        if hasattr(node, "body"):
            last = first
        return any(first <= line.line <= last for line in self.lines)

    def sorted(self) -> list[Line]:
        """Return the lines in the order of the program."""
        return sorted(dict.fromkeys(self.lines), key=lambda line: line.line)
