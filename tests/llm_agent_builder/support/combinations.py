"""Agents that cover every choice, or every pair of choices, of a file's features."""

from __future__ import annotations

import functools
from typing import Any

from llm_agent_builder import AgentSpec, ProviderEnum, SpecError
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.pairwise import Row, each_choice, pairwise

ADD = '''def add(first: int, second: int = 0) -> str:
    """Add two numbers."""
    return str(first + second)
'''
NOW = '''from datetime import datetime, timezone
from typing import Literal

FORMS = {"long": "%c", "short": "%H:%M"}


def _shown(moment: datetime, form: str) -> str:
    return moment.strftime(FORMS[form])


def now(form: Literal["long", "short"], who: list[str] | None = None) -> str:
    """Tell the time.

    Args:
        form: How to write it.
        who: Whom to greet.
    """
    return " ".join([*(who or []), _shown(datetime.now(timezone.utc), form)])
'''
CITY = '''from typing import Literal

from pydantic import BaseModel, Field


class Mayor(BaseModel):
    """Who governs."""

    name: str


class City(BaseModel):
    """A city."""

    name: str = Field(description="In its own language.")
    size: Literal["small", "large"]
    mayors: list[Mayor] | None = None
'''
STDIO = {"name": "files", "command": ["server", "--root", "."], "env": ["HOME"]}
LONG_STDIO = {"name": "x", "command": ["python", "-c", 'print("x")\\', "y" * 70]}
HTTP = {"name": "web", "url": "https://example.com/mcp"}

CHOICES: dict[str, list[Any]] = {
    "provider": [provider.value for provider in ProviderEnum],
    "base_url": [None, "http://localhost:11434/v1", "https://host.example/" + "x" * 40 + "/v1"],
    "stream": [False, True],
    "tools": [[], [ADD], [ADD, NOW]],
    "answer": [None, CITY],
    "chat": [False, True],
    "max_tokens": [4096, 30_000],
    "thinking": [None, "adaptive", "between_tools"],
    "effort": [None, "high"],
    "stop_sequences": [[], ["END"], ['say "x"\n', "'", "y" * 90]],
    "cache_prompt": [False, True],
    "mcp_servers": [[], [STDIO], [HTTP], [STDIO, HTTP, LONG_STDIO]],
    "max_turns": [10, 3],
    "token_budget": [None, 5000],
    "timeout_s": [None, 30, 2.5],
    "retries": [2, 0, 5],
    "usage": [False, True],
    "name": ["Greeter", "日" * 100, "x" * 100],
}
PLAIN = {"prompt": "You greet people.", "task": "Say hello.", "model": "m1"}


def allowed(row: Row) -> bool:
    """Return whether a row is a spec."""
    try:
        make_spec(PLAIN | row)
    except SpecError:
        return False
    return True


@functools.cache
def combinations(*, pairs: bool) -> tuple[AgentSpec, ...]:
    """Return specs in which every choice occurs; with `pairs`, every pair of choices."""
    draw = pairwise if pairs else each_choice
    found: list[AgentSpec] = []
    for provider in ProviderEnum:  # each by itself: what only one of them has would crowd the other
        choices = {**CHOICES, "provider": [provider.value]}
        found += [make_spec(PLAIN | row) for row in draw(choices, allowed)]
    return tuple(found)
