"""Parses server-sent events from pieces of any size: the `data` of each event, up to a limit.

The cost is linear in the number of bytes, and memory is limited to one event of `LONGEST` bytes.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_LINE_END = rb"(?>\r\n|\r|\n)"
_OTHER_LINE = rb"(?:[^d\r\n][^\r\n]*+)?" + _LINE_END
_EVENT_END = re.compile(_LINE_END + _LINE_END + b"((?:" + _OTHER_LINE + b")*+)")
"""Two line ends of any kind, and the following lines up to one that may be data."""
_REACH = 3
"""The most bytes of an event's end that an earlier piece can contain."""
_BOM = b"\xef\xbb\xbf"
LONGEST = 256 * 1024
"""Limit of an event in bytes; a longer one is skipped."""


class SseEvents:
    """Feed it the pieces of a stream; it yields the data of each complete event."""

    def __init__(
        self, watched: bytes = b"", on_line: Callable[[bytes], None] | None = None
    ) -> None:
        self.skipped = 0
        """Bytes of events that were too long; the caller resets it to 0."""
        self.skipped_watched = False
        """Whether a skipped event contained the watched bytes."""
        self._watched = watched
        self._on_line = on_line
        """Called with each line that isn't data, without line end: names, comments, blank lines."""
        self._buffer = bytearray()
        self._is_skipping = False
        self._first = True

    @property
    def open_bytes(self) -> int:
        """The number of buffered bytes of an incomplete event."""
        return len(self._buffer)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `piece` completes."""
        searched = max(0, len(self._buffer) - _REACH)
        text: bytes | bytearray = piece
        if self._buffer:
            self._buffer += piece
            text = self._buffer
        start = 0
        for match in _EVENT_END.finditer(text, searched):
            data = self._data_of(bytes(text[start : match.start()]))
            start = match.end()
            if data is not None:
                yield data
            if self._on_line is not None and match[1]:
                self._report_lines(match[1].splitlines())
        self._buffer_rest(text, start)

    def finish(self) -> Iterator[bytes]:
        """Yield the data of the last event, if the stream ended before it was complete."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if (data := self._data_of(rest)) is not None:
            yield data

    def _buffer_rest(self, text: bytes | bytearray, start: int) -> None:
        if text is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += text[start:]
        if len(self._buffer) > LONGEST:
            self._skip(len(self._buffer))
            del self._buffer[
                : -max(_REACH, len(self._watched))
            ]  # may be the start of an event's end, or of `watched`
            self._is_skipping = True

    def _skip(self, size: int) -> None:
        self.skipped += size
        self.skipped_watched = self.skipped_watched or self._watched in self._buffer

    def _data_of(self, event: bytes) -> bytes | None:
        if self._is_skipping or len(event) > LONGEST:
            self._is_skipping = False
            self.skipped += len(event)
            self.skipped_watched = self.skipped_watched or self._watched in event
            return None
        if self._first:
            event, self._first = event.removeprefix(_BOM), False
        lines = event.splitlines()
        values = [line[5:].removeprefix(b" ") for line in lines if _is_data(line)]
        if self._on_line is not None and len(values) < (len(lines) or 1):
            self._report_lines([line for line in lines if not _is_data(line)] or [b""])
        return b"\n".join(values) if values else None

    def _report_lines(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._on_line is not None:
                self._on_line(line)


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data") and line[4:5] in (b":", b"")
