"""The constants of an agent file: one table for writing, verifying and reading files.

To add a field that is written as a constant: add it to `AgentSpec`, add its row here in the place
that its line has in files, and use the constant in the provider's `request.py.j2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from llm_agent_builder.providers import Provider
from llm_agent_builder.spec.agent_spec import AgentSpec


class Kind(Enum):
    """The types that a constant's value can have."""

    TEXT = auto()
    CHOICE = auto()
    """One of a few words, annotated as `Final` for type checkers."""
    WHOLE = auto()
    NUMBER = auto()
    TEXTS = auto()
    SERVERS = auto()
    """MCP servers, as a list of dictionaries."""


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of agent files, and the field of a spec that it contains."""

    name: str
    field: str
    kind: Kind
    part: str | None = None
    """The feature (see `Features`) that files with this constant have; None: see `optional`."""

    @property
    def required(self) -> bool:
        """Whether every spec gives the field, so that every file has the constant."""
        return AgentSpec.model_fields[self.field].is_required()

    @property
    def optional(self) -> bool:
        """Whether files have the constant only where the spec gives the field."""
        return self.part is None and AgentSpec.model_fields[self.field].default in (None, ())


CONSTANTS = (
    Constant("NAME", "name", Kind.TEXT),
    Constant("MODEL", "model", Kind.TEXT),
    Constant("MAX_TOKENS", "max_tokens", Kind.WHOLE),
    Constant("THINKING", "thinking", Kind.CHOICE),
    Constant("EFFORT", "effort", Kind.CHOICE),
    Constant("STOP_SEQUENCES", "stop_sequences", Kind.TEXTS),
    Constant("MAX_TURNS", "max_turns", Kind.WHOLE, part="loops"),
    Constant("TOKEN_BUDGET", "token_budget", Kind.WHOLE),
    Constant("TIMEOUT_S", "timeout_s", Kind.NUMBER),
    Constant("RETRIES", "retries", Kind.WHOLE, part="retries_shown"),
    Constant("MCP_SERVERS", "mcp_servers", Kind.SERVERS, part="mcp"),
    Constant("SYSTEM_PROMPT", "prompt", Kind.TEXT),
    Constant("EXAMPLE_TASK", "task", Kind.TEXT),
)
"""All constants that contain a field, in the order of their lines."""
BY_NAME: Mapping[str, Constant] = MappingProxyType({row.name: row for row in CONSTANTS})
BY_FIELD: Mapping[str, Constant] = MappingProxyType({row.field: row for row in CONSTANTS})
OPTIONAL = tuple(row for row in CONSTANTS if row.optional)


def absent_values(provider: Provider) -> dict[str, Any]:
    """Return the fields that differ from their defaults where a file lacks the constant."""
    # A file whose SDK doesn't repeat failed calls repeats them itself, RETRIES times.
    return {} if provider.retries_by_itself else {"retries": 0}
