"""How much of a stream may be text that a model wrote: all that isn't known to be something else.

It is counted where a stream is cut at what its budget allows. No event is free, so that what never
ends is cut; what is known of the providers' events costs no more than that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FREE_IDLE, _LONGEST_IDLE = 32, 64
"""Pings and comments of a stream that aren't counted, and the bytes of each: servers send one every
15 s or so, and OpenRouter several a second, but always the same, while it waits for a model."""
_SPARE = 1000
"""Bytes of ids, names and messages that aren't counted where they come first."""
_MOST_PLACES = 200
_LONGEST_ID, _LONGEST_NAME = 20, 100
_SEALED_SHARE, _SEALED = 2, 1000
"""Bytes of signatures that aren't counted, for each byte of text and beyond that: a signature has
the thinking in it, encrypted, in base64."""
_OPEN = 4096
"""Bytes of an event that isn't whole that aren't counted yet; real events of text are shorter."""
_ALTERNATIVES = 20
"""The most `top_logprobs` that a request may ask for."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EVENT_NAMES = _words(
    "message_start content_block_start content_block_delta content_block_stop message_delta "
    "message_stop ping error message completion chunk data delta done result"
)
_KEYS = _words(
    "type index message delta content_block content error usage id role model stop_reason "
    "stop_sequence stop_details container context_management text thinking signature partial_json "
    "citation citations name input data caller "
    "object created choices system_fingerprint service_tier provider finish_reason "
    "native_finish_reason logprobs top_logprobs token logprob bytes text_offset tokens "
    "token_logprobs refusal reasoning reasoning_content reasoning_details tool_calls function_call "
    "function arguments annotations audio format summary channel x_groq timings time_info "
    "prompt_token_ids token_ids matched_stop prompt_filter_results content_filter_results seed "
    "metadata param code message_type request_id kv_transfer_params hidden_states"
)
"""Keys of the events that providers and servers send."""
_KINDS = _words(
    "message_start content_block_start content_block_delta content_block_stop message_delta "
    "message_stop ping error message assistant text thinking redacted_thinking tool_use "
    "text_delta thinking_delta signature_delta input_json_delta citations_delta function "
    "reasoning.text reasoning.summary reasoning.encrypted chat.completion.chunk chat.completion "
    "text_completion end_turn max_tokens stop_sequence pause_turn refusal stop length tool_calls "
    "content_filter function_call eos eos_token STOP MAX_TOKENS"
)
_KIND_KEYS = frozenset(
    {"type", "role", "object", "finish_reason", "native_finish_reason", "stop_reason"}
)
_NAME_KEYS = _words(
    "id model system_fingerprint service_tier provider role type object stop_sequence format "
    "finish_reason native_finish_reason stop_reason matched_stop message code param request_id "
    "name"
)
"""Keys whose texts name something: what repeats the last one of the same key is no new text."""
_NUMBER_KEYS = frozenset({"index", "created", "seed", "logprob", "bytes", "text_offset"})
_COUNT_KEYS = frozenset({"usage", "x_groq", "timings", "time_info"})
"""What is inside these is numbers, under keys that servers have of their own."""
_REASONING = ("reasoning", "reasoning_content", "reasoning_details")
"""Where servers put the same reasoning, some of them at several at once."""
_FIELD = re.compile(rb"(?:id|retry): ?[0-9]{0,%d}" % _LONGEST_ID)


class RepeatedKeyError(ValueError):
    """An object names something twice: parsers differ in which they take."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, as `object_pairs_hook`; raises RepeatedKeyError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKeyError
    return found


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class StreamText:
    """Counts what may be text. Feed it each event's data and every other line."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes of text, at least: at least as many as the tokens that are to be seen in it."""
        self._spare = _SPARE
        self._idle = 0
        self._last_idle: bytes | None = None
        self._last: dict[str, str] = {}
        self._fields = 0
        """Lines with an event's name or number, since the last data."""
        self._is_blank = True
        """Whether the last line was: the next blank one ends nothing."""
        self._sealed = self._counted_sealed = 0

    def take_data(self, data: bytes) -> None:
        """Take an event's data that no reader understands."""
        self._end_event()
        self.size += max(1, len(data))

    def take_event(self, event: Mapping[str, Any], data: bytes) -> None:
        """Take an event, parsed; no key comes twice in it."""
        self._end_event()
        if event == {"type": "ping"}:
            self._take_idle(data)
            return
        try:
            self.size += max(1, self._of(event))
        except RecursionError:
            self.size += len(data)

    def take_line(self, line: bytes) -> None:
        """Take a line that is no data."""
        if not line:
            self._take_blank()
            return
        self._is_blank = False
        if line[:1] == b":":
            self._take_idle(line)
            return
        self._fields += 1
        if self._fields > 3:  # a name, an id and a time to try again
            self.size += len(line)
        elif line[:6] == b"event:":
            name = line[6:].strip(b" ").decode("utf-8", "replace")
            self.size += 0 if name in _EVENT_NAMES else self._changed("event:", name)
        elif not _FIELD.fullmatch(line):
            self.size += len(line)

    def beyond(self, open_bytes: int) -> int:
        """Return how much of an event that isn't whole counts already."""
        return max(0, open_bytes - _OPEN - _SEALED_SHARE * self.size)

    def _end_event(self) -> None:
        self._fields, self._is_blank = 0, True

    def _take_blank(self) -> None:
        self._idle += self._is_blank
        self.size += self._is_blank and self._idle > _FREE_IDLE
        self._is_blank = True

    def _take_idle(self, line: bytes) -> None:
        self._idle += 1
        if self._idle > _FREE_IDLE or len(line) > _LONGEST_IDLE:
            self.size += 1 if line == self._last_idle else max(1, len(line))
        self._last_idle = line

    def _of(self, value: object, key: str = "", *, counts: bool = False) -> int:
        if isinstance(value, str):
            return self._of_text(value, key, counts=counts)
        if isinstance(value, dict):
            return self._of_object(value, counts=counts or key in _COUNT_KEYS)
        if isinstance(value, list):
            return sum([self._of(each, key, counts=counts) for each in value])
        if value is None or isinstance(value, bool) or counts or key in _NUMBER_KEYS:
            return 0
        return len(str(value))

    def _of_text(self, text: str, key: str, *, counts: bool) -> int:
        if key in _KIND_KEYS and text in _KINDS:
            return 0
        if key in _NAME_KEYS or counts:
            return self._changed(key, text)
        return self._sealed_beyond(text) if key == "signature" else _bytes_of(text)

    def _of_object(self, found: dict[str, Any], *, counts: bool) -> int:
        sizes = {}
        keys = 0
        for key, value in found.items():
            if key not in _KEYS:
                is_plain = counts or value is None
                keys += self._changed("." + key, key) if is_plain else _bytes_of(key)
            sizes[key] = self._of(value, key, counts=counts)
        top = sizes.pop("top_logprobs", 0) // _ALTERNATIVES
        reasoning = [sizes.pop(key) for key in _REASONING if key in sizes]
        odds = sizes.pop("logprobs", 0)  # the same text once more
        return keys + max(odds, top, sum(sizes.values()) + max(reasoning, default=0))

    def _changed(self, place: str, text: str) -> int:
        """Return the bytes of a name, 0 where it is the same as before."""
        last, size = self._last.get(place), _bytes_of(text)
        if last == text and size <= _LONGEST_NAME:
            return 0
        if last is not None or len(self._last) < _MOST_PLACES:
            self._last[place] = text
        if last is not None:
            return size
        free = min(size, self._spare)
        self._spare -= free
        return size - free

    def _sealed_beyond(self, text: str) -> int:
        text_size, size = self.size - self._counted_sealed, _bytes_of(text)
        free = min(size, max(0, _SEALED + _SEALED_SHARE * text_size - self._sealed))
        self._sealed += free
        self._counted_sealed += size - free
        return size - free
