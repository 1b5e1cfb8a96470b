"""Finds the lines that two texts share: precisely where that is cheap, else in linear time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Block = tuple[int, int, int]
"""Equal lines: start in the first text, start in the second, count."""


@dataclass(slots=True)
class CompareBudget:
    """Limit of all precise comparisons of one file, in pairs of lines compared."""

    left: int = 8_000_000

    def allows(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Return whether the budget covers a precise comparison, and charge its worst-case cost.

        difflib visits every pair of equal lines once for each block it finds. Lines inside
        multi-line strings count too.
        """
        ours, theirs = Counter(first), Counter(second)
        pairs = sum(count * theirs[line] for line, count in ours.items() if line.strip())
        cost = pairs * min(len(first), len(second))
        if cost > self.left:
            return False
        self.left -= cost
        return True


def matching_blocks(
    first: Sequence[str], second: Sequence[str], budget: CompareBudget
) -> list[Block]:
    """Return the blocks of lines that two texts share, in order; the last block is empty.

    Beyond the budget, only lines that occur exactly once in each text start a block.
    """
    head = 0
    shorter = min(len(first), len(second))
    while head < shorter and first[head] == second[head]:
        head += 1
    tail = 0
    while tail < shorter - head and first[-1 - tail] == second[-1 - tail]:
        tail += 1
    middle, other = first[head : len(first) - tail], second[head : len(second) - tail]
    find = _closely if budget.allows(middle, other) else _by_single_lines
    blocks = [(head + a, head + b, size) for a, b, size in find(middle, other)]
    start = [(0, 0, head)] if head else []
    end = [(len(first) - tail, len(second) - tail, tail)] if tail else []
    return [*start, *blocks, *end, (len(first), len(second), 0)]


def _closely(first: Sequence[str], second: Sequence[str]) -> Iterator[Block]:
    # Blank lines are everywhere: as anchors they would match unrelated code, and slowly.
    matcher = SequenceMatcher(lambda line: not line.strip(), first, second, autojunk=False)
    yield from ((b.a, b.b, b.size) for b in matcher.get_matching_blocks() if b.size)


def _by_single_lines(first: Sequence[str], second: Sequence[str]) -> Iterator[Block]:
    """Yield blocks around lines that occur exactly once in each text."""
    ours, theirs = Counter(first), Counter(second)
    places = {line: place for place, line in enumerate(second)}
    single = [
        (place, places[line])
        for place, line in enumerate(first)
        if ours[line] == theirs[line] == 1 and line.strip()
    ]
    end = other_end = 0
    for place, other in _rising(single):
        if place < end:
            continue  # part of the previous block
        start, other_start = place, other
        while min(start - end, other_start - other_end) > 0 and (
            first[start - 1] == second[other_start - 1]
        ):
            start, other_start = start - 1, other_start - 1
        end, other_end = place + 1, other + 1
        while end < len(first) and other_end < len(second) and first[end] == second[other_end]:
            end, other_end = end + 1, other_end + 1
        yield start, other_start, end - start


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence of pairs whose second numbers rise, as the first do."""
    ends: list[int] = []  # by length: the lowest second number that ends such a subsequence
    rows: list[int] = []  # the index of that pair
    before: list[int] = []
    for index, (_, second) in enumerate(pairs):
        length = bisect_left(ends, second)
        before.append(rows[length - 1] if length else -1)
        ends[length : length + 1] = [second]
        rows[length : length + 1] = [index]
    found = []
    index = rows[-1] if rows else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
