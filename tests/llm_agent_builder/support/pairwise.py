"""Combinations in which every pair of choices occurs, in far fewer rows than all combinations."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

Row = dict[str, Any]
_Pair = tuple[tuple[str, int], tuple[str, int]]


def pairwise(
    choices: Mapping[str, Sequence[Any]], allowed: Callable[[Row], bool], *, seed: int = 1
) -> list[Row]:
    """Return rows, each with one choice of each name, so that every pair that may be is in one.

    Greedy: a row begins with a pair that is missing, and takes what covers the most others.
    `allowed` judges whole rows. The same arguments give the same rows.
    """
    rng = random.Random(seed)
    names = list(choices)
    missing: dict[_Pair, None] = {
        ((one, i), (two, j)): None
        for one, two in combinations(names, 2)
        for i in range(len(choices[one]))
        for j in range(len(choices[two]))
    }
    rows: list[Row] = []
    while missing:
        pair = next(iter(missing))
        row = _row_with(pair, choices, missing, allowed, rng)
        if row is None:  # no allowed row has this pair
            del missing[pair]
            continue
        for covered in combinations(row.items(), 2):
            missing.pop(covered, None)
        rows.append({name: choices[name][index] for name, index in row.items()})
    return rows


def _row_with(
    pair: _Pair,
    choices: Mapping[str, Sequence[Any]],
    missing: Mapping[_Pair, None],
    allowed: Callable[[Row], bool],
    rng: random.Random,
) -> dict[str, int] | None:
    """Return the best of some allowed rows that have `pair`, or None."""
    best: tuple[int, dict[str, int]] | None = None
    for _ in range(200 if best is None else 20):
        row = dict(pair)
        others = [name for name in choices if name not in row]
        rng.shuffle(others)
        for name in others:
            row[name] = _best_choice(name, row, choices, missing, rng)
        row = {name: row[name] for name in choices}
        if allowed({name: choices[name][index] for name, index in row.items()}):
            score = sum(covered in missing for covered in combinations(row.items(), 2))
            best = max(best or (0, row), (score, row), key=lambda found: found[0])
            if score >= len(choices):
                break
    return best[1] if best else None


def _best_choice(
    name: str,
    row: Mapping[str, int],
    choices: Mapping[str, Sequence[Any]],
    missing: Mapping[_Pair, None],
    rng: random.Random,
) -> int:
    """Return mostly what covers the most missing pairs, sometimes anything, as some may not be."""
    order = list(choices)

    def covers(index: int) -> int:
        mine = (name, index)
        pairs = (
            (mine, other) if order.index(name) < order.index(other[0]) else (other, mine)
            for other in row.items()
        )
        return sum(pair in missing for pair in pairs)

    indices = list(range(len(choices[name])))
    rng.shuffle(indices)
    return indices[0] if rng.random() < 0.3 else max(indices, key=covers)
