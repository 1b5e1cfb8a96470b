"""Records a run's model calls as a cassette, up to what one may take up; what is more is not kept.

What is held is text of the cassette's JSON, and counted as it comes: neither parsed values nor
decoded characters, which take up to a hundred times as much. The first byte too many lets go of
everything, and from then on nothing is held and nothing is done.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from llm_agent_builder.json_bounds import JsonProblem, read_json
from llm_agent_builder.providers import ProviderEnum
from server.cassette import BLOT, FORMAT, KEPT_HEADERS, MOST_BYTES, REQUEST_LIMITS, readable

_JSON_MAX_BYTES = 1024 * 1024
"""A request up to this is recorded as JSON, to be read by people; a longer one as text."""
_SLICE = 64 * 1024
_PIECE_COST = 72
"""Bytes that Python takes for one piece beside its content, and its place in a list."""
_HEADER_MAX_CHARS = 1000


class Recording:
    """One call that is being recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self.pieces: list[str] = []
        """Of its JSON."""
        self.is_whole = False
        self._recorder = recorder
        self._chunks: list[bytes] = []
        self._begun = False

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Keep how the answer begins."""
        kept = {name: self._header(headers[name]) for name in KEPT_HEADERS if name in headers}
        start = f', "response": {{"status": {status}, "headers": {json.dumps(kept)}, "chunks": ['
        self._begun = self._recorder.take(len(start))
        if self._begun:
            self.pieces.append(start)

    def _header(self, value: str) -> str:
        return self._recorder.blotted(readable(value))[:_HEADER_MAX_CHARS]

    def add(self, chunk: bytes) -> None:
        """Keep a chunk of the answer."""
        if self._recorder.take(len(chunk) + _PIECE_COST):
            self._chunks.append(chunk)

    def end(self, *, cut: bool) -> None:
        """Keep how the answer ended."""
        if not self._begun or self._recorder.is_full:
            return
        self._chunks = self._recorder.without_secrets(self._chunks)
        for number, chunk in enumerate(self._chunks):
            piece = (", " if number else "") + _as_text(chunk)
            if not self._recorder.take(len(piece) - len(chunk)):
                return
            self.pieces.append(piece)
            self._chunks[number] = b""
        self._chunks = []
        self.pieces.append(f'], "cut": {json.dumps(cut)}}}}}')
        self.is_whole = True

    def forget(self) -> None:
        """Let go of what was kept."""
        self.pieces.clear()
        self._chunks = []


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
        recording = Recording(self)
        pieces = recording.pieces
        if not self.take(len(body)):
            return recording
        self._calls.append(recording)
        asked = {"method": method, "path": self.blotted(readable(path))}
        pieces.append(f'{{"provider": "{provider.value}", "request": {json.dumps(asked)[:-1]}')
        pieces.append(', "body": ')
        [blotted] = self.without_secrets([body])
        for text in _body_text(blotted):
            if not self.take(len(text) + _PIECE_COST):
                return recording
            pieces.append(text)
        pieces.append("}")
        self.take(len(pieces[0]) - len(body))
        return recording

    def take(self, size: int) -> bool:
        """Count what is to be held; False: nothing is, any more."""
        if self.is_full:
            return False
        if self.held + size <= self._most:
            self.held += size
            return True
        self.is_full, self.held = True, 0
        for recording in self._calls:
            recording.forget()
        self._calls = []
        self._on_full()
        return False

    def without_secrets(self, pieces: list[bytes]) -> list[bytes]:
        """Blot secrets out; pieces that share one are put together."""
        whole = b"".join(pieces)
        for secret in (text.encode() for text in self._secrets() if text):
            if secret not in whole:
                continue
            pieces = [piece.replace(secret, BLOT.encode()) for piece in pieces]
            if secret in b"".join(pieces):
                pieces = [b"".join(pieces).replace(secret, BLOT.encode())]
            whole = b"".join(pieces)
        return pieces

    def blotted(self, text: str) -> str:
        """Return a short text without secrets."""
        for secret in filter(None, self._secrets()):
            text = text.replace(secret, BLOT)
        return text

    def cassette(self) -> str | None:
        """Return the calls that were answered as JSON; None: more than a cassette may have."""
        if self.is_full:
            return None
        answered = ["".join(call.pieces) for call in self._calls if call.is_whole]
        return f'{{"format": {FORMAT}, "calls": [{", ".join(answered)}]}}'


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
