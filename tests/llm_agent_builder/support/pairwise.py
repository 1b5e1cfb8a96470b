"""Combinations in which every pair of choices occurs, in far fewer rows than all combinations."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

Row = dict[str, Any]
_Choice = tuple[str, int]
"""A name, and the index of one of its choices."""
_Missing = dict[_Choice, set[_Choice]]
"""Of each choice, the other choices that no row has beside it yet."""
TRIES = 200
ENOUGH_TRIES = 20


def pairwise(
    choices: Mapping[str, Sequence[Any]], allowed: Callable[[Row], bool], *, seed: int = 1
) -> list[Row]:
    """Return rows, each with one choice of each name, so that every possible pair is in one.

    Greedy: a row begins with a missing pair, and takes the choices that cover most others.
    `allowed` judges whole rows. The same arguments give the same rows.
    """
    rng = random.Random(seed)
    todo = [
        ((one, i), (two, j))
        for one, two in combinations(choices, 2)
        for i in range(len(choices[one]))
        for j in range(len(choices[two]))
    ]
    missing = _missing(todo)
    rows: list[Row] = []
    for one, two in todo:
        if two not in missing[one]:
            continue
        row = _row_with((one, two), choices, missing, allowed, rng)
        _cover({one, two} if row is None else set(row.items()), missing)
        if row is not None:  # otherwise no allowed row has this pair
            rows.append({name: choices[name][index] for name, index in row.items()})
    return rows


def each_choice(
    choices: Mapping[str, Sequence[Any]], allowed: Callable[[Row], bool], *, seed: int = 1
) -> list[Row]:
    """Return a few rows in which every possible choice occurs at least once.

    The first choice of each name is the plain one, which goes with most others.
    """
    rng = random.Random(seed)
    missing = {name: list(range(len(choices[name]))) for name in choices}
    rows: list[Row] = []
    for name in choices:
        while missing[name]:
            index = missing[name][0]
            row = _row_of_missing(name, index, choices, missing, allowed, rng)
            if row is None:  # no allowed row has this choice
                missing[name].remove(index)
                continue
            for other, chosen in row.items():
                missing[other] = [left for left in missing[other] if left != chosen]
            rows.append({other: choices[other][chosen] for other, chosen in row.items()})
    return rows


def _row_of_missing(
    name: str,
    index: int,
    choices: Mapping[str, Sequence[Any]],
    missing: Mapping[str, list[int]],
    allowed: Callable[[Row], bool],
    rng: random.Random,
) -> dict[str, int] | None:
    """Return the allowed row of several drawn that has the most missing choices, or None."""
    best: tuple[int, dict[str, int]] | None = None
    for attempt in range(TRIES):
        if best and attempt >= ENOUGH_TRIES:
            break
        row = {
            other: missing[other][0] if missing[other] and rng.random() < 0.5 else 0
            for other in choices
        } | {name: index}
        score = sum(chosen in missing[other] for other, chosen in row.items())
        if best and score <= best[0]:
            continue
        if allowed({other: choices[other][chosen] for other, chosen in row.items()}):
            best = (score, row)
    return best[1] if best else None


def _missing(todo: list[tuple[_Choice, _Choice]]) -> _Missing:
    missing: _Missing = {}
    for one, two in todo:
        missing.setdefault(one, set()).add(two)
        missing.setdefault(two, set()).add(one)
    return missing


def _cover(row: set[_Choice], missing: _Missing) -> None:
    for choice in row:
        missing[choice] -= row


def _row_with(
    pair: tuple[_Choice, _Choice],
    choices: Mapping[str, Sequence[Any]],
    missing: _Missing,
    allowed: Callable[[Row], bool],
    rng: random.Random,
) -> dict[str, int] | None:
    """Return the best of some allowed rows that have `pair`, or None."""
    best: tuple[int, dict[str, int]] | None = None
    for attempt in range(TRIES):
        if best and (best[0] >= len(choices) or attempt >= ENOUGH_TRIES):
            break
        row = _draw_row(pair, choices, missing, rng)
        taken = set(row.items())
        score = sum(len(missing[choice] & taken) for choice in taken) // 2
        if best and score <= best[0]:
            continue
        if allowed({name: choices[name][index] for name, index in row.items()}):
            best = (score, row)
    return best[1] if best else None


def _draw_row(
    pair: tuple[_Choice, _Choice],
    choices: Mapping[str, Sequence[Any]],
    missing: _Missing,
    rng: random.Random,
) -> dict[str, int]:
    """Return a row that has `pair` and covers many missing pairs; it may not be allowed."""
    row = dict(pair)
    others = [name for name in choices if name not in row]
    rng.shuffle(others)
    for name in others:
        row[name] = _best_choice(name, set(row.items()), len(choices[name]), missing, rng)
    return {name: row[name] for name in choices}


def _best_choice(
    name: str, row: set[_Choice], count: int, missing: _Missing, rng: random.Random
) -> int:
    """Return mostly what covers the most missing pairs, sometimes anything, as some may not be."""
    indices = list(range(count))
    rng.shuffle(indices)
    if rng.random() < 0.3:
        return indices[0]
    return max(indices, key=lambda index: len(missing[name, index] & row))
