"""JSON from outside, read within limits: what has too many values or is too deep is not parsed.

Parsing and checking cost about a hundred times what counting does, and a kilobyte of memory a
value. So the structure is counted first, by a few passes of C code over the bytes: linear, about
10 ms a MiB at worst, and blind to what is inside texts, which may hold any number of brackets.
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
    """What a JSON document may have: lists and objects inside each other, values, digits."""

    depth: int = 100
    values: int = 250_000
    """A list or an object counts as two: it takes up as much as many numbers."""
    number_chars: int = 1000
    """Of one number. Python converts no whole number of more than 4,300 digits."""


class JsonProblem(ValueError):  # noqa: N818 - of the sender's document, not of ours
    """A document is no JSON, or exceeds a limit; `str()` says which, as "is ..." or "has ...".

    `position` is that of the fault in a document that is no JSON.
    """

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def read_json(data: bytes | bytearray, limits: JsonLimits | None = None) -> Any:
    """Return the value of a JSON document in UTF-8.

    As the standard library reads it, lone surrogates included, but without NaN and Infinity.

    Raises:
        JsonProblem: it is none, or it exceeds a limit. One that does is not parsed.

    """
    check_json_size(data, limits or JsonLimits())
    try:
        # Reads bytes. The standard library would decode all of them first, to four times as many
        # where a single character needs that.
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
    raise ValueError(f"{name} is no JSON value")


def check_json_size(data: bytes | bytearray, limits: JsonLimits) -> None:
    """Raise JsonProblem if a document exceeds a limit. What is no JSON may pass."""
    structure = _without_texts(data, limits)
    brackets = structure.translate(None, _NOT_BRACKETS)
    opened = brackets.count(b"[") + brackets.count(b"{")
    # A fault ends the parser, so what is counted behind one is never too little.
    counts = (structure.count(b",") + 2 * opened + 1, structure.count(b":"), len(brackets) // 2)
    if max(counts) > limits.values:
        raise JsonProblem(f"has more than {limits.values:,} values")
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > limits.depth:
        raise JsonProblem(f"has more than {limits.depth} lists and objects inside each other")
    _check_numbers(structure, limits)


def _without_texts(data: bytes | bytearray, limits: JsonLimits) -> bytes:
    """Return a document without its texts, quotation marks included.

    Outside of texts JSON has no backslash; inside, one and what it escapes are removed first, so
    that each mark that is left begins or ends a text.
    """
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if data.count(b'"') > 4 * limits.values:  # a key and a text for each value
        raise JsonProblem(f"has more than {limits.values:,} values")
    return b"".join(data.split(b'"')[::2])


def _check_numbers(structure: bytes, limits: JsonLimits) -> None:
    words = structure.translate(_TO_COMMA, _BLANKS).split(b",")
    if max(map(len, words)) > limits.number_chars:
        raise JsonProblem(f"has a number of more than {limits.number_chars:,} characters")
    if _MAY_OVERFLOW.search(structure) and any(map(_overflows, words)):
        raise JsonProblem("has a number beyond what a float can be, 1.8e308")


def _overflows(word: bytes) -> bool:
    """Return whether a number would become infinity, which no JSON can say."""
    return _FLOAT.fullmatch(word) is not None and math.isinf(float(word))
