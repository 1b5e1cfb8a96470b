"""How much of the whole matrix of cases a session runs: all with `--matrix`, else a few of each.

`make test` runs a few cases of each kind, `make test-all` all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

enabled = False
"""Whether this session runs everything; set by tests/conftest.py before tests are imported."""

MATRIX = pytest.mark.matrix


def examples(count: int) -> int:
    """Return how many examples a property is tried with: `count`, or a quarter in `make test`."""
    return count if enabled else max(5, count // 4)


def matrix_except(values: Sequence[Any], *few: Any) -> list[Any]:
    """Return parameters, all but `few` marked as those of the whole matrix."""
    assert all(value in values for value in few), "a representative that is no parameter"
    return [value if value in few else pytest.param(value, marks=MATRIX) for value in values]


def sample(values: Collection[Any], count: int) -> list[Any]:
    """Return all values, or in `make test` so many of them, evenly spread."""
    listed = list(values)
    if enabled or len(listed) <= count:
        return listed
    return [listed[index * len(listed) // count] for index in range(count)]
