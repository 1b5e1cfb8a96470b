"""Reads usage, model and stop reason from a response while it passes through unchanged.

A compressed response is decoded separately, in small pieces, only to be read. Reading stops if a
response takes more work than any real one; then its usage is unknown.
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
"""The content encodings that can be read here; only these are offered to an upstream."""
_MIB = 1024 * 1024
UNREADABLE = 2**62
"""The assumed size of text in an unreadable response: more than any budget allows."""
_MAX_READ = {"stream": 256 * _MIB, "object": 64 * _MIB}
"""Limit on the decoded bytes of one response. A stream of 128,000 tokens has some 25 MiB."""
_MAX_INFLATED, _FREELY_INFLATED = 100, 4 * _MIB
"""Limit on decoded bytes per received byte, beyond the second number of bytes: protects from
compression bombs."""
_STRUCTURAL = b'"[]{},:\r\n'
"""Bytes at which a reader stops; the number of these determines its work."""
_MAX_STRUCTURAL = 2_000_000
"""Limit for one JSON object: ten times that of a long response with log probabilities."""
_SLICE, _SMALL_SLICE = 64 * 1024, 8 * 1024
_STRUCTURAL_IN_SLICE = 8 * 1024
"""The slices and structural bytes that are read at once: at most some 10 ms of work."""


_PADDING = b"\0"
"""Bytes that may follow the last member of a compressed file."""


def _inflate() -> zlib._Decompress:
    """Return a decoder of one member; zlib recognizes gzip by its header."""
    return zlib.decompressobj(47)


def _all_of(headers: Mapping[str, str], name: str) -> str:
    """Return the values of all headers of a name, joined."""
    values = [value for each, value in headers.items() if each.lower() == name]
    return ", ".join(values).strip().lower()


def encoding_of(headers: Mapping[str, str]) -> str:
    """Return a response's content encoding; a list of several is not readable."""
    return _all_of(headers, "content-encoding") or "identity"


def today() -> date:
    """Return the date for prices and daily budgets: UTC's, as providers bill."""
    return datetime.now(UTC).date()


class Meter:
    """Reads one response, and writes what it finds into the call."""

    def __init__(self, call: Call, headers: Mapping[str, str], *, count_text: bool = False) -> None:
        self._call = call
        stream = headers.get("Content-Type", "").lower().startswith("text/event-stream")
        reader = READERS[PROVIDERS[call.provider].protocol]
        self._reader: Reader | None = reader(stream=stream, count_text=count_text)
        call.seen = self._reader.seen
        encoding = encoding_of(headers)
        self._inflate = _inflate() if encoding in {"gzip", "x-gzip", "deflate"} else None
        self._max_read = _MAX_READ["stream" if stream else "object"]
        self._max_structural = math.inf if stream else _MAX_STRUCTURAL
        self._received = self._read = self._structural = self._members = 0
        self._counts_all = count_text and not stream
        coded = _all_of(headers, "transfer-encoding") not in {"", "chunked"}
        if coded or encoding not in {*READABLE_ENCODINGS, "x-gzip"}:
            self._give_up()

    def feed(self, chunk: bytes) -> Iterator[None]:
        """Read the next bytes of the response as received; yields before each costly slice."""
        call = self._call
        if call.first_chunk is None:
            call.first_chunk = time.monotonic() - call.started
        if self._reader is None:
            return
        self._received += len(chunk)
        if self._counts_all:  # a response without streaming: all of it may be text
            call.seen.text_bytes += len(chunk)
        if self._inflate is None:
            yield from self._feed_slices(chunk)
        else:
            yield from self._feed_compressed(chunk)
        if call.first_token is None and call.seen.text_started:
            call.first_token = time.monotonic() - call.started

    def finish(self) -> None:
        """Note the end of the response."""
        if self._reader is not None:
            self._reader.finish()

    def _feed_slices(self, piece: bytes) -> Iterator[None]:
        structural = len(piece) - len(piece.translate(None, _STRUCTURAL))
        self._read += len(piece)
        self._structural += structural
        inflated = max(_FREELY_INFLATED, _MAX_INFLATED * self._received)
        if self._read > min(self._max_read, inflated) or self._structural > self._max_structural:
            self._give_up()
            return
        is_heavy = structural > _STRUCTURAL_IN_SLICE
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
        """Yield the decoded bytes in slices; the input may have several members."""
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
        """Stop reading: the usage until now may be incomplete, and the rest may all be text."""
        self._reader = None
        self._call.seen.text_bytes = UNREADABLE
        self._call.seen.count.is_odd = True


def set_cost(call: Call, day: date, *, free: bool, standard: bool) -> None:
    """Set the cost of a call of that day; an unknown cost stays None."""
    seen = call.seen
    is_known = standard and call.error is None and seen.error is None
    if not free and is_known and seen.usage is not None and is_standard(*seen.count.settings):
        call.cost_usd = _cost(call, seen.usage, day)
        if call.cost_usd is not None:
            call.price_table = _price_table(day)
    call.unpriced = call.cost_usd is None and not free and not call.used_nothing


def _cost(call: Call, usage: Usage, day: date) -> Decimal | None:
    """Return the price of the requested model, or of the responding one if that is higher.

    Responses often name a model that no price table has; then the requested model counts.
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
