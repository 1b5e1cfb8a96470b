"""Reads the token usage of a model call from its provider's answer.

Providers and servers write `usage` in many forms. Each is either counted exactly or unknown (None,
never zero), and no count is lower than one reported earlier in the same answer. Sources:
https://platform.claude.com/docs/en/api/messages (usage), .../build-with-claude/streaming and
https://huggingface.co/docs/inference-providers/tasks/chat-completion (usage, OpenAI's shape).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

from llm_agent_builder.json_input.picker import Path

MOST_TOKENS = 10**9
"""Limit of a count in one answer; a larger number is invalid."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of tokens, and of web searches by the provider.

    `input_tokens` includes prompt cache reads and writes, `output_tokens` includes reasoning, and
    `cache_write_tokens` includes one-hour cache writes.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Tokens read from the prompt cache."""
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
        """Input and output tokens."""
        return self.input_tokens + self.output_tokens


def _whole_number(value: object) -> int | None:
    """Return a valid count, or None. 12.0 is valid: some servers compute in floats."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


@dataclass(slots=True)
class UsageCount:
    """Combines the usage objects of one answer: the largest value of each number.

    Streams report growing numbers, or some numbers at the start and others at the end.
    """

    COUNTS: ClassVar[frozenset[Path]] = frozenset()
    """Paths of the numbers inside the usage object."""
    SETTINGS: ClassVar[frozenset[Path]] = frozenset()
    """Paths of settings that change the price."""

    numbers: dict[Path, int] = field(default_factory=dict)
    settings: set[str] = field(default_factory=set)
    is_odd: bool = False
    """Whether a value was invalid; then the usage is unknown."""

    @classmethod
    def paths(cls) -> frozenset[Path]:
        """Return the paths that `take` understands."""
        return cls.COUNTS | cls.SETTINGS

    def take_object(self, usage: object) -> None:
        """Read a usage object; null or an empty object changes nothing."""
        if usage is None:
            return
        if not isinstance(usage, dict):
            self.is_odd = True
            return
        for path in self.paths():
            self._take_inner(usage, path)

    def _take_inner(self, usage: Mapping[str, object], path: Path) -> None:
        value: object = usage
        for depth, key in enumerate(path):
            if not isinstance(value, Mapping):
                self.take(path[:depth], value)
                return
            value = value.get(key)
        self.take(path, value)

    def take(self, path: Path, value: object) -> None:
        """Read the value at a path of a usage object, or a value in place of an inner object."""
        if value is None or (value == [] and path not in self.paths()):
            return  # some languages serialize an empty object as []
        if path not in self.paths():
            self.is_odd = True
            return
        if path in self.SETTINGS:
            self.settings.add(value[:40] if isinstance(value, str) else "not a string")
            return
        count = _whole_number(value)
        if count is None:
            self.is_odd = True
        else:
            self.numbers[path] = max(count, self.numbers.get(path, 0))

    @property
    def usage(self) -> Usage | None:
        """The answer's usage, or None if it is unknown."""
        counted = None if self.is_odd else self._counted()
        return (
            counted if counted is not None and counted.input_tokens else None
        )  # every call has input

    @property
    def at_least(self) -> Usage:
        """The usage that is certain, even if the rest is unknown."""
        raise NotImplementedError

    def _counted(self) -> Usage | None:
        raise NotImplementedError

    def _get(self, *path: str) -> int:
        return self.numbers.get(path, 0)


_WRITTEN = "cache_creation"
_SHORT, _LONG = "ephemeral_5m_input_tokens", (_WRITTEN, "ephemeral_1h_input_tokens")
_SEARCHES = "server_tool_use"
_ITERATIONS = ("iterations",)


class AnthropicCount(UsageCount):
    """The `usage` of an Anthropic message; its input count excludes cache reads and writes."""

    COUNTS = frozenset(
        {
            *(("input_tokens",), ("output_tokens",)),
            *(("cache_read_input_tokens",), ("cache_creation_input_tokens",)),
            *((_WRITTEN, _SHORT), _LONG, _ITERATIONS),
            *(("output_tokens_details", "thinking_tokens"), (_SEARCHES, "web_search_requests")),
        }
    )
    SETTINGS = frozenset({("service_tier",), ("speed",), ("inference_geo",)})

    def take(self, path: Path, value: object) -> None:
        """Read the value at a path of a usage object.

        The sums exclude the provider's other calls, such as compacting the conversation.
        """
        if path != _ITERATIONS:
            super().take(path, value)
        elif value is not None:
            self.is_odd = self.is_odd or not _only_messages(value)

    @property
    def at_least(self) -> Usage:
        """The usage that is certain, even if the rest is unknown."""
        cached, short = self._get("cache_read_input_tokens"), self._get(_WRITTEN, _SHORT)
        written = max(self._get("cache_creation_input_tokens"), self._get(*_LONG) + short)
        return Usage(
            input_tokens=self._get("input_tokens") + cached + written,
            output_tokens=self._get("output_tokens"),
            cached_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=written - short,  # unspecified ones at the highest price
            reasoning_tokens=self._get("output_tokens_details", "thinking_tokens"),
            web_searches=self._get(_SEARCHES, "web_search_requests"),
        )

    def _counted(self) -> Usage | None:
        needed = {("input_tokens",), ("output_tokens",)}
        return self.at_least if needed <= self.numbers.keys() else None


def _only_messages(iterations: object) -> bool:
    return isinstance(iterations, list) and all(
        isinstance(each, dict) and each.get("type") == "message" for each in iterations
    )


_TOTAL = ("total_tokens",)


class ChatCount(UsageCount):
    """The `usage` of an OpenAI-shaped chat completion.

    Some servers omit one of the three numbers; it follows from the other two
    (modelscope/evalscope#1432). Some count reasoning in the total only (Gemini, xAI): a total above
    the sum of its parts adds output. A total below that sum is ignored.
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
        """The usage that is certain, even if the rest is unknown."""
        cached = self._get("prompt_tokens_details", "cached_tokens")
        thought = self._get("completion_tokens_details", "reasoning_tokens")
        total, read = self._get("total_tokens"), self._get("prompt_tokens")
        written = self._get("completion_tokens")
        read += cached if cached > read else 0  # then it is not included
        written += thought if thought > written else 0
        if ("prompt_tokens",) in self.numbers:
            written = max(written, total - read)
        else:
            read = max(read, total - written)
        return Usage(read, written, cached_tokens=cached, reasoning_tokens=thought)

    def _counted(self) -> Usage | None:
        parts = {("prompt_tokens",), ("completion_tokens",)} & self.numbers.keys()
        of_parts = sum(self.numbers[part] for part in parts)
        by_total = len(parts) == 1 and self._get("total_tokens") > of_parts
        return self.at_least if by_total or len(parts) == 2 else None


def from_anthropic(usage: Mapping[str, object]) -> Usage | None:
    """Return the usage of an Anthropic message's whole `usage` object, or None if invalid."""
    return _counted(AnthropicCount(), [usage])


def from_chat_completion(usage: Mapping[str, object]) -> Usage | None:
    """Return the usage of a chat completion's whole `usage` object, or None if invalid."""
    return _counted(ChatCount(), [usage])


def _counted(count: UsageCount, objects: Iterable[object]) -> Usage | None:
    for usage in objects:
        count.take_object(usage)
    return count.usage
