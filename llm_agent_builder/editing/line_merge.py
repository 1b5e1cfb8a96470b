"""Three-way merge of lines: one side's change is taken; different changes by both conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_agent_builder.reading.line_matching import CompareBudget, matching_blocks


@dataclass(frozen=True, slots=True)
class LineConflict:
    """Lines that both sides changed, counted from 0 in ours; `end` is one past the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Corresponding line ranges of the three texts; common lines separate changed ranges."""

    base: tuple[int, int]
    ours: tuple[int, int]
    theirs: tuple[int, int]


def merge_lines(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], budget: CompareBudget
) -> tuple[list[int | str], list[LineConflict]]:
    """Return the merged lines, and the ranges that both sides changed differently.

    A line of ours is returned as its number, so that the caller can copy it with its line end; a
    line of theirs as its text. A conflict keeps our lines.
    """
    merged: list[int | str] = []
    conflicts: list[LineConflict] = []
    for stretch in _stretches(base, ours, theirs, budget):
        was = base[slice(*stretch.base)]
        mine, other = ours[slice(*stretch.ours)], theirs[slice(*stretch.theirs)]
        if mine == was and other != was:
            merged += other
            continue
        if was not in (mine, other) and mine != other:
            conflicts.append(LineConflict(*stretch.ours))
        merged += range(*stretch.ours)
    return merged, conflicts


def _stretches(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], budget: CompareBudget
) -> Iterator[Stretch]:
    """Yield all lines in ranges, alternately changed by a side and common to all three."""
    base_at = ours_at = theirs_at = 0
    for start, mine, other, size in _common(base, ours, theirs, budget):
        yield Stretch((base_at, start), (ours_at, mine), (theirs_at, other))
        base_at, ours_at, theirs_at = start + size, mine + size, other + size
        yield Stretch((start, base_at), (mine, ours_at), (other, theirs_at))


def _common(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], budget: CompareBudget
) -> Iterator[tuple[int, int, int, int]]:
    """Yield blocks of lines common to all three: their starts and length; the last is empty."""
    in_ours = matching_blocks(base, ours, budget)
    in_theirs = matching_blocks(base, theirs, budget)
    first = second = 0
    while first < len(in_ours) and second < len(in_theirs):
        base_a, mine, size_a = in_ours[first]
        base_b, other, size_b = in_theirs[second]
        start, end = max(base_a, base_b), min(base_a + size_a, base_b + size_b)
        if start < end:
            yield start, mine + start - base_a, other + start - base_b, end - start
        if base_a + size_a <= base_b + size_b:
            first += 1
        else:
            second += 1
    yield len(base), len(ours), len(theirs), 0
