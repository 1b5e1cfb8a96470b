"""Whether two syntax trees are the same, places in the source aside."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

# Whether a name is read or written follows from where it stands.
_FIELDS = {
    kind: tuple(name for name in kind._fields if name not in {"ctx", "type_comment"})
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def same_tree(found: ast.AST, expected: ast.AST, names: Mapping[str, str]) -> bool:
    """Return whether `found` is `expected`, where `names` says what is called otherwise there.

    `names` maps a name of `found` to that of `expected`. Several times as fast as comparing what
    `ast.dump` says of each.
    """
    left: list[tuple[Any, Any]] = [(found, expected)]
    while left:
        one, other = left.pop()
        if isinstance(other, list):
            if not isinstance(one, list) or len(one) != len(other):
                return False
            left.extend(zip(one, other, strict=True))
        elif isinstance(other, ast.AST):
            kind = type(other)
            if type(one) is not kind:
                return False
            # Most names and numbers are one object, which Python shares.
            left += [
                (value, wanted)
                for field in _FIELDS[kind]
                if (value := getattr(one, field)) is not (wanted := getattr(other, field))
            ]
        elif not _same_value(one, other, names):
            return False
    return True


def _same_value(one: object, other: object, names: Mapping[str, str]) -> bool:
    if type(one) is not type(other):  # 1, 1.0 and True are equal, too
        return False
    return one == other or (isinstance(one, str) and names.get(one) == other)
