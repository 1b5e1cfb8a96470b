"""Tokens: what one model call or one run used, out of what a provider says of it.

Providers and servers write `usage` in many forms. Each is counted right or not at all: `None` is
"unknown", never zero, and no count is lower than what the same answer has said before. Sources:
https://platform.claude.com/docs/en/api/messages (usage), .../build-with-claude/streaming and
https://huggingface.co/docs/inference-providers/tasks/chat-completion (usage, OpenAI's shape).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

from llm_agent_builder.json_input.picker import Path

MOST_TOKENS = 10**9
"""In one answer; a larger number is no count."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens, and of web searches that the provider made.

    `input_tokens` includes what was read from and written to the prompt cache, `output_tokens` the
    reasoning; `cache_write_tokens` includes those kept for an hour.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Read from the prompt cache."""
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    web_searches: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return the sum, count by count."""
        names = [item.name for item in fields(self)]
        return Usage(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def tokens(self) -> int:
        """All tokens, in and out."""
        return self.input_tokens + self.output_tokens


def _whole_number(value: object) -> int | None:
    """Return a count; None where it is none. 12.0 is one: some servers compute in floats."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


@dataclass(slots=True)
class UsageCount:
    """Adds up the usage objects of one answer: of each number the largest that was said.

    Streams repeat their numbers, grown, or say some at their start and others at their end.
    """

    COUNTS: ClassVar[frozenset[Path]] = frozenset()
    """Where the numbers are, inside the usage object."""
    SETTINGS: ClassVar[frozenset[Path]] = frozenset()
    """Where words are that change the price."""

    said: dict[Path, int] = field(default_factory=dict)
    settings: set[str] = field(default_factory=set)
    is_odd: bool = False
    """Whether something was said that can't be understood: then nothing is known."""

    @classmethod
    def places(cls) -> frozenset[Path]:
        """Return all that `take` understands."""
        return cls.COUNTS | cls.SETTINGS

    def take_object(self, usage: object) -> None:
        """Take a usage object; null, or an empty one, says nothing."""
        if usage is None:
            return
        if not isinstance(usage, dict):
            self.is_odd = True
            return
        for place in self.places():
            self._take_inner(usage, place)

    def _take_inner(self, usage: Mapping[str, object], place: Path) -> None:
        value: object = usage
        for depth, key in enumerate(place):
            if not isinstance(value, Mapping):
                self.take(place[:depth], value)
                return
            value = value.get(key)
        self.take(place, value)

    def take(self, place: Path, value: object) -> None:
        """Take what one place of a usage object has, or what is there in place of an object."""
        if value is None or (value == [] and place not in self.places()):
            return  # some languages write an empty object so
        if place not in self.places():
            self.is_odd = True
            return
        if place in self.SETTINGS:
            self.settings.add(value[:40] if isinstance(value, str) else "no text")
            return
        count = _whole_number(value)
        if count is None:
            self.is_odd = True
        else:
            self.said[place] = max(count, self.said.get(place, 0))

    @property
    def usage(self) -> Usage | None:
        """What the answer used, or None where that isn't known."""
        counted = None if self.is_odd else self._counted()
        return counted if counted is not None and counted.input_tokens else None  # no call has none

    @property
    def at_least(self) -> Usage:
        """What the answer used for certain, also where the rest isn't known."""
        raise NotImplementedError

    def _counted(self) -> Usage | None:
        raise NotImplementedError

    def _get(self, *place: str) -> int:
        return self.said.get(place, 0)


_WRITTEN = "cache_creation"
_SHORT, _LONG = "ephemeral_5m_input_tokens", (_WRITTEN, "ephemeral_1h_input_tokens")
_SEARCHES = "server_tool_use"
_ITERATIONS = ("iterations",)


class AnthropicCount(UsageCount):
    """The `usage` of an Anthropic message, which counts cache reads and writes beside its input."""

    COUNTS = frozenset(
        {
            *(("input_tokens",), ("output_tokens",)),
            *(("cache_read_input_tokens",), ("cache_creation_input_tokens",)),
            *((_WRITTEN, _SHORT), _LONG, _ITERATIONS),
            *(("output_tokens_details", "thinking_tokens"), (_SEARCHES, "web_search_requests")),
        }
    )
    SETTINGS = frozenset({("service_tier",), ("speed",), ("inference_geo",)})

    def take(self, place: Path, value: object) -> None:
        """Take what one place of a usage object has.

        The sums leave out what the provider does beside the message, such as compacting it.
        """
        if place != _ITERATIONS:
            super().take(place, value)
        elif value is not None:
            self.is_odd = self.is_odd or not _only_messages(value)

    @property
    def at_least(self) -> Usage:
        """What the answer used for certain, also where the rest isn't known."""
        cached, short = self._get("cache_read_input_tokens"), self._get(_WRITTEN, _SHORT)
        written = max(self._get("cache_creation_input_tokens"), self._get(*_LONG) + short)
        return Usage(
            input_tokens=self._get("input_tokens") + cached + written,
            output_tokens=self._get("output_tokens"),
            cached_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=written - short,  # the dearest, where it isn't said
            reasoning_tokens=self._get("output_tokens_details", "thinking_tokens"),
            web_searches=self._get(_SEARCHES, "web_search_requests"),
        )

    def _counted(self) -> Usage | None:
        needed = {("input_tokens",), ("output_tokens",)}
        return self.at_least if needed <= self.said.keys() else None


def _only_messages(iterations: object) -> bool:
    return isinstance(iterations, list) and all(
        isinstance(each, dict) and each.get("type") == "message" for each in iterations
    )


_TOTAL = ("total_tokens",)


class ChatCount(UsageCount):
    """The `usage` of an OpenAI-shaped chat completion.

    Some leave one of its three numbers out, which the other two give (modelscope/evalscope#1432).
    Some count reasoning in the total only (Gemini, xAI): what the total has above its parts is
    output. A total below its parts is ignored.
    """

    COUNTS = frozenset(
        {
            *(("prompt_tokens",), ("completion_tokens",), _TOTAL),
            ("prompt_tokens_details", "cached_tokens"),
            ("completion_tokens_details", "reasoning_tokens"),
        }
    )

    @property
    def at_least(self) -> Usage:
        """What the answer used for certain, also where the rest isn't known."""
        cached = self._get("prompt_tokens_details", "cached_tokens")
        thought = self._get("completion_tokens_details", "reasoning_tokens")
        total, read = self._get("total_tokens"), self._get("prompt_tokens")
        written = self._get("completion_tokens")
        read += cached if cached > read else 0  # then it is counted beside
        written += thought if thought > written else 0
        if ("prompt_tokens",) in self.said:
            written = max(written, total - read)
        else:
            read = max(read, total - written)
        return Usage(read, written, cached_tokens=cached, reasoning_tokens=thought)

    def _counted(self) -> Usage | None:
        parts = {("prompt_tokens",), ("completion_tokens",)} & self.said.keys()
        of_parts = sum(self.said[part] for part in parts)
        by_total = len(parts) == 1 and self._get("total_tokens") > of_parts
        return self.at_least if by_total or len(parts) == 2 else None


def from_anthropic(usage: Mapping[str, object]) -> Usage | None:
    """Read the whole `usage` object of an Anthropic message; None: it can't be counted."""
    return _counted(AnthropicCount(), [usage])


def from_chat_completion(usage: Mapping[str, object]) -> Usage | None:
    """Read the whole `usage` object of a chat completion; None: it can't be counted."""
    return _counted(ChatCount(), [usage])


def _counted(count: UsageCount, objects: Iterable[object]) -> Usage | None:
    for usage in objects:
        count.take_object(usage)
    return count.usage
