"""Counts the bytes of a stream that may be text written by the model.

A stream is cut when this count exceeds its budget. Everything that isn't known to be something
else counts as text, and each event costs at least one byte, so that endless streams are cut. Known
parts of the providers' events cost no more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_FREE_IDLE, _LONGEST_IDLE = 32, 64
"""Number of free pings and comments of a stream, and their maximum length in bytes. Servers send
one about every 15 s; OpenRouter sends several per second, always the same, while it waits for a
model."""
_FREE_BYTES = 1000
"""Free bytes of ids, names and messages when they first occur."""
_MOST_NAMES = 200
_LONGEST_ID, _LONGEST_NAME = 20, 100
_SIGNATURE_SHARE, _FREE_SIGNATURE = 2, 1000
"""Free bytes of signatures: per byte of text, and in addition. A signature contains the thinking,
encrypted, in base64."""
_FREE_INCOMPLETE = 4096
"""Free bytes of an incomplete event; real text events are shorter."""
_ALTERNATIVES = 20
"""The maximum of `top_logprobs` in a request."""


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
"""Known keys in events of providers and servers."""
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
"""Keys with a name as value: repeating the key's last value is not new text."""
_NUMBER_KEYS = frozenset({"index", "created", "seed", "logprob", "bytes", "text_offset"})
_COUNT_KEYS = frozenset({"usage", "x_groq", "timings", "time_info"})
"""Keys of objects that contain numbers, under server-specific keys."""
_REASONING = ("reasoning", "reasoning_content", "reasoning_details")
"""Keys for reasoning; some servers send the same reasoning under several of them."""
_FIELD = re.compile(rb"(?:id|retry): ?[0-9]{0,%d}" % _LONGEST_ID)


class RepeatedKeyError(ValueError):
    """An object has a duplicate key: parsers differ in which value they use."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, as `object_pairs_hook`.

    Raises:
        RepeatedKeyError: the object has a duplicate key.

    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RepeatedKeyError
    return found


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


class StreamText:
    """Counts bytes that may be text. Feed it the data of each event and all other lines."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes that may be text: never less than the number of visible tokens."""
        self._free_bytes = _FREE_BYTES
        self._idle = 0
        self._last_idle: bytes | None = None
        self._last: dict[str, str] = {}
        self._fields = 0
        """Number of event name and id lines since the last data."""
        self._is_blank = True
        """Whether the last line was blank, so that another blank line ends no event."""
        self._free_signature = self._counted_signature = 0

    def take_data(self, data: bytes) -> None:
        """Count the data of an event that can't be parsed."""
        self._end_event()
        self.size += max(1, len(data))

    def take_event(self, event: Mapping[str, Any], data: bytes) -> None:
        """Count a parsed event without duplicate keys."""
        self._end_event()
        if event == {"type": "ping"}:
            self._take_idle(data)
            return
        try:
            self.size += max(1, self._count(event))
        except RecursionError:
            self.size += len(data)

    def take_line(self, line: bytes) -> None:
        """Count a line that isn't data."""
        if not line:
            self._take_blank()
            return
        self._is_blank = False
        if line[:1] == b":":
            self._take_idle(line)
            return
        self._fields += 1
        if self._fields > 3:  # event, id and retry
            self.size += len(line)
        elif line[:6] == b"event:":
            name = line[6:].strip(b" ").decode("utf-8", "replace")
            self.size += 0 if name in _EVENT_NAMES else self._name_bytes("event:", name)
        elif not _FIELD.fullmatch(line):
            self.size += len(line)

    def beyond(self, open_bytes: int) -> int:
        """Return how many of an incomplete event's bytes already count as text."""
        return max(0, open_bytes - _FREE_INCOMPLETE - _SIGNATURE_SHARE * self.size)

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

    def _count(self, value: object, key: str = "", *, counts: bool = False) -> int:
        if isinstance(value, str):
            return self._count_string(value, key, counts=counts)
        if isinstance(value, dict):
            return self._count_object(value, counts=counts or key in _COUNT_KEYS)
        if isinstance(value, list):
            return sum([self._count(each, key, counts=counts) for each in value])
        if value is None or isinstance(value, bool) or counts or key in _NUMBER_KEYS:
            return 0
        return len(str(value))

    def _count_string(self, text: str, key: str, *, counts: bool) -> int:
        if key in _KIND_KEYS and text in _KINDS:
            return 0
        if key in _NAME_KEYS or counts:
            return self._name_bytes(key, text)
        return self._signature_bytes(text) if key == "signature" else _bytes_of(text)

    def _count_object(self, found: dict[str, Any], *, counts: bool) -> int:
        sizes = {}
        keys = 0
        for key, value in found.items():
            if key not in _KEYS:
                is_plain = counts or value is None
                keys += self._name_bytes("." + key, key) if is_plain else _bytes_of(key)
            sizes[key] = self._count(value, key, counts=counts)
        top = sizes.pop("top_logprobs", 0) // _ALTERNATIVES
        reasoning = [sizes.pop(key) for key in _REASONING if key in sizes]
        odds = sizes.pop("logprobs", 0)  # repeats the same text
        return keys + max(odds, top, sum(sizes.values()) + max(reasoning, default=0))

    def _name_bytes(self, kind: str, text: str) -> int:
        """Return the bytes of a name that count as text: 0 if it repeats the previous one."""
        last, size = self._last.get(kind), _bytes_of(text)
        if last == text and size <= _LONGEST_NAME:
            return 0
        if last is not None or len(self._last) < _MOST_NAMES:
            self._last[kind] = text
        if last is not None:
            return size
        free = min(size, self._free_bytes)
        self._free_bytes -= free
        return size - free

    def _signature_bytes(self, text: str) -> int:
        text_size, size = self.size - self._counted_signature, _bytes_of(text)
        free = min(
            size, max(0, _FREE_SIGNATURE + _SIGNATURE_SHARE * text_size - self._free_signature)
        )
        self._free_signature += free
        self._counted_signature += size - free
        return size - free
