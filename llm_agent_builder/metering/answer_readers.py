"""Reads a provider's answer on its way through, in pieces of any size, without parsing the whole.

What it finds is in `AnswerFacts`: usage, model, stop reasons, errors, and how much text a stream
has written. Nothing in an answer raises; what can't be read leaves the usage unknown.
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
"""Stop reasons that are noted of one answer: one for each choice."""


@dataclass(slots=True)
class AnswerFacts:
    """What has been read of an answer so far; None: the answer hasn't said."""

    count: UsageCount = field(default_factory=UsageCount)
    is_whole: bool = True
    """False: the numbers that end the answer haven't come."""
    model: str | None = None
    id: str | None = None
    finish_reasons: list[str] = field(default_factory=list)
    error: str | None = None
    """The type of an error that came inside a stream."""
    text_started: bool = False
    """Whether a stream has begun to write, after its opening events."""
    text_bytes: int = 0
    """Of what a stream has written, where that is counted: at least as many as the tokens that are
    to be seen in it."""

    @property
    def usage(self) -> Usage | None:
        """What the answer used; None: not known."""
        usage = self.count.usage if self.count.said and self.is_whole else None
        return usage if usage is not None and usage.output_tokens else None  # no answer has none

    @property
    def at_least(self) -> Usage:
        """What the answer used for certain."""
        return self.count.at_least if self.count.said else Usage()

    @property
    def says_usage(self) -> bool:
        """Whether the answer has said anything of its usage, odd or not."""
        return bool(self.count.said) or self.count.is_odd

    def take_reason(self, value: object) -> None:
        """Take a stop reason."""
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
        # Number by number, so that one that comes twice counts as the larger.
        places = {("usage", *place) for place in count.places()}
        self._picker = JsonPicker(self.WANTED | places)

    def feed(self, piece: bytes) -> None:
        self._picker.feed(piece)
        for path, value in self._picker.found:
            self._take(path, value)
        self._picker.found.clear()

    def finish(self) -> None:
        """Nothing is left open: a value counts when the text goes on behind it."""

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
"""How Anthropic's events without usage begin."""
_WORDLESS = {"ping", "message_start", "content_block_stop", "message_stop"}


class _StreamReader:
    """Reads an answer that is a stream of server-sent events, each a JSON object."""

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        self.seen = AnswerFacts(count)
        self._text = StreamText() if count_text else None
        self._is_doubled = False
        """Whether the present event names something twice."""
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
        """Take an event that was too long to be read: all of it may be text."""
        if self._text is not None:
            self._text.size += self._events.skipped
        self._events.skipped = 0
        self.seen.count.is_odd |= self._events.skipped_mark

    def _parse(self, data: bytes) -> None:
        may_say_usage = b"usage" in data or b"\\u00" in data
        if self._text is None and not may_say_usage and (match := _TEXT_ONLY.match(data)):
            if match[1] == b"delta":
                self._take_words()
            return
        event = self._event_of(data, strictly=may_say_usage or self._text is not None)
        if isinstance(event, dict):
            self._take(event)
        if self._text is None:
            return
        if isinstance(event, dict) and not self._is_doubled:
            self._text.take_event(event, data)
        else:
            self._text.take_data(data)

    def _event_of(self, data: bytes, *, strictly: bool) -> object:
        """Return what an event's data says; None: it isn't JSON."""
        may_say_usage = b"usage" in data or b"\\u00" in data
        self._is_doubled = False
        try:
            try:
                return json.loads(data, object_pairs_hook=unique if strictly else None)
            except RepeatedKeyError:
                self._is_doubled = True
                self.seen.count.is_odd |= may_say_usage
                return json.loads(data)
        except (ValueError, RecursionError):
            self.seen.count.is_odd |= b"usage" in data
            return None

    def _take(self, event: dict[str, Any]) -> None:
        raise NotImplementedError

    def _take_words(self) -> None:
        """Take that something was written: what was said of usage before it is not all."""
        self.seen.text_started = True

    def _take_error(self, error: object) -> None:
        if isinstance(error, dict):
            error = error.get("type")
        self.seen.error = _take_text(error) or "error"


