"""Code back to spec: the fields of an agent file, also of one edited by hand.

The file is read, never run. What it says in the places of the fields becomes a spec; what differs
from the file that this spec gives is hand-written, and reported as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_agent_builder.agent_builder import AgentBuilder
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.reading.edits import Edit, find_edits
from llm_agent_builder.reading.fields import FileFields, read_fields
from llm_agent_builder.reading.parts import PartedFile, part_file
from llm_agent_builder.reading.source import Source, read_source
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec

_ATTEMPTS = 30
"""More than a spec has fields: each attempt sets one aside."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an agent file says."""

    spec: AgentSpec
    edits: tuple[Edit, ...]
    """The hand-written parts."""
    warnings: tuple[str, ...]
    """Sentences for a user: what could not become a field, and why."""
    exact: bool
    """Whether the spec gives this very file."""
    fields: FileFields
    file: PartedFile


def read_agent(text: str) -> Reading:
    """Return the spec of an agent file and its hand-written parts.

    Raises:
        NotOursError: it is no agent file of this builder; says why.

    """
    return read_parted(read_source(text), text)


def read_parted(source: Source, text: str) -> Reading:
    """Return the same of a file that is parsed already."""
    file = part_file(source)
    fields = read_fields(file)
    spec, warnings = _usable(fields)
    built = AgentBuilder().build(spec)
    exact = built == text
    edits = () if exact else tuple(find_edits(part_file(read_source(built)).parts, file.parts))
    return Reading(spec, edits, (*fields.warnings, *warnings), exact, fields, file)


def _usable(fields: FileFields) -> tuple[AgentSpec, Sequence[str]]:
    """Return the spec of what was read; values that no spec may have are set aside."""
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
