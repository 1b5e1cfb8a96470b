"""Records a run's model calls, up to what a cassette may take up; what is more is not kept.

While the run goes, the bytes that came are held as they are, and counted: neither parsed values nor
decoded characters, which take up to a hundred times as much. The first byte too many lets go of
everything, and from then on nothing is held and nothing is done. JSON is made of them at the end.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from llm_agent_builder.json_input.limits import JsonProblem, read_json
from llm_agent_builder.providers import ProviderEnum
from server.gateway.cassette import BLOT, FORMAT, KEPT_HEADERS, MOST_BYTES, REQUEST_LIMITS, readable

_JSON_MAX_BYTES = 1024 * 1024
"""A request up to this is recorded as JSON, to be read by people; a longer one as text."""
_SLICE = 64 * 1024
_PIECE_COST = 72
"""Bytes that Python takes for a piece beside its content, and its place in a list."""
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
        """Keep how the answer begins."""
        kept = {
            name: readable(headers[name])[:_HEADER_MAX_CHARS]
            for name in KEPT_HEADERS
            if name in headers
        }
        self._answer = {"status": status, "headers": kept}

    def add(self, chunk: bytes) -> None:
        """Keep a chunk of the answer."""
        if self._recorder.take(len(chunk) + _PIECE_COST):
            self._chunks.append(chunk)

    def end(self, *, cut: bool) -> None:
        """Keep how the answer ended."""
        if self._answer is not None:
            self._answer["cut"] = cut
            self.is_whole = True

    def forget(self) -> None:
        """Let go of what was kept."""
        self._body, self._chunks, self.is_whole = b"", [], False

    def json(self, secrets: list[str]) -> Iterator[str]:
        """Yield the call as JSON, bit by bit, and without secrets."""
        head, answer = (_blotted(json.dumps(each), secrets) for each in (self._asked, self._answer))
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

    `secrets` returns what must not be in the cassette. `on_full` hears, once, that the calls are
    more than a cassette may have.
    """

    def __init__(
        self,
        secrets: Callable[[], Iterable[str]],
        on_full: Callable[[], None] = lambda: None,
        *,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._secrets = secrets
        self._on_full = on_full
        self._most = most_bytes
        self._calls: list[Recording] = []
        self.held = 0
        """Bytes that are held, about; never more than `most_bytes`."""
        self.is_full = False

    def start(self, provider: ProviderEnum, method: str, path: str, body: bytes) -> Recording:
        """Begin to record a call."""
        asked = {"provider": provider.value, "method": method, "path": readable(path)}
        if not self.take(len(body) + len(path) + _CALL_COST):
            return Recording(self, asked, b"")
        self._calls.append(recording := Recording(self, asked, body))
        return recording

    def take(self, size: int) -> bool:
        """Count what is to be held; False: nothing is, any more."""
        if self.is_full:
            return False
        if self.held + size <= self._most:
            self.held += size
            return True
        self._drop()
        self._on_full()
        return False

    def _drop(self) -> None:
        self.is_full, self.held = True, 0
        for recording in self._calls:
            recording.forget()
        self._calls = []

    def cassette(self) -> str | None:
        """Return the calls that were answered as JSON; None: more than a cassette may have.

        Called once, when the run has ended, and not in the event loop: it may take a second.
        """
        if self.is_full:
            return None
        secrets = [secret for secret in self._secrets() if secret]
        texts: list[str] = []
        left = self._most
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


def _blotted(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, BLOT)
    return text


def _without(secrets: list[str], pieces: list[bytes]) -> list[bytes]:
    """Blot secrets out; pieces that share one are put together."""
    for secret in (text.encode() for text in secrets):
        if secret not in b"".join(pieces):
            continue
        pieces = [piece.replace(secret, BLOT.encode()) for piece in pieces]
        if secret in (whole := b"".join(pieces)):
            pieces = [whole.replace(secret, BLOT.encode())]
    return pieces


def _as_text(chunk: bytes) -> str:
    try:
        return json.dumps(chunk.decode())
    except UnicodeDecodeError:
        return json.dumps({"base64": base64.b64encode(chunk).decode()})


def _body_text(body: bytes) -> Iterator[str]:
    """Yield a request's body as JSON, bit by bit: its value if it is short JSON, else a text."""
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
