"""Finds the manual edits: differences between a generated file and the edited one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from llm_agent_builder.reading.line_matching import CompareBudget, matching_blocks
from llm_agent_builder.reading.parts import Part

Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True, slots=True)
class Edit:
    """A manual edit: a range of lines in the edited file, counted from 1, both ends included.

    Removed lines have no range of their own: both numbers name the line that follows them.
    """

    kind: Kind
    first_line: int
    last_line: int
    text: str
    """The edited lines; for a removal, the removed lines."""


def find_edits(built: Sequence[Part], edited: Sequence[Part]) -> Iterator[Edit]:
    """Yield the manual edits, in the order of the edited file."""
    originals = {part.key: part for part in built}
    remaining = {part.key for part in edited}
    budget = CompareBudget()
    removed = _removed(built, edited, remaining)
    for part in edited:
        yield from removed.pop(part.key, ())
        original = originals.get(part.key)
        if original is None:
            yield from _added(part)
        elif original.lines != part.lines:
            yield from _changed(original, part, budget)


def _removed(
    built: Sequence[Part], edited: Sequence[Part], remaining: set[str]
) -> dict[str, list[Edit]]:
    """Return the removals of whole parts, keyed by the part that follows each."""
    firsts = {part.key: part.first + 1 for part in edited}
    found: dict[str, list[Edit]] = {}
    for position, part in enumerate(built):
        text = "".join(part.lines).strip("\n")
        if part.key in remaining or not text:
            continue
        follower = next((p.key for p in built[position:] if p.key in remaining), edited[-1].key)
        line = firsts[follower]
        found.setdefault(follower, []).append(Edit("removed", line, line, text + "\n"))
    return found


def _added(part: Part) -> Iterator[Edit]:
    yield from _edit("added", part, 0, len(part.lines))


def _changed(original: Part, part: Part, budget: CompareBudget) -> Iterator[Edit]:
    before, at = 0, 0
    for first, second, size in matching_blocks(original.lines, part.lines, budget):
        if at < second:
            yield from _edit("changed" if before < first else "added", part, at, second)
        elif before < first:
            text = "".join(original.lines[before:first])
            line = part.first + at + 1
            if text.strip():
                yield Edit("removed", line, line, text)
        before, at = first + size, second + size


def _edit(kind: Kind, part: Part, start: int, end: int) -> Iterator[Edit]:
    """Yield an edit of a part's lines, without blank lines at both ends."""
    while start < end and not part.lines[start].strip():
        start += 1
    while start < end and not part.lines[end - 1].strip():
        end -= 1
    if start < end:
        text = "".join(part.lines[start:end])
        yield Edit(kind, part.first + start + 1, part.first + end, text)
