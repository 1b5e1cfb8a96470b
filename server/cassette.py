"""Records a run's model calls to a cassette, and answers from one: no key, no network.

A cassette is JSON: requests and answers, streams with their chunks. Keys and run tokens are not in
it: of the headers only those listed here are kept, and both are blotted out wherever they stand.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.value_problems import said_of

FORMAT = 1
MOST_BYTES = 64 * 1024 * 1024
"""Of one cassette: requests and answers together."""
_KEPT_HEADERS = ("content-type", "content-encoding", "retry-after", "request-id", "x-request-id")
_BLOT = "[removed]"
_SHOWN = 60
_LONGEST = 400
"""Characters of what is said of a difference: names in a body can have any length."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedRequest(_Part):
    """What was asked. `body` is JSON, or text where it was none."""

    method: str
    path: str
    body: Any = None


class RecordedAnswer(_Part):
    """What was answered: each chunk as text, or `{"base64": ...}` where it was none."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, str]
    chunks: list[str | dict[str, str]]
    cut: bool = False
    """Whether the answer broke off after its last chunk."""


class RecordedCall(_Part):
    """One call."""

    provider: ProviderEnum
    request: RecordedRequest
    response: RecordedAnswer


class Cassette(_Part):
    """A run's calls, in the order in which they were begun."""

    format: int = Field(default=FORMAT, ge=FORMAT, le=FORMAT)
    calls: list[RecordedCall] = []


def parse_cassette(data: object) -> Cassette:
    """Read a cassette out of parsed JSON.

    Raises:
        SpecError: it isn't one; the field is "replay".

    """
    try:
        cassette = Cassette.model_validate(data)
        for call in cassette.calls:
            for chunk in call.response.chunks:
                _to_bytes(chunk)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise SpecError("replay", f"not a cassette: {place}: {said_of(first)}") from None
    except (KeyError, binascii.Error):
        raise SpecError("replay", "not a cassette: a chunk is neither text nor base64") from None
    return cassette


def _to_bytes(chunk: str | Mapping[str, str]) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode()
    return base64.b64decode(chunk["base64"], validate=True)


def _to_chunk(data: bytes) -> str | dict[str, str]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _body_of(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return data.decode("utf-8", "replace")


# ---------------------------------------------------------------- record


class Recording:
    """One call that is being recorded."""

    def __init__(self, recorder: Recorder, call: dict[str, Any]) -> None:
        self._recorder = recorder
        self._call = call
        self._chunks: list[bytes] = []

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Keep how the answer begins."""
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        self._call["response"] = {"status": status, "headers": kept, "chunks": [], "cut": True}

    def add(self, chunk: bytes) -> None:
        """Keep a chunk of the answer."""
        if self._recorder.take(len(chunk)):
            self._chunks.append(chunk)

    def end(self, *, cut: bool) -> None:
        """Keep how the answer ended."""
        if "response" in self._call:
            chunks = self._recorder.without_secrets(self._chunks)
            self._call["response"] |= {"chunks": [_to_chunk(c) for c in chunks], "cut": cut}


@dataclass(slots=True)
class Recorder:
    """Records the calls of one run. `secrets` returns what must not be in the cassette."""

    secrets: Callable[[], Iterable[str]]
    size: int = 0
    _calls: list[dict[str, Any]] = field(default_factory=list)

    def start(self, provider: ProviderEnum, method: str, path: str, body: bytes) -> Recording:
        """Begin to record a call."""
        self.take(len(body))
        [kept] = self.without_secrets([body])
        request = {"method": method, "path": path, "body": _body_of(kept)}
        call: dict[str, Any] = {"provider": provider.value, "request": request}
        self._calls.append(call)
        return Recording(self, call)

    def take(self, size: int) -> bool:
        """Count what is kept; False: the cassette is full."""
        self.size += size
        return self.size <= MOST_BYTES

    def without_secrets(self, pieces: list[bytes]) -> list[bytes]:
        """Blot secrets out; pieces that share one are put together."""
        for secret in (text.encode() for text in self.secrets() if text):
            pieces = [piece.replace(secret, _BLOT.encode()) for piece in pieces]
            if secret in (whole := b"".join(pieces)):
                pieces = [whole.replace(secret, _BLOT.encode())]
        return pieces

    def cassette(self) -> dict[str, Any] | None:
        """Return the calls that were answered as JSON data; None: more than a cassette may hold."""
        if self.size > MOST_BYTES:
            return None
        calls = [call for call in self._calls if "response" in call]
        return {"format": FORMAT, "calls": calls}


# ---------------------------------------------------------------- replay


class MismatchError(Exception):
    """A request that the cassette has no answer to; says how it differs."""


class Replayer:
    """Answers calls from a cassette, each recorded call once, in its order."""

    def __init__(self, cassette: Cassette, token: Callable[[], str]) -> None:
        self._left = list(cassette.calls)
        self._count = len(self._left)
        self._token = token

    def answer(self, method: str, path: str, body: bytes) -> RecordedAnswer:
        """Return the recorded answer to this request.

        Raises:
            MismatchError: no call that is left was asked just this.

        """
        blotted = body.replace(self._token().encode(), _BLOT.encode())
        asked = RecordedRequest(method=method, path=path, body=_body_of(blotted))
        for index, call in enumerate(self._left):
            if call.request == asked:
                del self._left[index]
                return call.response
        if not self._left:
            calls = f"{self._count} call{'' if self._count == 1 else 's'}"
            raise MismatchError(f"the recording has {calls}, and this is one more")
        nearest = self._left[0]
        number = self._count - len(self._left) + 1
        difference = describe_difference(nearest.request.model_dump(), asked.model_dump())
        said = f"this call differs from recorded call {number}: {difference}"
        raise MismatchError(said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…")


async def replayed_chunks(answer: RecordedAnswer) -> AsyncIterator[bytes]:
    """Yield the chunks, and break off where the recorded answer did."""
    for chunk in answer.chunks:
        yield _to_bytes(chunk)
    if answer.cut:
        raise aiohttp.ClientPayloadError("the recorded answer broke off here")


def describe_difference(recorded: object, asked: object, place: str = "") -> str:
    """Return the first place where two values differ, and what stands there."""
    if isinstance(recorded, dict) and isinstance(asked, dict):
        return _in_objects(recorded, asked, place)
    if isinstance(recorded, list) and isinstance(asked, list):
        for index, (old, new) in enumerate(zip(recorded, asked, strict=False)):
            if old != new:
                return describe_difference(old, new, f"{place}[{index}]")
        return f"{place} has {len(asked)} items, recorded were {len(recorded)}"
    if isinstance(recorded, str) and isinstance(asked, str):
        pairs = enumerate(zip(recorded, asked, strict=False))
        same = next((index for index, (old, new) in pairs if old != new), 0)
        start = max(0, same - 20)
        recorded, asked = recorded[start:], asked[start:]
    return f"{place} is {_show(asked)} (recorded: {_show(recorded)})"


def _in_objects(recorded: dict[str, Any], asked: dict[str, Any], place: str) -> str:
    keys = dict.fromkeys([*recorded, *asked])
    key = next(key for key in keys if recorded.get(key, keys) != asked.get(key, keys))
    here = f"{place}.{key}" if place else key
    if key not in asked:
        return f"{here} is missing (recorded: {_show(recorded[key])})"
    if key not in recorded:
        return f"{here} is new: {_show(asked[key])}"
    return describe_difference(recorded[key], asked[key], here)


def _show(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
