"""Reads a provider's answer while it is relayed, in pieces of any size.

The results are in `AnswerFacts`: usage, model, stop reasons, errors, and the amount of streamed
text. No answer raises an exception; unreadable parts leave the usage unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_agent_builder.json_input.picker import JsonPicker, Path
from llm_agent_builder.metering.sse import SseEvents
from llm_agent_builder.metering.stream_text import RepeatedKeyError, StreamText, unique
from llm_agent_builder.metering.usage import AnthropicCount, ChatCount, Usage, UsageCount
from llm_agent_builder.providers import Protocol

_MOST_REASONS = 200
"""Limit of the stop reasons recorded of one answer, which has one for each choice."""


@dataclass(slots=True)
class AnswerFacts:
    """The facts read from an answer so far; None means not reported yet."""

    count: UsageCount = field(default_factory=UsageCount)
    is_whole: bool = True
    """False until the numbers at the end of the answer have arrived."""
    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None
    """The type of an error reported inside a stream."""
    text_started: bool = False
    """Whether a stream has sent text, after its opening events."""
    text_bytes: int = 0
    """Bytes of streamed text, if counted: never less than the number of visible tokens."""

    @property
    def usage(self) -> Usage | None:
        """The answer's usage, or None if it is unknown."""
        usage = self.count.usage if self.count.numbers and self.is_whole else None
        return (
            usage if usage is not None and usage.output_tokens else None
        )  # every answer has output

    @property
    def at_least(self) -> Usage:
        """The usage that is certain, even if the rest is unknown."""
        return self.count.at_least if self.count.numbers else Usage()

    @property
    def says_usage(self) -> bool:
        """Whether the answer has reported any usage, valid or not."""
        return bool(self.count.numbers) or self.count.is_odd

    def take_reason(self, value: object) -> None:
        """Record a stop reason."""
        if (reason := _take_text(value)) and len(self.finish_reasons) < _MOST_REASONS:
            self.finish_reasons.append(reason)


def _take_text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) else None


# ---------------------------------------------------------------- whole answers


class _JsonReader:
    """Reads an answer that is one JSON object."""

    WANTED = frozenset(
        {
            *(("model",), ("id",), ("stop_reason",), ("error", "type")),
            ("choices", "*", "finish_reason"),
        }
    )

    def __init__(self, count: UsageCount) -> None:
        self.seen = AnswerFacts(count)
        # Each number has its own path, so that the larger of duplicates counts.
        paths = {("usage", *path) for path in count.paths()}
        self._picker = JsonPicker(self.WANTED | paths)

    def feed(self, piece: bytes) -> None:
        self._picker.feed(piece)
        for path, value in self._picker.found:
            self._take(path, value)
        self._picker.found.clear()

    def finish(self) -> None:
        """Do nothing: a value counts as soon as the text after it arrives."""

    def _take(self, path: Path, value: object) -> None:
        seen, name = self.seen, path[-1]
        if path[0] == "usage":
            seen.count.take(path[1:], value)
        elif path == ("error",):
            seen.error = "error" if value else seen.error
        elif name == "model":
            seen.model = _take_text(value)
        elif name == "id":
            seen.id = _take_text(value)
        elif name == "type":
            seen.error = _take_text(value)
        elif path in self.WANTED:
            seen.take_reason(value)


# ---------------------------------------------------------------- streams

_TEXT_ONLY = re.compile(rb'\s*{\s*"type"\s*:\s*"(?:content_block_(delta|stop)|ping)"')
"""The start of Anthropic's events that have no usage."""
_WITHOUT_TEXT = {"ping", "message_start", "content_block_stop", "message_stop"}


class _StreamReader:
    """Reads an answer that is a stream of server-sent events, each a JSON object."""

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        self.seen = AnswerFacts(count)
        self._text = StreamText() if count_text else None
        self._has_duplicate_key = False
        """Whether the current event has a duplicate key."""
        on_line = None if self._text is None else self._text.take_line
        self._events = SseEvents(b"usage", on_line)

    def feed(self, piece: bytes) -> None:
        for data in self._events.feed(piece):
            self._parse(data)
        if self._events.skipped:
            self._take_skipped()
        if (text := self._text) is not None:
            self.seen.text_bytes = text.size + text.beyond(self._events.open_bytes)

    def finish(self) -> None:
        for data in self._events.finish():
            self._parse(data)
        if self._text is not None:
            self.seen.text_bytes = self._text.size

    def _take_skipped(self) -> None:
        """Count an event that was too long to parse: all of it may be text."""
        if self._text is not None:
            self._text.size += self._events.skipped
        self._events.skipped = 0
        self.seen.count.is_odd |= self._events.skipped_watched

    def _parse(self, data: bytes) -> None:
        may_say_usage = b"usage" in data or b"\\u00" in data
        if self._text is None and not may_say_usage and (match := _TEXT_ONLY.match(data)):
            if match[1] == b"delta":
                self._note_text()
            return
        event = self._event_of(data, strictly=may_say_usage or self._text is not None)
        if isinstance(event, dict):
            self._take(event)
        if self._text is None:
            return
        if isinstance(event, dict) and not self._has_duplicate_key:
            self._text.take_event(event, data)
        else:
            self._text.take_data(data)

    def _event_of(self, data: bytes, *, strictly: bool) -> object:
        """Return the parsed data of an event, or None if it isn't JSON."""
        may_say_usage = b"usage" in data or b"\\u00" in data
        self._has_duplicate_key = False
        try:
            try:
                return json.loads(data, object_pairs_hook=unique if strictly else None)
            except RepeatedKeyError:
                self._has_duplicate_key = True
                self.seen.count.is_odd |= may_say_usage
                return json.loads(data)
        except (ValueError, RecursionError):
            self.seen.count.is_odd |= b"usage" in data
            return None

    def _take(self, event: dict[str, Any]) -> None:
        raise NotImplementedError

    def _note_text(self) -> None:
        """Record that text was sent: usage reported before it is incomplete."""
        self.seen.text_started = True

    def _take_error(self, error: object) -> None:
        if isinstance(error, dict):
            error = error.get("type")
        self.seen.error = _take_text(error) or "error"


