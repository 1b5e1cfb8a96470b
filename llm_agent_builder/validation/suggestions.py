"""Suggests the known name that is closest to an unknown one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

_NAME_MAX_CHARS = 100  # longer than any known name; comparing takes quadratic time


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to another, ignoring case, or None."""
    by_letters = {each.casefold(): each for each in known}
    close = get_close_matches(name[:_NAME_MAX_CHARS].casefold(), by_letters, 1)
    return by_letters[close[0]] if close else None


def not_a_field(model: type[BaseModel], place: Sequence[str | int]) -> str:
    """Return a message about the unknown key at a location in a value of `model`."""
    *path, name = place
    known = sorted({key for each in models_at(model, path) for key in each.model_fields})
    if close := nearest(str(name), known):
        return f"unknown field; did you mean {close}?"
    return f"unknown field; known: {', '.join(known)}" if len(known) < 8 else "unknown field"


def models_at(model: type[BaseModel], path: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that are possible at a location; list indexes are skipped."""
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
