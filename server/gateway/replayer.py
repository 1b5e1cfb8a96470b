"""Answers a run's model calls from a cassette. Both the run and the cassette may be hostile.

Calls are looked up by a digest of the request, so the number of recorded calls does not matter.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from typing import Any

import aiohttp

from llm_agent_builder.json_input.limits import JsonLimits, JsonProblem, read_json
from server.gateway.cassette import (
    REDACTED,
    Cassette,
    RecordedAnswer,
    RecordedCall,
    canonical,
    readable,
)

_JSON_MAX_BYTES = 8 * 1024 * 1024
"""A longer request is compared as text only."""
_LIMITS = JsonLimits(depth=100)
_SMALL_BYTES = 64 * 1024
"""A request up to this size is read faster than a thread starts."""
_SLICE = 256 * 1024
_MAX_DESCRIBED = 20
"""Limit on described mismatches of one run, the same as for its events."""
_SHOWN_CHARS = 60
_DESCRIPTION_MAX_CHARS = 400
"""Limit on a description, because names in a body can have any length."""
_CHUNKS_AT_ONCE = 16


class MismatchError(Exception):
    """The cassette has no response to a request; the message says how it differs."""


class Replayer:
    """Answers calls from a cassette; each recorded call is used once, in order."""

    def __init__(self, cassette: Cassette, token: Callable[[], str]) -> None:
        self._calls = cassette.calls
        self._token = token
        self._answered: set[int] = set()
        self._by_key: dict[bytes, deque[int]] | None = None
        self._described = 0
        self._lock = asyncio.Lock()

    async def answer(self, method: str, path: str, body: bytes) -> RecordedAnswer:
        """Return the recorded answer to this request.

        Raises:
            MismatchError: no unused recorded call has this request.

        """
        async with self._lock:
            if len(body) <= _SMALL_BYTES and self._by_key is not None:
                return self._find(method, path, body)
            return await asyncio.to_thread(self._find, method, path, body)

    def _find(self, method: str, path: str, body: bytes) -> RecordedAnswer:
        path = readable(path).replace(self._token(), REDACTED)
        body = body.replace(self._token().encode(), REDACTED.encode())
        value = _value_of(body)
        if self._by_key is None:
            self._by_key = _by_key(self._calls)
        for key in (_text_key(method, path, body), _key(method, path, canonical(value))):
            if left := self._by_key.get(key):
                self._answered.add(number := left.popleft())
                return self._calls[number].response
        raise MismatchError(self._difference(method, path, value))

    def _difference(self, method: str, path: str, value: object) -> str:
        if len(self._answered) == len(self._calls):
            calls = f"{len(self._calls)} call{'' if len(self._calls) == 1 else 's'}"
            return f"the recording has only {calls}, and this is an additional one"
        number = next(each for each in range(len(self._calls)) if each not in self._answered)
        message = f"this call differs from recorded call {number + 1}"
        self._described += 1
        if self._described <= _MAX_DESCRIBED:
            asked = {"method": method, "path": path, "body": value}
            request = self._calls[number].request
            recorded = {"method": request.method, "path": request.path}
            recorded["body"] = json.loads(request.body.decode("utf-8", "surrogatepass"))
            message = readable(f"{message}: {describe_difference(recorded, asked)}")
        return (
            message
            if len(message) <= _DESCRIPTION_MAX_CHARS
            else f"{message[: _DESCRIPTION_MAX_CHARS - 1]}…"
        )


def _by_key(calls: tuple[RecordedCall, ...]) -> dict[bytes, deque[int]]:
    found: dict[bytes, deque[int]] = {}
    for number, call in enumerate(calls):
        asked = call.request
        found.setdefault(_key(asked.method, asked.path, asked.body), deque()).append(number)
    return found


def _value_of(body: bytes) -> Any:
    """Return a request's body as in a recording: its value if it is JSON, otherwise its text."""
    if len(body) <= _JSON_MAX_BYTES:
        try:
            return read_json(body, _LIMITS) if body else None
        except JsonProblem:
            pass
    return body[:_JSON_MAX_BYTES].decode("utf-8", "replace")


def _key(method: str, path: str, body: bytes) -> bytes:
    if not body.startswith(b'"'):
        return _digest(method, path, [b"value", body])
    text = json.loads(body.decode("utf-8", "surrogatepass"))
    return _text_key(method, path, text.encode("utf-8", "surrogatepass"))


def _text_key(method: str, path: str, body: bytes) -> bytes:
    """Return the key of a body as text; a body of any size takes little memory."""

    def pieces() -> Iterator[bytes]:
        yield b"text"
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for start in range(0, len(body), _SLICE):
            yield decoder.decode(body[start : start + _SLICE]).encode()
        yield decoder.decode(b"", final=True).encode()

    return _digest(method, path, pieces())


def _digest(method: str, path: str, pieces: Iterator[bytes] | list[bytes]) -> bytes:
    found = hashlib.sha256(f"{method} {path}\n".encode())
    for piece in pieces:
        found.update(piece)
    return found.digest()


async def replayed_chunks(answer: RecordedAnswer) -> AsyncIterator[bytes]:
    """Yield the chunks, and break off at the same point as the recorded response."""
    for number, chunk in enumerate(answer.chunks):
        if number % _CHUNKS_AT_ONCE == 0:
            await asyncio.sleep(0)  # lets other tasks run, as waiting for a network would
        yield chunk
    if answer.cut:
        raise aiohttp.ClientPayloadError("the recorded response broke off here")


# ---------------------------------------------------------------- differences


def describe_difference(recorded: object, asked: object, path: str = "") -> str:
    """Return the path of the first difference between two values, and both values there."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return _in_objects(recorded, asked, path)
    if isinstance(recorded, list) and isinstance(asked, list):
        for index, (old, new) in enumerate(zip(recorded, asked, strict=False)):
            if not _same(old, new):
                return describe_difference(old, new, f"{path}[{index}]")
        if len(asked) != len(recorded):
            return f"{path} has {len(asked)} items (recorded: {len(recorded)})"
        return f"{path} is written differently"  # such as 1 and 1.0
    if isinstance(recorded, str) and isinstance(asked, str):
        start = max(0, _common_start(recorded, asked) - 20)
        recorded, asked = (
            recorded[start : start + _SHOWN_CHARS],
            asked[start : start + _SHOWN_CHARS],
        )
    return f"{path} is {_show(asked)} (recorded: {_show(recorded)})"


def _same(recorded: object, asked: object) -> bool:
    return type(recorded) is type(asked) and recorded == asked


def _common_start(one: str, other: str) -> int:
    """Return how many characters two texts that differ have in common at their start."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _in_objects(recorded: dict[str, Any], asked: dict[str, Any], path: str) -> str:
    keys = dict.fromkeys([*recorded, *asked])
    key = next(
        (key for key in keys if not _same(recorded.get(key, keys), asked.get(key, keys))), None
    )
    if key is None:
        return f"{path} is written differently"
    here = f"{path}.{key[:_DESCRIPTION_MAX_CHARS]}" if path else key[:_DESCRIPTION_MAX_CHARS]
    if key not in asked:
        return f"{here} is missing (recorded: {_show(recorded[key])})"
    if key not in recorded:
        return f"{here} is new: {_show(asked[key])}"
    return describe_difference(recorded[key], asked[key], here)


def _show(value: object) -> str:
    if isinstance(value, str):
        value = value[: _SHOWN_CHARS + 1]
    pieces = json.JSONEncoder(ensure_ascii=False).iterencode(value)
    text = "".join(islice(pieces, _SHOWN_CHARS))
    text = readable(text[: _SHOWN_CHARS + 1])
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
