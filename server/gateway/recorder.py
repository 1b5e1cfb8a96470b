"""Records a run's model calls, up to the size limit of a cassette.

During the run, the raw bytes are stored and counted: parsed values or decoded characters would take
up to a hundred times as much memory. When the limit is exceeded, the whole recording is dropped and
recording stops. The JSON is made at the end.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from llm_agent_builder.json_input.limits import JsonProblem, read_json
from llm_agent_builder.providers import ProviderEnum
from server.gateway.cassette import (
    CASSETTE_MAX_BYTES,
    FORMAT,
    RECORDED_HEADERS,
    REDACTED,
    REQUEST_LIMITS,
    readable,
)

_JSON_MAX_BYTES = 1024 * 1024
"""A request up to this size is recorded as readable JSON, a longer one as text."""
_SLICE = 64 * 1024
_PIECE_COST = 72
"""Memory that Python uses for a piece besides its content, in bytes."""
_CALL_COST = 1024
_HEADER_MAX_CHARS = 1000


class Recording:
    """One call that is being recorded."""

    def __init__(self, recorder: Recorder, asked: dict[str, str], body: bytes) -> None:
        self.is_whole = False
        self._recorder = recorder
        self._asked = asked
        self._body = body
        self._answer: dict[str, object] | None = None
        self._chunks: list[bytes] = []

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Record the status and headers of the response."""
        recorded = {
            name: readable(headers[name])[:_HEADER_MAX_CHARS]
            for name in RECORDED_HEADERS
            if name in headers
        }
        self._answer = {"status": status, "headers": recorded}

    def add(self, chunk: bytes) -> None:
        """Record a chunk of the response."""
        if self._recorder.take(len(chunk) + _PIECE_COST):
            self._chunks.append(chunk)

    def end(self, *, cut: bool) -> None:
        """Record whether the response broke off (`cut`)."""
        if self._answer is not None:
            self._answer["cut"] = cut
            self.is_whole = True

    def forget(self) -> None:
        """Drop the recorded call."""
        self._body, self._chunks, self.is_whole = b"", [], False

    def json(self, secrets: list[str]) -> Iterator[str]:
        """Yield the call as JSON, in chunks and without secrets."""
        head, answer = (
            _redacted(json.dumps(each), secrets) for each in (self._asked, self._answer)
        )
        provider, _, request = head[1:-1].partition(", ")
        yield f'{{{provider}, "request": {{{request}, "body": '
        [body] = _without(secrets, [self._body])
        yield from _body_text(body)
        yield f'}}, "response": {answer[:-1]}, "chunks": ['
        for number, chunk in enumerate(_without(secrets, self._chunks)):
            yield (", " if number else "") + _as_text(chunk)
        yield "]}}"


class Recorder:
    """Records the calls of one run.

    `secrets` returns the texts that must not be in the cassette. `on_full` is called once if the
    calls exceed the size limit.
    """

    def __init__(
        self,
        secrets: Callable[[], Iterable[str]],
        on_full: Callable[[], None] = lambda: None,
        *,
        max_bytes: int = CASSETTE_MAX_BYTES,
    ) -> None:
        self._secrets = secrets
        self._on_full = on_full
        self._max_bytes = max_bytes
        self._calls: list[Recording] = []
        self.recorded_bytes = 0
        """About how many bytes are recorded; never more than `max_bytes`."""
        self.is_full = False

    def start(self, provider: ProviderEnum, method: str, path: str, body: bytes) -> Recording:
        """Begin to record a call."""
        asked = {"provider": provider.value, "method": method, "path": readable(path)}
        if not self.take(len(body) + len(path) + _CALL_COST):
            return Recording(self, asked, b"")
        self._calls.append(recording := Recording(self, asked, body))
        return recording

    def take(self, size: int) -> bool:
        """Count bytes before they are recorded; return False if recording has stopped."""
        if self.is_full:
            return False
        if self.recorded_bytes + size <= self._max_bytes:
            self.recorded_bytes += size
            return True
        self._drop()
        self._on_full()
        return False

    def _drop(self) -> None:
        self.is_full, self.recorded_bytes = True, 0
        for recording in self._calls:
            recording.forget()
        self._calls = []

    def cassette(self) -> str | None:
        """Return the answered calls as JSON; None: they exceed the size limit.

        Called once after the run, and outside the event loop, because it may take a second.
        """
        if self.is_full:
            return None
        secrets = [secret for secret in self._secrets() if secret]
        texts: list[str] = []
        left = self._max_bytes
        for call in filter(lambda each: each.is_whole, self._calls):
            pieces: list[str] = []
            for piece in call.json(secrets):
                left -= len(piece)
                if left < 0:
                    self._drop()
                    return None
                pieces.append(piece)
            texts.append("".join(pieces))
            call.forget()
        return f'{{"format": {FORMAT}, "calls": [{", ".join(texts)}]}}'


def _redacted(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text


def _without(secrets: list[str], pieces: list[bytes]) -> list[bytes]:
    """Remove secrets; pieces across which a secret is split are joined."""
    for secret in (text.encode() for text in secrets):
        if secret not in b"".join(pieces):
            continue
        pieces = [piece.replace(secret, REDACTED.encode()) for piece in pieces]
        if secret in (whole := b"".join(pieces)):
            pieces = [whole.replace(secret, REDACTED.encode())]
    return pieces


def _as_text(chunk: bytes) -> str:
    try:
        return json.dumps(chunk.decode())
    except UnicodeDecodeError:
        return json.dumps({"base64": base64.b64encode(chunk).decode()})


def _body_text(body: bytes) -> Iterator[str]:
    """Yield a request's body as JSON, in chunks: its value if short, otherwise its text."""
    if not body:
        yield "null"
        return
    if len(body) <= _JSON_MAX_BYTES:
        try:
            yield json.dumps(read_json(body, REQUEST_LIMITS))
            return
        except JsonProblem:
            pass
    yield '"'
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for start in range(0, len(body), _SLICE):
        yield json.dumps(decoder.decode(body[start : start + _SLICE]))[1:-1]
    yield json.dumps(decoder.decode(b"", final=True))[1:-1] + '"'
