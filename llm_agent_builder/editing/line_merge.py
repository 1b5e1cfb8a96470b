"""Three-way merge of lines: what one side changed is taken; what both changed is a conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llm_agent_builder.reading.line_matching import CompareBudget, matching_blocks


@dataclass(frozen=True, slots=True)
class Clash:
    """Lines that both sides changed, counted from 0 in ours; `end` is one past the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines that stand between two that all three have in common."""

    base: tuple[int, int]
    ours: tuple[int, int]
    theirs: tuple[int, int]


def merge_lines(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], effort: CompareBudget
) -> tuple[list[int | str], list[Clash]]:
    """Return the merged lines and where both changed the same ones.

    A line of ours is named by its number, so that the caller keeps it as it is; one of theirs is
    itself. Where there are clashes, ours stands.
    """
    merged: list[int | str] = []
    clashes: list[Clash] = []
    for stretch in _stretches(base, ours, theirs, effort):
        was = base[slice(*stretch.base)]
        mine, other = ours[slice(*stretch.ours)], theirs[slice(*stretch.theirs)]
        if mine == was and other != was:
            merged += other
            continue
        if was not in (mine, other) and mine != other:
            clashes.append(Clash(*stretch.ours))
        merged += range(*stretch.ours)
    return merged, clashes


def _stretches(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], effort: CompareBudget
) -> Iterator[Stretch]:
    """Yield all lines in stretches: by turns changed by somebody, and common to all."""
    base_at = ours_at = theirs_at = 0
    for start, mine, other, size in _common(base, ours, theirs, effort):
        yield Stretch((base_at, start), (ours_at, mine), (theirs_at, other))
        base_at, ours_at, theirs_at = start + size, mine + size, other + size
        yield Stretch((start, base_at), (mine, ours_at), (other, theirs_at))


def _common(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str], effort: CompareBudget
) -> Iterator[tuple[int, int, int, int]]:
    """Yield the lines that all three have: where in each, and how many; the last is empty."""
    in_ours = matching_blocks(base, ours, effort)
    in_theirs = matching_blocks(base, theirs, effort)
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
