"""Reads an answer on its way through: usage, model, stop reason, price. The bytes go on untouched.

A compressed answer is decoded for reading only, as a copy, in bounded pieces.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache

from llm_agent_builder.models.price import cost, is_standard, price_table
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.usage import Reader, anthropic_reader, chat_completion_reader
from server.calls import Call

READABLE_ENCODINGS = ("gzip", "deflate", "identity")
"""The encodings that an upstream is offered: those that can be read here."""
_MOST_READ = 256 * 1024 * 1024
"""Decoded bytes of one answer that are looked at: a bomb isn't followed to its end."""
_PIECE = 64 * 1024


def today() -> date:
    """Return the date by which prices and daily budgets go: UTC's, as providers bill."""
    return datetime.now(UTC).date()


_READERS: Mapping[ProviderEnum, Callable[..., Reader]] = {
    ProviderEnum.ANTHROPIC: anthropic_reader,
    ProviderEnum.HUGGINGFACE: chat_completion_reader,
}


class Meter:
    """Watches one answer, and puts what it learns into the call."""

    def __init__(self, call: Call, headers: Mapping[str, str], *, count_text: bool = False) -> None:
        self._call = call
        stream = headers.get("Content-Type", "").lower().startswith("text/event-stream")
        self._reader: Reader | None = _READERS[call.provider](stream=stream, count_text=count_text)
        call.seen = self._reader.seen
        encoding = headers.get("Content-Encoding", "identity").strip().lower()
        # Either of the two names may hold either format: zlib finds out by the header.
        compressed = encoding in {"gzip", "x-gzip", "deflate"}
        self._inflate = zlib.decompressobj(47) if compressed else None
        self._read = 0
        if encoding not in {*READABLE_ENCODINGS, "x-gzip", ""}:
            self._reader = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the answer as they came."""
        call = self._call
        if call.first_chunk is None:
            call.first_chunk = time.monotonic() - call.started
        if self._reader is None:
            return
        for piece in self._decoded(chunk):
            self._read += len(piece)
            if self._read > _MOST_READ:
                self._reader = None
                return
            self._reader.feed(piece)
        if call.first_token is None and call.seen.text_started:
            call.first_token = time.monotonic() - call.started

    def finish(self) -> None:
        """Take the end of the answer."""
        if self._reader is not None:
            self._reader.finish()

    def _decoded(self, chunk: bytes) -> Iterator[bytes]:
        if self._inflate is None:
            yield chunk
            return
        while chunk:
            try:
                yield self._inflate.decompress(chunk, _PIECE)
            except zlib.error:
                self._reader = None
                return
            chunk = self._inflate.unconsumed_tail


def set_cost(call: Call, day: date, *, free: bool, standard: bool) -> None:
    """Work out what a call of that day cost; what can't be known stays None."""
    seen = call.seen
    if free or not standard or call.error is not None:
        return
    if seen.usage is None or call.request_model is None:
        return
    raw = seen.raw_usage
    if is_standard(raw.get("service_tier"), raw.get("speed"), raw.get("inference_geo")):
        call.cost_usd = cost(call.provider, call.request_model, seen.usage, day, route=call.route)
        if call.cost_usd is not None:
            call.price_table = _price_table(day)


@lru_cache(maxsize=2)
def _price_table(day: date) -> str:
    table = price_table(day)
    return f"genai-prices {table.version} ({table.newest})"
