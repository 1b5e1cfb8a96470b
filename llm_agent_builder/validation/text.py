"""Checks single values of a spec: texts, lines, names. The messages say how to fix them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

KEYS_MAX = 100
"""Limit of the keys of a mapping: reporting a problem for each would take long."""
NAME_MAX_CHARS = 100
MODEL_MAX_CHARS = 200
TEXT_MAX_BYTES = 100 * 1024
"""Limit of a prompt or a task in UTF-8 bytes: the file runs even if every character is escaped."""
_MESSAGE_MAX_CHARS = 2000


def value_error(code: str, message: str, *, line: int | None = None) -> PydanticCustomError:
    """Return the error to raise for a value; the user sees `message`, cut if it is very long.

    `line` is the line of the source that the message is about.
    """
    # PydanticCustomError would read braces as placeholders, and refuses surrogates.
    plain = message[:_MESSAGE_MAX_CHARS].encode("utf-8", "backslashreplace").decode()
    context = {"problem": plain} if line is None else {"problem": plain, "line": line}
    return PydanticCustomError(code, "{problem}", context)


def few_keys(value: object) -> object:
    """Return a value unchanged, unless it has too many keys to report each."""
    if isinstance(value, Mapping) and len(value) > KEYS_MAX:
        raise value_error(
            "too_many_keys", f"has {len(value):,} keys; at most {KEYS_MAX} are allowed"
        )
    return value


def few_items(most: int) -> BeforeValidator:
    """Return a check of a list's length; pydantic's own would validate each item first."""

    def check(value: object) -> object:
        if isinstance(value, (list, tuple)) and len(value) > most:
            raise value_error("too_many_items", f"has too many items; at most {most} are allowed")
        return value

    return BeforeValidator(check)


def require_text(value: object) -> str:
    """Return `value` if it is a string that isn't blank."""
    if not isinstance(value, str):
        raise value_error("string_type", "must be text")
    if not value.strip():
        raise value_error("blank", "must not be blank")
    return value


def utf8_length(text: str) -> int:
    """Return the length of `text` in UTF-8; a lone surrogate counts as three bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def check_text(value: object, longest: int = TEXT_MAX_BYTES) -> str:
    """Return `value` if it is text of at most `longest` bytes."""
    text = require_text(value)
    if (size := utf8_length(text)) > longest:
        raise value_error("too_long", f"is {size:,} bytes long; at most {longest:,} are allowed")
    return text


def check_line(value: object, longest: int) -> str:
    """Return `value` if it is one line of at most `longest` characters."""
    line = require_text(value)
    if len(line) > longest:
        raise value_error(
            "too_long", f"is {len(line):,} characters long; at most {longest} are allowed"
        )
    for position, char in enumerate(line):
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
            raise value_error(
                "not_one_line",
                f"must be one line of printable text; found U+{ord(char):04X} "
                f"at character {position + 1}",
            )
    return line


def _check_name(value: object) -> str:
    return check_line(value, NAME_MAX_CHARS)


def _check_model(value: object) -> str:
    return check_line(value, MODEL_MAX_CHARS)


def text_schema(kind: str, longest: int) -> WithJsonSchema:
    """Return the JSON Schema of a text of at most `longest` characters."""
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest, "title": kind})


# Plain validators instead of `str`: pydantic's own refuses lone surrogates, which are legal in a
# Python literal, and its messages don't say how to fix a value.
NameText = Annotated[str, PlainValidator(_check_name), text_schema("Name", NAME_MAX_CHARS)]
ModelText = Annotated[str, PlainValidator(_check_model), text_schema("Model", MODEL_MAX_CHARS)]
LongText = Annotated[str, PlainValidator(check_text), text_schema("Text", TEXT_MAX_BYTES)]
