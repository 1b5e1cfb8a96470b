"""Reads an answer on its way through: usage, model, stop reason, price. The bytes go on untouched.

A compressed answer is decoded for reading only, as a copy, in bounded pieces. Reading stops where
an answer costs more than any real one does; then its usage is unknown.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache

from llm_agent_builder.metering.answer_readers import READERS, Reader
from llm_agent_builder.metering.prices import cost, is_standard, price_table
from llm_agent_builder.metering.usage import Usage
from llm_agent_builder.providers import PROVIDERS
from server.gateway.call import Call

READABLE_ENCODINGS = ("gzip", "deflate", "identity")
"""The encodings that an upstream is offered: those that can be read here."""
_MIB = 1024 * 1024
UNREADABLE = 2**62
"""Bytes of text in an answer that can't be read: more than any budget allows."""
_MOST_READ = {"stream": 256 * _MIB, "object": 64 * _MIB}
"""Decoded bytes of one answer that are looked at. A stream of 128,000 tokens has some 25 MiB."""
_MOST_INFLATED, _FREELY_INFLATED = 100, 4 * _MIB
"""Decoded bytes for each byte that came, and without regard to that: a bomb isn't followed."""
_MARKS = b'"[]{},:\r\n'
"""What a reader stops at: its work goes by their number rather than by the bytes."""
_MOST_MARKS = 2_000_000
"""In one JSON object: ten times what a long answer with the odds of each token has."""
_SLICE, _SMALL_SLICE = 64 * 1024, 8 * 1024
_MARKS_IN_SLICE = 8 * 1024
"""Read at once: some 10 ms of work at most."""


_PADDING = b"\0"
"""What may fill a compressed file up behind its last member."""


def _inflate() -> zlib._Decompress:
    """Return a decoder of one member; zlib finds out by its header whether it is gzip."""
    return zlib.decompressobj(47)


def _all_of(headers: Mapping[str, str], name: str) -> str:
    """Return what all headers of a name say together."""
    values = [value for each, value in headers.items() if each.lower() == name]
    return ", ".join(values).strip().lower()


def encoding_of(headers: Mapping[str, str]) -> str:
    """Return an answer's content encoding; several of them are none of `READABLE_ENCODINGS`."""
    return _all_of(headers, "content-encoding") or "identity"


def today() -> date:
    """Return the date by which prices and daily budgets go: UTC's, as providers bill."""
    return datetime.now(UTC).date()


class Meter:
    """Watches one answer, and puts what it learns into the call."""

    def __init__(self, call: Call, headers: Mapping[str, str], *, count_text: bool = False) -> None:
        self._call = call
        stream = headers.get("Content-Type", "").lower().startswith("text/event-stream")
        reader = READERS[PROVIDERS[call.provider].protocol]
        self._reader: Reader | None = reader(stream=stream, count_text=count_text)
        call.seen = self._reader.seen
        encoding = encoding_of(headers)
        self._inflate = _inflate() if encoding in {"gzip", "x-gzip", "deflate"} else None
        self._most = _MOST_READ["stream" if stream else "object"]
        self._most_marks = math.inf if stream else _MOST_MARKS
        self._came = self._read = self._marks = self._members = 0
        self._counts_all = count_text and not stream
        coded = _all_of(headers, "transfer-encoding") not in {"", "chunked"}
        if coded or encoding not in {*READABLE_ENCODINGS, "x-gzip"}:
            self._give_up()

    def feed(self, chunk: bytes) -> Iterator[None]:
        """Take the next bytes of the answer as they came; yields before each costly slice."""
        call = self._call
        if call.first_chunk is None:
            call.first_chunk = time.monotonic() - call.started
        if self._reader is None:
            return
        self._came += len(chunk)
        if self._counts_all:  # what doesn't come as the stream that was asked for may all be text
            call.seen.text_bytes += len(chunk)
        if self._inflate is None:
            yield from self._feed_slices(chunk)
        else:
            yield from self._feed_compressed(chunk)
        if call.first_token is None and call.seen.text_started:
            call.first_token = time.monotonic() - call.started

    def finish(self) -> None:
        """Take the end of the answer."""
        if self._reader is not None:
            self._reader.finish()

    def _feed_slices(self, piece: bytes) -> Iterator[None]:
        marks = len(piece) - len(piece.translate(None, _MARKS))
        self._read += len(piece)
        self._marks += marks
        inflated = max(_FREELY_INFLATED, _MOST_INFLATED * self._came)
        if self._read > min(self._most, inflated) or self._marks > self._most_marks:
            self._give_up()
            return
        is_heavy = marks > _MARKS_IN_SLICE
        size = _SMALL_SLICE if is_heavy else _SLICE
        for start in range(0, len(piece), size):
            if start or is_heavy:
                yield
            if self._reader is not None:
                self._reader.feed(piece[start : start + size])

    def _feed_compressed(self, chunk: bytes) -> Iterator[None]:
        for start in range(0, len(chunk), _SMALL_SLICE):
            members = self._members
            for piece in self._decoded(chunk[start : start + _SMALL_SLICE]):
                yield from self._feed_slices(piece)
            if self._members != members:
                yield

    def _decoded(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what compressed bytes hold, in slices; they may be of several members."""
        piece = b"x" * _SLICE
        while self._reader is not None and (chunk or len(piece) == _SLICE):
            if self._inflate is None or self._inflate.eof:
                chunk = chunk.lstrip(_PADDING)
                if not chunk:
                    return
                self._inflate = _inflate()
                self._members += 1
            try:
                piece = self._inflate.decompress(chunk, _SLICE)
            except zlib.error:
                self._give_up()
                return
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data
            yield piece

    def _give_up(self) -> None:
        """Read no further: what was seen so far may not be all, and what comes may be any text."""
        self._reader = None
        self._call.seen.text_bytes = UNREADABLE
        self._call.seen.count.is_odd = True


def set_cost(call: Call, day: date, *, free: bool, standard: bool) -> None:
    """Work out what a call of that day cost; what can't be known stays None."""
    seen = call.seen
    is_known = standard and call.error is None and seen.error is None
    if not free and is_known and seen.usage is not None and is_standard(*seen.count.settings):
        call.cost_usd = _cost(call, seen.usage, day)
        if call.cost_usd is not None:
            call.price_table = _price_table(day)
    call.unpriced = call.cost_usd is None and not free and not call.used_nothing


def _cost(call: Call, usage: Usage, day: date) -> Decimal | None:
    """Return the price of the model that was asked, or of the one that answered if it is dearer.

    Answers often name a model in a way that no table has: then what was asked counts.
    """
    if call.request_model is None:
        return None
    asked = cost(call.provider, call.request_model, usage, day, route=call.route)
    answered = call.seen.model
    if asked is None or answered is None or answered == call.request_model:
        return asked
    other = cost(call.provider, answered, usage, day, route=call.route)
    return asked if other is None else max(asked, other)


@lru_cache(maxsize=2)
def _price_table(day: date) -> str:
    table = price_table(day)
    return f"genai-prices {table.version} ({table.newest})"
