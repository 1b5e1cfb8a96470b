"""Parses JSON from untrusted sources, unless it has too many values or is nested too deeply.

Parsing and validating take about a hundred times as long as counting, and about 1 KiB of memory per
value. So the structure is counted first, by a few passes of C code over the bytes: in linear time,
at most about 10 ms per MiB, ignoring the content of strings.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

from pydantic_core import from_json

_BRACKETS = b"[]{}"
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_ALL = bytes(range(256))
_NOT_BRACKETS = bytes(set(_ALL) - set(_BRACKETS))
_BLANKS = b" \t\r\n"
_MAY_OVERFLOW = re.compile(rb"[0-9][eE]\+?[0-9]|[0-9]{309}")
_FLOAT = re.compile(rb"-?[0-9]+(?:\.[0-9]+(?:[eE]\+?[0-9]+)?|[eE]\+?[0-9]+)")
_TO_COMMA = bytes.maketrans(b":[]{}", b",,,,,")


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Limits of a JSON document: nesting depth, number of values, length of numbers."""

    depth: int = 100
    values: int = 250_000
    """Limit of all values; a list or an object counts as two, as it needs more memory."""
    number_chars: int = 1000
    """Length limit of a number. Python doesn't convert integers of more than 4,300 digits."""


class JsonProblem(ValueError):  # noqa: N818 - of the sender's document, not of ours
    """A document is invalid JSON or exceeds a limit; `str()` starts with "is" or "has".

    `position` is the offset of the error in invalid JSON.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def read_json(data: bytes | bytearray, limits: JsonLimits | None = None) -> Any:
    """Return the value of a JSON document in UTF-8.

    Like the standard library, this accepts lone surrogates, but not NaN and Infinity.

    Raises:
        JsonProblem: the document is invalid, or exceeds a limit and was not parsed.

    """
    check_json_size(data, limits or JsonLimits())
    try:
        # This parses bytes. The standard library would decode them first, to four bytes per
        # character if a single character needs that.
        return from_json(data, allow_inf_nan=False)
    except ValueError:
        return _read_as_the_standard_library(data)


def _read_as_the_standard_library(data: bytes | bytearray) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonProblem(f"is not JSON: {error.msg}", error.pos) from None
    except UnicodeDecodeError as error:
        raise JsonProblem("is not UTF-8", error.start) from None
    except RecursionError:
        raise JsonProblem("has lists and objects nested too deeply") from None
    except ValueError as error:
        raise JsonProblem(f"is not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def check_json_size(data: bytes | bytearray, limits: JsonLimits) -> None:
    """Check the size of a document; invalid JSON may pass.

    Raises:
        JsonProblem: the document exceeds a limit.

    """
    structure = _without_texts(data, limits)
    brackets = structure.translate(None, _NOT_BRACKETS)
    opened = brackets.count(b"[") + brackets.count(b"{")
    # The parser stops at an error, so counting beyond it can only give more.
    counts = (structure.count(b",") + 2 * opened + 1, structure.count(b":"), len(brackets) // 2)
    if max(counts) > limits.values:
        raise JsonProblem(f"has more than {limits.values:,} values")
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > limits.depth:
        raise JsonProblem(f"has more than {limits.depth} lists and objects inside each other")
    _check_numbers(structure, limits)


def _without_texts(data: bytes | bytearray, limits: JsonLimits) -> bytes:
    """Return a document without its strings and their quotation marks.

    JSON has backslashes only inside strings. Escaped backslashes and quotation marks are removed
    first, so that each remaining quotation mark starts or ends a string.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if data.count(b'"') > 4 * limits.values:  # a key and a string for each value
        raise JsonProblem(f"has more than {limits.values:,} values")
    return b"".join(data.split(b'"')[::2])


def _check_numbers(structure: bytes, limits: JsonLimits) -> None:
    words = structure.translate(_TO_COMMA, _BLANKS).split(b",")
    if max(map(len, words)) > limits.number_chars:
        raise JsonProblem(f"has a number of more than {limits.number_chars:,} characters")
    if _MAY_OVERFLOW.search(structure) and any(map(_overflows, words)):
        raise JsonProblem("has a number beyond the range of floats, 1.8e308")


def _overflows(word: bytes) -> bool:
    """Return whether a number would become infinity, which isn't valid JSON."""
    return _FLOAT.fullmatch(word) is not None and math.isinf(float(word))
