"""Reads an agent file, edited or not, back into a spec.

The file is parsed, never run. Its field values become a spec. Every difference between the file
and the one generated from that spec is reported as a manual edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_agent_builder.agent_builder import AgentBuilder
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.reading.edits import Edit, find_edits
from llm_agent_builder.reading.fields import FileFields, read_fields
from llm_agent_builder.reading.parts import FileParts, split_file
from llm_agent_builder.reading.source import Source, read_source
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec

_ATTEMPTS = 30
"""More than the number of a spec's fields: each attempt drops one invalid field."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The spec and the manual edits of an agent file."""

    spec: AgentSpec
    edits: tuple[Edit, ...]
    """The manual edits."""
    warnings: tuple[str, ...]
    """Sentences for the user about values that can't be loaded into a field."""
    exact: bool
    """Whether the file is exactly what the spec generates."""
    fields: FileFields
    file: FileParts


def read_agent(text: str) -> Reading:
    """Return the spec of an agent file and its manual edits.

    Raises:
        NotOursError: the text is not an agent file of this builder; the message says why.

    """
    return read_parsed(read_source(text), text)


def read_parsed(source: Source, text: str) -> Reading:
    """Like `read_agent`, for a file that is already parsed."""
    file = split_file(source)
    fields = read_fields(file)
    spec, warnings = _usable(fields)
    built = AgentBuilder().build(spec)
    exact = built == text
    edits = () if exact else tuple(find_edits(split_file(read_source(built)).parts, file.parts))
    return Reading(spec, edits, (*fields.warnings, *warnings), exact, fields, file)


def _usable(fields: FileFields) -> tuple[AgentSpec, Sequence[str]]:
    """Return the spec made of the valid values, and warnings about the dropped ones."""
    values = dict(fields.values)
    warnings: list[str] = []
    for _ in range(_ATTEMPTS):
        try:
            return make_spec(values), warnings
        except SpecError as error:
            field = error.field.partition(".")[0]
            if values.get(field) == fields.stand_ins.get(field):
                raise NotOursError(f"contains an invalid value: {error}") from None
            warnings.append(f"{error}; it stays in the file unchanged and is not loaded")
            values[field] = fields.stand_ins.get(field)
            if values[field] is None:
                del values[field]
    raise NotOursError("contains invalid values")
