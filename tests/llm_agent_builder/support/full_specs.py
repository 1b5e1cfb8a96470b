"""Hypothesis strategies: specs with everything that a spec may have."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from llm_agent_builder import AgentSpec, ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.strategies import lines, texts
from tests.llm_agent_builder.support.written_tools import ECHO, MANY_TYPES

TOOLS = (
    ECHO,
    MANY_TYPES,
    '''\
import json
import time
from pathlib import Path as Place

# Above a constant.
_HOME = "/tmp"  # and behind it

# Above a helper.


def _now(text: str = """
def fake(x: int) -> str:


# no comment
""") -> float:
    return time.time() + len(text)


# Above the tool,
# in two lines.
def describe(name: str, *, depth: int = 3) -> str:
    """Describe a place.

    Args:
        name: Its name.
    """
    json_text = json.dumps([name, depth])


    return str(Place(_HOME) / json_text) + str(_now())
''',
    '''\
def upper(text: str) -> str:
    """Shout."""
    time = text  # a local of a name that others import
    return _twice(time).upper()


def _twice(text: str) -> str:
    return text * FACTOR


FACTOR = 2
# The end.
''',
)
ANSWERS = (
    "from pydantic import BaseModel\n\n\nclass Reply(BaseModel):\n    text: str\n",
    '''\
from enum import Enum
from typing import Literal

from pydantic import BaseModel, Field


# A choice.
class Kind(str, Enum):
    SMALL = "small"
    LARGE = "large"


class Part(BaseModel):
    """A part."""

    kind: Kind
    size: Literal[1, 2] = Field(description="How large.")


class Whole(BaseModel):
    parts: list[Part]  # all of them
''',
)
_words = st.text("abc XYZ-_é\"'\\{}", min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)
_names = st.text("abcXYZ019_-", min_size=1, max_size=12)
_stdio = st.builds(
    lambda name, command, env: {"name": name, "command": command, "env": env},
    _names,
    st.lists(lines | _words, min_size=1, max_size=4),
    st.lists(st.sampled_from(["PATH", "HOME", "A_KEY"]), unique=True, max_size=3),
)
_http = st.builds(
    lambda name, path: {"name": name, "url": f"https://example.com/{path}"}, _names, _names
)
_long_urls = st.integers(1, 400).map(lambda length: f"https://models.example.com/{'x' * length}/v1")


@st.composite
def full_specs(draw: st.DrawFn) -> AgentSpec:
    """Draw a spec; each choice is made as often as not."""

    def maybe(strategy: st.SearchStrategy[Any], otherwise: Any = None) -> Any:
        return draw(strategy) if draw(st.booleans()) else otherwise

    provider = draw(st.sampled_from(list(ProviderEnum)))
    answer = maybe(st.sampled_from(ANSWERS))
    values: dict[str, Any] = {
        "name": draw(lines),
        "prompt": draw(texts),
        "task": draw(texts),
        "provider": provider,
        "model": draw(lines),
        "stream": answer is None and draw(st.booleans()),
        "answer": answer,
        "tools": maybe(st.lists(st.sampled_from(TOOLS), unique=True, max_size=4), []),
        "mcp_servers": maybe(
            st.lists(_stdio | _http, max_size=3, unique_by=lambda server: server["name"]), []
        ),
        "chat": draw(st.booleans()),
        "usage": draw(st.booleans()),
        "max_tokens": maybe(st.integers(1, 100_000), 4096),
        "timeout_s": maybe(st.floats(0.001, 3600) | st.integers(1, 3600)),
        "retries": maybe(st.integers(0, 10), 2),
    }
    if answer is None:
        values["stop_sequences"] = maybe(st.lists(_words, unique=True, max_size=4), [])
    if values["tools"] or values["mcp_servers"]:
        values["max_turns"] = maybe(st.integers(1, 1000), 10)
        values["token_budget"] = maybe(st.integers(1, 10**9))
    if provider is ProviderEnum.HUGGINGFACE:
        values["base_url"] = maybe(st.just("http://localhost:11434/v1") | _long_urls)
    if provider is ProviderEnum.ANTHROPIC:
        values["thinking"] = maybe(st.sampled_from(["adaptive", "disabled", "between_tools"]))
        values["effort"] = maybe(st.sampled_from(["low", "medium", "high", "xhigh", "max"]))
        values["cache_prompt"] = draw(st.booleans())
    return make_spec(values)
