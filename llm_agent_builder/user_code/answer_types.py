"""Writes types and fields as Python source that `ruff format` would not change."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from llm_agent_builder.python_source.literals import doc_literal, line_literal
from llm_agent_builder.user_code.type_schema import Schema, any_of

LINE_MAX = 88
_PART_MAX = 80
_INNER_MAX = 30
_ANNOTATED = frozenset({"typing.Annotated", "pydantic.Field"})

Notes = Mapping[str, object]
"""Keywords of `Field`, and their values."""


@dataclass(frozen=True, slots=True)
class Type:
    """An annotation: its text, and its parts in case the text is too long for a line."""

    text: str
    schema: Schema
    """For `type_schema.fits`."""
    uses: frozenset[str] = frozenset()
    """Import paths that it needs, such as `typing.Literal`."""
    list_of: Type | None = None
    union_of: tuple[Type, ...] = ()
    lines: tuple[str, ...] = ()
    """The lines of a type that is broken inside its brackets: first, inner and last lines."""

    @property
    def may_be_none(self) -> bool:
        """Return whether None is among its values."""
        return any(each["type"] == "null" for each in self.schema.get("anyOf", [self.schema]))


def literal(value: object) -> str:
    """Return the Python literal of a JSON value, as ruff would write it."""
    return line_literal(value) if isinstance(value, str) else repr(value)


def fits_line(text: str, width: int = LINE_MAX) -> bool:
    """Return whether a text fits into `width` columns, counting non-ASCII characters as two."""
    return _columns(text) <= width


def _columns(text: str) -> int:
    return len(text) + sum(not char.isascii() for char in text)


def list_of(of: Type) -> Type:
    """Return `list[of]`."""
    return Type(f"list[{of.text}]", {"type": "array"}, of.uses, list_of=of)


def union_of(types: Iterable[Type]) -> Type:
    """Return the union of types, each member once."""
    flat = (part for each in types for part in (each.union_of or (each,)))
    parts = tuple({part.text: part for part in flat}.values())
    # None last, as people write it; a single None, as None | None is an error in Python.
    parts = tuple(sorted(parts, key=lambda part: part.text == "None"))
    if len(parts) == 1:
        return parts[0]
    uses = frozenset().union(*(part.uses for part in parts))
    text = " | ".join(part.text for part in parts)
    return Type(text, any_of([part.schema for part in parts]), uses, union_of=parts)


def literal_of(values: Sequence[object]) -> Type:
    """Return `Literal[...]` of strings, integers and booleans."""
    written = [literal(value) for value in values]
    comma = "," if len(written) > 1 else ""
    return Type(
        f"Literal[{', '.join(written)}]",
        {"type": "literal", "enum": list(values)},
        frozenset({"typing.Literal"}),
        lines=("Literal[", *(f"    {each}{comma}" for each in written), "]"),
    )


def annotated(of: Type, notes: Notes) -> Type:
    """Return a type with notes, for a type that isn't a field's own."""
    if not notes:
        return of
    call = field_call(notes, "    ", LINE_MAX - 5).split("\n")
    return Type(
        f"Annotated[{of.text}, {field_call(notes, '', 10**6)}]",
        of.schema,
        of.uses | _ANNOTATED,
        lines=("Annotated[", f"    {of.text},", f"    {call[0]}", *call[1:-1], f"{call[-1]},", "]")
        if len(call) > 1
        else ("Annotated[", f"    {of.text},", f"    {call[0]},", "]"),
    )


def field_call(notes: Notes, indent: str, width: int) -> str:
    """Return a call of `Field`, on one line if that fits into `width` columns."""
    arguments = [f"{name}={literal(value)}" for name, value in notes.items()]
    line = f"Field({', '.join(arguments)})"
    if fits_line(line, width):
        return line
    return "Field(\n" + "".join(f"{indent}    {each},\n" for each in arguments) + f"{indent})"


def field_line(name: str, type_text: str, notes: Notes) -> str:
    """Return the definition of a field; the default is among the notes, as `default`."""
    line = f"    {name}: {type_text}"
    if not notes:
        return line
    if notes.keys() == {"default"}:
        short = f"{line} = {literal(notes['default'])}"
        if fits_line(short, LINE_MAX):
            return short
    return f"{line} = {field_call(notes, '    ', LINE_MAX - _columns(line) - 3)}"


def type_width(name: str) -> int:
    """Return the number of columns available for a field's type."""
    return LINE_MAX - len(f"    {name}:  = Field(")


def docstring(text: str) -> str:
    """Return the lines of a class's docstring and a blank line; "" if there is no text."""
    plain = inspect.cleandoc(text).strip()
    if not plain:
        return ""
    return f"    {doc_literal(plain, '    ')}\n\n"