class _AnthropicStream(_StreamReader):
    """Usage comes at the start (input) and, cumulative, at the end (output) with the stop reason.

    The usage is complete if both have arrived and no text follows.
    """

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        super().__init__(count, count_text=count_text)
        self.seen.is_whole = False
        self._needed = {"output", "reason"}
        """The parts that are missing since the last text."""

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        self.seen.count.take_object(event.get("usage"))
        if isinstance(message := event.get("message"), dict):
            self._take_start(message)
        if kind == "message_delta":
            self._take_end(event.get("usage"), event.get("delta"))
        elif kind == "error":
            self._take_error(event.get("error"))
        elif kind == "content_block_start":  # a block may start with some of its text
            self._reset_end()
        elif kind not in _WITHOUT_TEXT:
            self._note_text()

    def _take_start(self, message: dict[str, Any]) -> None:
        self.seen.model = _take_text(message.get("model")) or self.seen.model
        self.seen.id = _take_text(message.get("id")) or self.seen.id
        self.seen.count.take_object(message.get("usage"))

    def _note_text(self) -> None:
        super()._note_text()
        self._reset_end()

    def _reset_end(self) -> None:
        self._needed = {"output", "reason"}
        self.seen.is_whole = False

    def _take_end(self, usage: object, delta: object) -> None:
        if isinstance(usage, dict) and usage.get("output_tokens") is not None:
            self._needed.discard("output")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None:
            self.seen.take_reason(delta["stop_reason"])
            self._needed.discard("reason")
        self.seen.is_whole = not self._needed


class _ChatCompletionStream(_StreamReader):
    """Usage comes in the last chunk, which has no choices; some servers send it with each chunk.

    Moonshot puts it into a choice, Groq into `x_groq`. It is complete only if no text follows and
    the stream ends.
    """

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        super().__init__(count, count_text=count_text)
        self.seen.is_whole = False
        self._has_usage = self._ended = False
        """Whether usage, and an end, have arrived since the last text."""

    def _parse(self, data: bytes) -> None:
        self._ended |= data.strip() == b"[DONE]"
        super()._parse(data)
        self.seen.is_whole = self._has_usage and self._ended

    def _take(self, event: dict[str, Any]) -> None:
        seen = self.seen
        seen.model = seen.model or _take_text(event.get("model"))
        seen.id = seen.id or _take_text(event.get("id"))
        if event.get("error") is not None:
            self._take_error(event["error"])
        choices = event.get("choices")
        found = choices if isinstance(choices, list) else [choices]
        chosen = [choice for choice in found if isinstance(choice, dict)]
        if any(map(_has_text, chosen)):
            self._note_text()
        self._take_usage(event, chosen)
        self._ended |= not choices and event.get("usage") is not None
        for choice in chosen:
            seen.take_reason(reason := choice.get("finish_reason"))
            self._ended |= reason is not None

    def _note_text(self) -> None:
        super()._note_text()
        self._has_usage = self._ended = False

    def _take_usage(self, event: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        own = event.get("x_groq")
        sources = [event, *choices, *([own] if isinstance(own, dict) else [])]
        for usage in [source.get("usage") for source in sources]:
            self.seen.count.take_object(usage)
            self._has_usage |= bool(usage)


def _has_text(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or choice.get("message")
    if isinstance(delta, dict):
        delta = any(delta[key] for key in delta if key not in {"role", "channel"})
    return bool(delta or choice.get("text"))


Reader = _JsonReader | _StreamReader


def anthropic_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of Anthropic's answers; `count_text` counts the text of a stream."""
    if stream:
        return _AnthropicStream(AnthropicCount(), count_text=count_text)
    return _JsonReader(AnthropicCount())


def chat_completion_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of OpenAI-compatible answers; `count_text` counts the text of a stream."""
    if stream:
        return _ChatCompletionStream(ChatCount(), count_text=count_text)
    return _JsonReader(ChatCount())


READERS: Mapping[Protocol, Callable[..., Reader]] = {
    Protocol.MESSAGES: anthropic_reader,
    Protocol.CHAT: chat_completion_reader,
}
"""The reader of each protocol's answers."""
