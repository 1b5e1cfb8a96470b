"""The output pump: reads bytes from a run's pipes and emits decoded events, up to a limit."""

from __future__ import annotations

import asyncio
import codecs
import os
import time
from collections.abc import Callable

from server.isolation.events import OutputEvent, StreamName

_CHUNK = 65536
_FLUSH_S = 0.01
_SLOW_FLUSH_S = 0.05
_MAX_PIECES = 64
"""Pieces of alternating streams within 10 ms, in order of arrival; more are joined by stream."""
_MANY_EVENTS = 2000
"""After this many events, each stream gets at most one event in 50 ms: all events are stored."""


class OutputBuffer:
    """Joins the text that arrives within 10 ms into one event per stream; the first never waits."""

    def __init__(self, emit: Callable[[OutputEvent], None]) -> None:
        self.first_output: float | None = None
        """The time of the first text, by `time.monotonic`."""
        self._emit = emit
        self._pending: list[tuple[StreamName, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._last_flush = 0.0
        self._emitted = 0

    def add(self, stream: StreamName, text: str) -> None:
        """Add text of one stream, in order of arrival."""
        if not text:
            return
        now = time.monotonic()
        self.first_output = self.first_output or now
        self._append(stream, text)
        wait = _FLUSH_S if self._emitted < _MANY_EVENTS else _SLOW_FLUSH_S
        if now - self._last_flush >= wait:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait, self.flush)

    def _append(self, stream: StreamName, text: str) -> None:
        most = _MAX_PIECES if self._emitted < _MANY_EVENTS else 2
        for back in (1, 2) if len(self._pending) >= most else (1,):
            if len(self._pending) < back or self._pending[-back][0] != stream:
                continue
            earlier = self._pending[-back][1]
            if len(earlier) < _CHUNK:  # keeps joining linear, and events small
                self._pending[-back] = (stream, earlier + text)
                return
        self._pending.append((stream, text))

    def flush(self) -> None:
        """Emit the pending text."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last_flush = time.monotonic()
        for stream, text in self._pending:
            self._emit(OutputEvent(stream, text))
        self._emitted += len(self._pending)
        self._pending.clear()


class Pump:
    """Moves one stream into a buffer until it ends; calls `on_limit` once after `limit` bytes.

    Output beyond the limit is read and dropped, so that a flooding program can still be ended.
    Owns the descriptor.
    """

    def __init__(
        self,
        descriptor: int,
        stream: StreamName,
        buffer: OutputBuffer,
        *,
        limit: int,
        on_limit: Callable[[], None],
    ) -> None:
        self._descriptor = descriptor
        self._stream: StreamName = stream
        self._buffer = buffer
        self._left = limit
        self._on_limit = on_limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        """Stop, and close the descriptor; output that was not read yet is lost."""
        if not self.ended.done():
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._buffer.add(self._stream, self._decoder.decode(b"", final=True))
            self.ended.set_result(None)

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not piece:
            self.close()
            return
        if self._left < 0:
            return
        self._buffer.add(self._stream, self._decoder.decode(piece[: self._left]))
        self._left -= len(piece)
        if self._left < 0:
            self._on_limit()
