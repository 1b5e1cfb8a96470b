"""The one output pump: bytes from a run's pipes in, bounded and decoded events out."""

from __future__ import annotations

import asyncio
import codecs
import os
import time
from collections.abc import Callable

from server.run_events import OutputEvent, StreamName

_CHUNK = 65536
_FLUSH_S = 0.01


async def open_reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    """Return a reader of a pipe; closing the transport closes the descriptor."""
    reader = asyncio.StreamReader(limit=_CHUNK)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader, transport


class OutputBuffer:
    """Turns what arrives within 10 ms into one event a stream; the first piece never waits."""

    def __init__(self, emit: Callable[[OutputEvent], None]) -> None:
        self.first_output: float | None = None
        """When the first piece came, by `time.monotonic`."""
        self._emit = emit
        self._pending: list[tuple[StreamName, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last_flush = 0.0

    def add(self, stream: StreamName, text: str) -> None:
        """Take text of one stream, in order of arrival."""
        if not text:
            return
        now = time.monotonic()
        self.first_output = self.first_output or now
        if self._pending and self._pending[-1][0] == stream:
            self._pending[-1] = (stream, self._pending[-1][1] + text)
        else:
            self._pending.append((stream, text))
        if now - self._last_flush >= _FLUSH_S:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_S, self.flush)

    def flush(self) -> None:
        """Emit what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last_flush = time.monotonic()
        for stream, text in self._pending:
            self._emit(OutputEvent(stream, text))
        self._pending.clear()


async def pump(
    reader: asyncio.StreamReader,
    stream: StreamName,
    buffer: OutputBuffer,
    *,
    limit: int,
    on_limit: Callable[[], None],
) -> None:
    """Move one stream into `buffer` until it ends; `on_limit` once after `limit` bytes.

    What comes after the limit is read and dropped, so that a flooding program can still be ended.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    left = limit
    while piece := await reader.read(_CHUNK):
        buffer.add(stream, decoder.decode(piece[:left]))
        if len(piece) > left >= 0:
            on_limit()
            left = -1
        left = left - len(piece) if left >= 0 else -1
        if left < 0:
            break
    while left < 0 and await reader.read(_CHUNK):
        pass
    buffer.add(stream, decoder.decode(b"", final=True))
