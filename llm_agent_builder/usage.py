"""Tokens: what one model call or one run used, read off the provider's answer on the way through.

`from_*` take the provider's `usage` object; the readers find it, in an answer that comes in pieces
of any size, without parsing the whole. Sources:
https://platform.claude.com/docs/en/api/messages (usage), .../build-with-claude/streaming and
https://huggingface.co/docs/inference-providers/tasks/chat-completion (usage, OpenAI's shape).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from llm_agent_builder.json_picker import JsonPicker
from llm_agent_builder.sse_events import SseEvents


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


def _count(usage: Mapping[str, object], key: str) -> int:
    count = usage.get(key)
    return count if type(count) is int and count > 0 else 0


def _part(usage: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Return an object inside, which many answers don't have."""
    part = usage.get(key)
    return part if isinstance(part, dict) else _NOTHING


_NOTHING: Mapping[str, object] = {}


def from_anthropic(usage: Mapping[str, object]) -> Usage:
    """Read the `usage` object of an Anthropic message.

    Anthropic counts cache reads and writes beside `input_tokens`; here they are included.
    """
    cached = _count(usage, "cache_read_input_tokens")
    written = _count(usage, "cache_creation_input_tokens")
    return Usage(
        input_tokens=_count(usage, "input_tokens") + cached + written,
        output_tokens=_count(usage, "output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(
            written, _count(_part(usage, "cache_creation"), "ephemeral_1h_input_tokens")
        ),
        reasoning_tokens=_count(_part(usage, "output_tokens_details"), "thinking_tokens"),
        web_searches=_count(_part(usage, "server_tool_use"), "web_search_requests"),
    )


def from_chat_completion(usage: Mapping[str, object]) -> Usage:
    """Read the `usage` object of an OpenAI-shaped chat completion."""
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(_part(usage, "prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=_count(_part(usage, "completion_tokens_details"), "reasoning_tokens"),
    )


@dataclass(slots=True)
class Seen:
    """What has been read of an answer so far; None: the answer hasn't said."""

    usage: Usage | None = None
    raw_usage: dict[str, Any] = field(default_factory=dict)
    """As the provider wrote it."""
    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None
    """The type of an error that came inside a stream."""
    text_started: bool = False
    """Whether a stream has begun to write, after its opening events."""
    text_bytes: int = 0
    """Of what a stream has written: at least as many as the tokens that are to be seen in it."""


FromUsage = Callable[[Mapping[str, object]], Usage]


def _take_usage(seen: Seen, usage: object, read: FromUsage) -> None:
    """Merge: a stream names some counts at its start, others (or the same, grown) at its end."""
    if isinstance(usage, dict):
        seen.raw_usage.update({key: value for key, value in usage.items() if value is not None})
        seen.usage = read(seen.raw_usage)


def _take_text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


def _text_size(value: object) -> int:
    """Return the bytes of all text inside `value`."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, dict):
        return sum(map(_text_size, value.values()))
    return sum(map(_text_size, value)) if isinstance(value, list) else 0


# ---------------------------------------------------------------- whole answers


class _JsonReader:
    """Reads an answer that is one JSON object."""

    WANTED = frozenset(
        {
            *(("usage",), ("model",), ("id",), ("stop_reason",), ("error", "type")),
            ("choices", "*", "finish_reason"),
        }
    )

    def __init__(self, read: FromUsage) -> None:
        self.seen = Seen()
        self._read = read
        self._picker = JsonPicker(self.WANTED)

    def feed(self, piece: bytes) -> None:
        self._picker.feed(piece)
        for path, value in self._picker.found:
            self._take(path[-1], value)
        self._picker.found.clear()

    def finish(self) -> None:
        """Nothing is left open: a value counts when the text goes on behind it."""

    def _take(self, name: str, value: object) -> None:
        seen = self.seen
        if name == "usage":
            _take_usage(seen, value, self._read)
        elif name == "model":
            seen.model = _take_text(value)
        elif name == "id":
            seen.id = _take_text(value)
        elif name == "type":
            seen.error = _take_text(value)
        elif (reason := _take_text(value)) is not None:
            seen.finish_reasons.append(reason)


# ---------------------------------------------------------------- streams

_TEXT_ONLY = re.compile(rb'"type"\s*:\s*"(?:content_block_(delta|stop)|ping)"')
"""Anthropic's events without usage. Text inside them can't look like this: its quotes are escaped.
"""


class _StreamReader:
    """Reads an answer that is a stream of server-sent events, each a JSON object."""

    def __init__(self, read: FromUsage, *, count_text: bool) -> None:
        self.seen = Seen()
        self._read = read
        self._count_text = count_text
        self._events = SseEvents()

    def feed(self, piece: bytes) -> None:
        for data in self._events.feed(piece):
            self._parse(data)

    def finish(self) -> None:
        for data in self._events.finish():
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        if not self._count_text and (match := _TEXT_ONLY.search(data)):
            self.seen.text_started = self.seen.text_started or match[1] == b"delta"
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            return
        if isinstance(event, dict):
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        raise NotImplementedError

    def _take_error(self, error: object) -> None:
        if isinstance(error, dict):
            error = error.get("type")
        self.seen.error = _take_text(error) or "error"


class _AnthropicStream(_StreamReader):
    """Usage at the start (input), then cumulative at the end (output): both are needed."""

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "message_start" and isinstance(message := event.get("message"), dict):
            self.seen.model = _take_text(message.get("model"))
            self.seen.id = _take_text(message.get("id"))
            started = message.get("usage")
            self.seen.raw_usage.update(started if isinstance(started, dict) else {})
        elif kind == "message_delta":
            _take_usage(self.seen, event.get("usage"), self._read)
            delta = event.get("delta")
            reason = _take_text(delta.get("stop_reason")) if isinstance(delta, dict) else None
            self.seen.finish_reasons += [reason] if reason else []
        elif kind == "error":
            self._take_error(event.get("error"))
        elif self._count_text:
            shown = event.get("delta") or event.get("content_block")
            self.seen.text_bytes += max(1, _text_size(shown)) if shown else 0
            self.seen.text_started = self.seen.text_started or kind == "content_block_delta"


class _ChatCompletionStream(_StreamReader):
    """Usage in the last chunk, whose choices are empty; some send it with each chunk, growing."""

    def _take(self, event: dict[str, Any]) -> None:
        self.seen.model = self.seen.model or _take_text(event.get("model"))
        self.seen.id = self.seen.id or _take_text(event.get("id"))
        _take_usage(self.seen, event.get("usage"), self._read)
        if event.get("error") is not None:
            self._take_error(event["error"])
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            if reason := _take_text(choice.get("finish_reason")):
                self.seen.finish_reasons.append(reason)
            self._take_delta(choice.get("delta"))

    def _take_delta(self, delta: object) -> None:
        if not isinstance(delta, dict):
            return
        size = _text_size({key: value for key, value in delta.items() if key != "role"})
        self.seen.text_started = self.seen.text_started or size > 0
        self.seen.text_bytes += max(1, size)


Reader = _JsonReader | _StreamReader


def anthropic_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of Anthropic's answers; `count_text` keeps count while a stream goes on."""
    if stream:
        return _AnthropicStream(from_anthropic, count_text=count_text)
    return _JsonReader(from_anthropic)


def chat_completion_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of OpenAI-shaped answers; `count_text` keeps count while a stream goes on."""
    if stream:
        return _ChatCompletionStream(from_chat_completion, count_text=count_text)
    return _JsonReader(from_chat_completion)
