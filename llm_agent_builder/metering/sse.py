"""Server-sent events out of pieces of any size: the `data` of each event, bounded.

The cost is linear in the bytes, whatever their cuts, and what is held is at most one event of
`LONGEST` bytes.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_LINE_END = rb"(?>\r\n|\r|\n)"
_OTHER_LINE = rb"(?:[^d\r\n][^\r\n]*+)?" + _LINE_END
_EVENT_END = re.compile(_LINE_END + _LINE_END + b"((?:" + _OTHER_LINE + b")*+)")
"""Two line ends of any kind, and the lines that follow up to one that may be data."""
_REACH = 3
"""Bytes of an end, at most, that an earlier piece had."""
_BOM = b"\xef\xbb\xbf"
LONGEST = 256 * 1024
"""Bytes of one event; a longer one is passed over."""


class SseEvents:
    """Feed it the pieces of a stream; it yields the data of each event that is whole."""

    def __init__(self, mark: bytes = b"", on_line: Callable[[bytes], None] | None = None) -> None:
        self.skipped = 0
        """Bytes of events that were too long; whoever takes notice sets it to 0."""
        self.skipped_mark = False
        """Whether one of those had the mark in it."""
        self._mark = mark
        self._on_line = on_line
        """Gets each line that is no data, without its end: names, comments, blank ones."""
        self._held = bytearray()
        self._skips = False
        self._first = True

    @property
    def open_bytes(self) -> int:
        """How much of an event there is whose end hasn't come."""
        return len(self._held)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `piece` completes."""
        searched = max(0, len(self._held) - _REACH)
        text: bytes | bytearray = piece
        if self._held:
            self._held += piece
            text = self._held
        start = 0
        for match in _EVENT_END.finditer(text, searched):
            data = self._data_of(bytes(text[start : match.start()]))
            start = match.end()
            if data is not None:
                yield data
            if self._on_line is not None and match[1]:
                self._hand_on(match[1].splitlines())
        self._hold(text, start)

    def finish(self) -> Iterator[bytes]:
        """Yield the data of an event that the end of the stream left open."""
        rest = bytes(self._held)
        self._held.clear()
        if (data := self._data_of(rest)) is not None:
            yield data

    def _hold(self, text: bytes | bytearray, start: int) -> None:
        if text is self._held:
            del self._held[:start]
        else:
            self._held += text[start:]
        if len(self._held) > LONGEST:
            self._skip(len(self._held))
            del self._held[: -max(_REACH, len(self._mark))]  # an end, or a mark, may go on
            self._skips = True

    def _skip(self, size: int) -> None:
        self.skipped += size
        self.skipped_mark = self.skipped_mark or self._mark in self._held

    def _data_of(self, event: bytes) -> bytes | None:
        if self._skips or len(event) > LONGEST:
            self._skips = False
            self.skipped += len(event)
            self.skipped_mark = self.skipped_mark or self._mark in event
            return None
        if self._first:
            event, self._first = event.removeprefix(_BOM), False
        lines = event.splitlines()
        values = [line[5:].removeprefix(b" ") for line in lines if _is_data(line)]
        if self._on_line is not None and len(values) < (len(lines) or 1):
            self._hand_on([line for line in lines if not _is_data(line)] or [b""])
        return b"\n".join(values) if values else None

    def _hand_on(self, lines: list[bytes]) -> None:
        for line in lines:
            if self._on_line is not None:
                self._on_line(line)


def _is_data(line: bytes) -> bool:
    return line.startswith(b"data") and line[4:5] in (b":", b"")
