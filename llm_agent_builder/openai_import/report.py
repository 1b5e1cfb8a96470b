"""The report of an import: which lines were converted, which not, and why."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report: one item of the program, and whether it was converted."""

    line: int
    what: str
    carried: bool
    """Whether it was converted. The name is part of the HTTP API."""
    note: str
    """What the user must know or do; empty if nothing."""


@dataclass(slots=True)
class Report:
    """Collects the lines of a report."""

    lines: list[Line] = field(default_factory=list)

    def add(self, node: ast.AST, what: str, *, carried: bool, note: str = "") -> None:
        """Add a line about a node."""
        self.lines.append(Line(getattr(node, "lineno", 1), what, carried, note))

    def has(self, node: ast.AST) -> bool:
        """Return whether a line is about a statement, or about the first line of a definition."""
        first = getattr(node, "lineno", 1)
        last = getattr(node, "end_lineno", None) or first
        if hasattr(node, "body"):
            last = first
        return any(first <= line.line <= last for line in self.lines)

    def sorted(self) -> list[Line]:
        """Return the lines in program order, without duplicates."""
        return sorted(dict.fromkeys(self.lines), key=lambda line: line.line)
