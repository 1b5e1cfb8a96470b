"""Keys that a value may not have: named, with the nearest one that it may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

_KEY_MAX_CHARS = 100  # beyond any field's name, and comparing takes the square of it


def not_a_field(model: type[BaseModel], place: Sequence[str | int]) -> str:
    """Return what is wrong with the unknown key at a place in a value of `model`."""
    *path, name = place
    known = sorted({key for each in _models_at(model, path) for key in each.model_fields})
    close = get_close_matches(str(name)[:_KEY_MAX_CHARS], known, 1)
    if close:
        return f"not a field; did you mean {close[0]}?"
    return f"not a field; there are: {', '.join(known)}" if len(known) < 8 else "not a field"


def _models_at(model: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that may stand at a place; positions in lists lead nowhere else."""
    found = [model]
    for part in path:
        if isinstance(part, str):
            fields = [each.model_fields[part] for each in found if part in each.model_fields]
            found = [inner for each in fields for inner in _models_in(each.annotation)]
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