class _AnthropicStream(_StreamReader):
    """Usage at the start (input), then cumulative at the end (output), with the stop reason.

    Both are needed, and nothing may be written behind them.
    """

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        super().__init__(count, count_text=count_text)
        self.seen.is_whole = False
        self._needed = {"output", "reason"}
        """What has not come yet since something was written."""

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        self.seen.count.take_object(event.get("usage"))
        if isinstance(message := event.get("message"), dict):
            self._take_start(message)
        if kind == "message_delta":
            self._take_end(event.get("usage"), event.get("delta"))
        elif kind == "error":
            self._take_error(event.get("error"))
        elif kind == "content_block_start":  # a block may begin with some of its text
            self._want_all()
        elif kind not in _WORDLESS:
            self._take_words()

    def _take_start(self, message: dict[str, Any]) -> None:
        self.seen.model = _take_text(message.get("model")) or self.seen.model
        self.seen.id = _take_text(message.get("id")) or self.seen.id
        self.seen.count.take_object(message.get("usage"))

    def _take_words(self) -> None:
        super()._take_words()
        self._want_all()

    def _want_all(self) -> None:
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
    """Usage in the last chunk, whose choices are empty; some send it with each chunk, growing.

    Moonshot puts it into a choice, Groq beside it as `x_groq`. It is all only if nothing is written
    behind it, and the stream comes to an end.
    """

    def __init__(self, count: UsageCount, *, count_text: bool) -> None:
        super().__init__(count, count_text=count_text)
        self.seen.is_whole = False
        self._said = self._ended = False
        """Whether usage, and an end, have come since something was written."""

    def _parse(self, data: bytes) -> None:
        self._ended |= data.strip() == b"[DONE]"
        super()._parse(data)
        self.seen.is_whole = self._said and self._ended

    def _take(self, event: dict[str, Any]) -> None:
        seen = self.seen
        seen.model = seen.model or _take_text(event.get("model"))
        seen.id = seen.id or _take_text(event.get("id"))
        if event.get("error") is not None:
            self._take_error(event["error"])
        choices = event.get("choices")
        found = choices if isinstance(choices, list) else [choices]
        chosen = [choice for choice in found if isinstance(choice, dict)]
        if any(map(_has_words, chosen)):
            self._take_words()
        self._take_usage(event, chosen)
        self._ended |= not choices and event.get("usage") is not None
        for choice in chosen:
            seen.take_reason(reason := choice.get("finish_reason"))
            self._ended |= reason is not None

    def _take_words(self) -> None:
        super()._take_words()
        self._said = self._ended = False

    def _take_usage(self, event: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        own = event.get("x_groq")
        places = [event, *choices, *([own] if isinstance(own, dict) else [])]
        for usage in [place.get("usage") for place in places]:
            self.seen.count.take_object(usage)
            self._said |= bool(usage)


def _has_words(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or choice.get("message")
    if isinstance(delta, dict):
        delta = any(delta[key] for key in delta if key not in {"role", "channel"})
    return bool(delta or choice.get("text"))


Reader = _JsonReader | _StreamReader


def anthropic_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of Anthropic's answers; `count_text` keeps count while a stream goes on."""
    if stream:
        return _AnthropicStream(AnthropicCount(), count_text=count_text)
    return _JsonReader(AnthropicCount())


def chat_completion_reader(*, stream: bool, count_text: bool = False) -> Reader:
    """Return a reader of OpenAI-shaped answers; `count_text` keeps count while a stream goes on."""
    if stream:
        return _ChatCompletionStream(ChatCount(), count_text=count_text)
    return _JsonReader(ChatCount())


READERS: Mapping[Protocol, Callable[..., Reader]] = {
    Protocol.MESSAGES: anthropic_reader,
    Protocol.CHAT: chat_completion_reader,
}
"""The reader of each protocol's answers."""
