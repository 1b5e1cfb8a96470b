"""Parses JSON that may be hostile: strictly, in slices, and within limits.

Refused are text that is not exactly JSON in UTF-8, deep nesting, and more structure than any real
request has. The time is linear: a regular expression skips the content of strings, and only an
outline of the text, without most of its long strings, is parsed.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterable, Iterator
from typing import Any, NoReturn

MAX_DEPTH = 100
MAX_VALUES = 50_000
MAX_OUTLINE = 4 * 1024 * 1024
"""Limit of the parsed outline in characters: structure, numbers, keys, strings up to `LONGEST`."""
LONGEST = 200
"""Limit of a string in characters, including escapes. A longer one is cut and ends in `CUT`."""
CUT = "\u2026"
"""Marks a string that was cut. In the outline, the string's length follows it."""
SLICE = 32 * 1024
"""Bytes that are read between two pauses, in at most about 5 ms."""
_SMALL = 64 * 1024

_SHORT = rf'"(?:[^"\\]|\\.){{0,{LONGEST}}}+"'
_PLAIN = re.compile(rf'[^"]*+(?:{_SHORT}[^"]*+)*+', re.DOTALL)
"""Structure and short strings, up to the first string that is long or incomplete."""
_SHORT_STRING = re.compile(_SHORT, re.DOTALL)
_INSIDE = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""The content of a string, up to its closing quote or the end of the slice."""
_WHOLE_CHARACTERS = re.compile(r"(?:[^\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+", re.DOTALL)
MOST_DIGITS = 400
"""Limit of a number's consecutive digits; up to twice as many pass if two slices share them."""
_LONG_NUMBER = re.compile(rf"[0-9]{{{MOST_DIGITS}}}")
_BRACKET = re.compile(r"[][{}]")


class TooComplexError(ValueError):
    """A text exceeds a limit. `str()` is a message for the user."""


class UnreadableError(ValueError):
    """A text is not JSON. `str()` is a message for the user."""


class DuplicateKeys(dict[str, Any]):
    """An object with duplicate keys: the dict has the last value of each, `pairs` has all."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


class Cut(str):
    """The start of a long string, and `CUT`; `written` is its original length in the source."""

    written: int

    @classmethod
    def read(cls, outlined: str) -> Cut:
        """Return the cut string from its form in the outline."""
        found = cls(outlined[: LONGEST + 1])
        found.written = int(outlined[LONGEST + 1 :])
        return found


def written_length(text: str) -> int:
    """Return the minimum number of bytes that a string has in its JSON source."""
    return text.written if isinstance(text, Cut) else len(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else DuplicateKeys(pairs)


def _outlined_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for index, (key, value) in enumerate(pairs):
        # Strings that were not cut are never that long, so no request can fake one.
        if type(value) is str and len(value) > LONGEST:
            pairs[index] = key, Cut.read(value)
    return _object(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)
_OUTLINE_DECODER = json.JSONDecoder(
    object_pairs_hook=_outlined_object, parse_constant=_refuse_constant
)


def read_json(body: bytes) -> Generator[None, None, Any]:
    """Return the value of a text, and yield regularly so that the caller can run other work.

    Raises:
        TooComplexError: the text exceeds a limit.
        UnreadableError: the text is not JSON.

    """
    brackets = body.count(b"[") + body.count(b"{") if len(body) <= _SMALL else MAX_DEPTH + 1
    try:
        if brackets <= MAX_DEPTH:  # nothing in it can exceed a limit
            return _DECODER.decode(body.decode())
        return (yield from read_json_pieces(_slices(body)))
    except UnicodeDecodeError as error:
        raise UnreadableError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise UnreadableError(error.msg) from error
    except (TooComplexError, UnreadableError):
        raise
    except ValueError as error:  # a number with thousands of digits, or NaN
        raise UnreadableError("it has a number that is invalid or too long") from error


def _slices(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), SLICE):
        yield body[start : start + SLICE]


def read_json_pieces(pieces: Iterable[bytes]) -> Generator[None, None, Any]:
    """Like `read_json`, for a text in pieces; yields after each piece.

    Raises:
        ValueError: the text is not JSON, or exceeds a limit (TooComplexError).

    """
    decode = codecs.getincrementaldecoder("utf-8")().decode
    outline = _Outline()
    for piece in pieces:
        outline.feed(decode(piece))
        yield
    outline.feed(decode(b"", final=True))
    return _OUTLINE_DECODER.decode(outline.text())


class _Outline:
    """A JSON text without most of the content of its long strings; fed slice by slice."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = self._values = self._depth = 0
        self._string: str | None = None
        """The start of the open string, as in the source."""
        self._length = 0
        self._backslash = ""
        """A backslash at the end of the last slice: it escapes the next slice's first character."""

    def feed(self, text: str) -> None:
        text, self._backslash = self._backslash + text, ""
        position = 0
        while position < len(text):
            if self._string is None:
                position = self._structure(text, position)
            else:
                position = self._inside(text, position)

    def text(self) -> str:
        """Return the outline.

        Raises:
            UnreadableError: a string isn't closed.

        """
        if self._string is not None:
            raise UnreadableError("it ends within a string")
        return "".join(self._parts)

    def _structure(self, text: str, position: int) -> int:
        """Read up to the next long string; return the position after its quote."""
        match = _PLAIN.match(text, position)
        end = match.end() if match else position
        segment = text[position:end]
        self._count(_SHORT_STRING.sub("", segment))
        self._append(segment)
        if end < len(text):
            self._string, self._length = "", 0
        return end + 1

    def _inside(self, text: str, position: int) -> int:
        """Continue in a string; return the position after the part that was read."""
        match = _INSIDE.match(text, position)
        end = match.end() if match else position
        if self._length <= LONGEST:
            self._string = (self._string or "") + text[position : min(end, position + LONGEST)]
        self._length += end - position
        if end == len(text):
            return end
        if text[end] == "\\":
            self._backslash = "\\"
            return len(text)
        self._end_string()
        return end + 1

    def _end_string(self) -> None:
        written, self._string = self._string or "", None
        if self._length > LONGEST:
            match = _WHOLE_CHARACTERS.match(written[:LONGEST])
            written = (match.group() if match else "") + CUT
            if len(written) > LONGEST and "\\" not in written:
                written += str(self._length)
        self._append(f'"{written}"')

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_OUTLINE:
            raise TooComplexError(
                f"it has more than {MAX_OUTLINE >> 20} MiB of structure and short strings"
            )

    def _count(self, segment: str) -> None:
        opened = segment.count("[") + segment.count("{")
        self._values += opened + segment.count(",")
        if self._values > MAX_VALUES:
            raise TooComplexError(f"it has more than {MAX_VALUES:,} values")
        if _LONG_NUMBER.search(
            segment
        ):  # the time to convert one grows with the square of its length
            raise TooComplexError(f"it has a number of more than {MOST_DIGITS} digits")
        if self._depth + opened > MAX_DEPTH:
            self._count_exactly(segment)
        else:
            self._depth += opened - segment.count("]") - segment.count("}")

    def _count_exactly(self, segment: str) -> None:
        for bracket in _BRACKET.findall(segment):
            self._depth += 1 if bracket in "[{" else -1
            if self._depth > MAX_DEPTH:
                raise TooComplexError(f"it is nested more than {MAX_DEPTH} levels deep")
