"""Server-sent events out of pieces of any size: the `data` of each event, bounded.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE_END = re.compile(rb"[\r\n]")
_BOM = b"\xef\xbb\xbf"
LONGEST = 1024 * 1024
"""Bytes of one event's data; a longer event is passed over."""


class SseEvents:
    """Feed it the pieces of a stream; it yields the data of each event that is whole."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_return = False
        self._first = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `piece` completes."""
        if self._after_return and piece[:1] == b"\n":
            piece = piece[1:]
        if piece:
            self._after_return = False
        start = 0
        while match := _LINE_END.search(piece, start):
            self._grow(piece[start : match.start()])
            start = match.end()
            if match.group() == b"\r":
                if piece[start : start + 1] == b"\n":
                    start += 1
                elif start == len(piece):
                    self._after_return = True
            if (data := self._end_line()) is not None:
                yield data
        self._grow(piece[start:])

    def finish(self) -> Iterator[bytes]:
        """Yield the data of an event that the end of the stream left open."""
        if self._line:
            self._end_line()
        if (data := self._end_event()) is not None:
            yield data

    def _grow(self, piece: bytes) -> None:
        if len(self._line) <= LONGEST:
            self._line += piece

    def _end_line(self) -> bytes | None:
        line = bytes(self._line)
        self._line.clear()
        if self._first:
            line, self._first = line.removeprefix(_BOM), False
        if not line:
            return self._end_event()
        name, _, value = line.partition(b":")
        if name == b"data":
            self._size += len(value) + 1
            if self._size <= LONGEST:
                self._data.append(value.removeprefix(b" "))
        return None

    def _end_event(self) -> bytes | None:
        data, too_long = self._data, self._size > LONGEST
        self._data, self._size = [], 0
        return b"\n".join(data) if data and not too_long else None
