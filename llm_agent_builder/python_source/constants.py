"""The constants of an agent file: one table for writing, verifying and reading files.

To add a field that is written as a constant: add it to `AgentSpec`, add a row here (the rows are in
the order of the file's lines) and use the constant in the provider's `request.py.j2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType

ALWAYS, GIVEN = "always", "given"
"""When a constant is in a file: always, or if the spec sets its field, which is None or empty by
default."""

EXIT_STOPPED_EARLY = 3
"""The exit code of an agent file that stopped early: at one of its limits, or because the model
refused or its context window is full. What it has of the answer is on standard output."""


class Kind(Enum):
    """The types that a constant's value can have."""

    TEXT = auto()
    CHOICE = auto()
    """One of several known strings, annotated as `Final` for type checkers."""
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
    when: str = ALWAYS
    """Which files have it: ALWAYS, GIVEN, or those with a certain feature (see `Features`)."""


CONSTANTS = (
    Constant("NAME", "name", Kind.TEXT),
    Constant("MODEL", "model", Kind.TEXT),
    Constant("MAX_TOKENS", "max_tokens", Kind.WHOLE),
    Constant("THINKING", "thinking", Kind.CHOICE, when=GIVEN),
    Constant("EFFORT", "effort", Kind.CHOICE, when=GIVEN),
    Constant("STOP_SEQUENCES", "stop_sequences", Kind.TEXTS, when=GIVEN),
    Constant("MAX_TURNS", "max_turns", Kind.WHOLE, when="loops"),
    Constant("TOKEN_BUDGET", "token_budget", Kind.WHOLE, when=GIVEN),
    Constant("TIMEOUT_S", "timeout_s", Kind.NUMBER, when=GIVEN),
    Constant("RETRIES", "retries", Kind.WHOLE, when="retries_shown"),
    Constant("MCP_SERVERS", "mcp_servers", Kind.SERVERS, when="mcp"),
    Constant("SYSTEM_PROMPT", "prompt", Kind.TEXT),
    Constant("EXAMPLE_TASK", "task", Kind.TEXT),
)
"""All constants that contain a field, in the order of their lines."""
BY_NAME: Mapping[str, Constant] = MappingProxyType({row.name: row for row in CONSTANTS})
BY_FIELD: Mapping[str, Constant] = MappingProxyType({row.field: row for row in CONSTANTS})
OPTIONAL = tuple(row for row in CONSTANTS if row.when == GIVEN)
