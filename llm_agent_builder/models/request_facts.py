"""What a model call asks for, as far as its price and its size depend on it.

Read off the request's body piece by piece. Where a body says something twice, the dearer counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from llm_agent_builder.json_picker import JsonPicker, Path
from llm_agent_builder.models.price import is_standard

_BLOCK = ("messages", "*", "content", "*")
_INNER_BLOCK = (*_BLOCK, "content", "*")
_BLOCK_TYPES = {(*_BLOCK, "type"), (*_INNER_BLOCK, "type")}
_STANDARD_FIELDS = {"speed", "inference_geo", "service_tier"}
_WANTED: frozenset[Path] = frozenset(
    {
        *((name,) for name in ("model", "stream", "max_tokens", "max_completion_tokens", "n")),
        *((name,) for name in ("mcp_servers", "container", *_STANDARD_FIELDS)),
        *(("tools", "*", "type"), ("tools", "*", "name"), ("thinking", "type")),
        *_BLOCK_TYPES,
    }
)
_CLIENT_TOOLS = ("custom", "function", "bash_", "text_editor_", "computer_", "memory_")
"""Tools that the agent itself carries out; what else there is, the provider does, at any length."""
_PIECE = 256 * 1024

IMAGE_TOKENS = 5000
"""More than either provider counts for one image."""
TOOLS_TOKENS = 1024
"""More than Anthropic's own instructions for tools take."""
FRAME_TOKENS = 64
"""For what a chat template puts around the messages."""


@dataclass(slots=True)
class RequestFacts:
    """What is known of a request; `unbounded` says why its size can't be."""

    model: str | None = None
    stream: bool = False
    max_tokens: int | None = None
    """Tokens that the answer may have; None: the request doesn't say."""
    answers: int = 1
    thinks: bool = False
    standard_price: bool = True
    unbounded: str | None = None
    images: int = 0
    tools: bool = False
    body_bytes: int = 0

    @property
    def most_input_tokens(self) -> int:
        """An upper bound: a token is at least a byte of the body."""
        extra = TOOLS_TOKENS if self.tools else 0
        return self.body_bytes + FRAME_TOKENS + extra + self.images * IMAGE_TOKENS

    @property
    def most_output_tokens(self) -> int | None:
        """An upper bound, or None where the request sets none."""
        return None if self.max_tokens is None else self.max_tokens * self.answers


def read_request(body: bytes) -> Iterator[RequestFacts]:
    """Yield what is known after each piece of the body, so that a large one can be interrupted."""
    picker = JsonPicker(_WANTED)
    facts = RequestFacts(body_bytes=len(body))
    for start in range(0, len(body) or 1, _PIECE):
        picker.feed(body[start : start + _PIECE])
        _take_all(facts, picker.found)
        picker.found.clear()
        yield facts


def _take_all(facts: RequestFacts, found: Iterable[tuple[Path, Any]]) -> None:
    for path, value in found:
        if len(path) == 1:
            _take_field(facts, path[0], value)
        elif path in _BLOCK_TYPES:
            facts.images += value in {"image", "image_url"}
            if value in {"document", "file", "container_upload", "input_audio", "video_url"}:
                facts.unbounded = f"a part of type {value!r}"
        elif path[0] == "tools":
            _take_tool(facts, path[-1], value)
        else:
            facts.thinks = facts.thinks or value != "disabled"


def _take_field(facts: RequestFacts, name: str, value: object) -> None:
    if name == "model":
        facts.model = value[:200] if isinstance(value, str) else None
    elif name == "stream":
        facts.stream = value is True
    elif name in {"max_tokens", "max_completion_tokens"}:
        if isinstance(value, int) and value > 0:
            facts.max_tokens = max(value, facts.max_tokens or 0)
    elif name == "n":
        facts.answers = max(value, facts.answers) if isinstance(value, int) else facts.answers
    elif name in _STANDARD_FIELDS:
        facts.standard_price = facts.standard_price and is_standard(value)
    elif value:
        facts.unbounded = name


def _take_tool(facts: RequestFacts, name: str, value: object) -> None:
    facts.tools = True
    if name == "type" and not (isinstance(value, str) and value.startswith(_CLIENT_TOOLS)):
        facts.unbounded = f"a tool of type {str(value)[:40]!r}"
