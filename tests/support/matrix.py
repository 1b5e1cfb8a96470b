"""How much of the whole matrix of cases a session runs: all with `--matrix`, else a few of each.

`make test-all` runs all cases. `make test` leaves out those marked `matrix`; of the cases of a test
marked `matrix(keep=2)` it runs two.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pytest

enabled = False
"""Whether this session runs everything; set by tests/conftest.py before tests are imported."""

MATRIX = pytest.mark.matrix


def examples(count: int) -> int:
    """Return how many examples a property is tried with: `count`, or a quarter in `make test`."""
    return count if enabled else max(5, count // 4)


def left_out_of(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the cases that `make test` does not run."""
    left_out: set[pytest.Item] = set()
    few: dict[str, list[pytest.Item]] = {}
    for item in items:
        keep = [mark.kwargs.get("keep", 0) for mark in item.iter_markers("matrix")]
        if 0 in keep:
            left_out.add(item)
        elif keep:
            few.setdefault(f"{keep[0]} {item.nodeid.partition('[')[0]}", []).append(item)
    for name, cases in few.items():
        left_out |= set(cases) - _chosen(name, cases)
    return left_out


def _chosen(name: str, cases: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the remaining cases of one test, evenly spread.

    The first of them is another one for each test, so that all kinds of parameters have a turn.
    """
    count = int(name.partition(" ")[0])
    first = zlib.crc32(name.encode())
    return {cases[(first + index * len(cases) // count) % len(cases)] for index in range(count)}
