"""Turns pydantic's errors into messages for the user, for specs, requests and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from llm_agent_builder.validation.suggestions import models_at, not_a_field

_PLAIN: Mapping[str, str] = {
    "missing": "missing",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "string_type": "must be text",
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "mapping_type"),
        "must be a mapping of fields",
    ),
}
_WITH_LIMIT: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda limits: f"must be more than {_number(limits['gt'])}",
    "greater_than_equal": lambda limits: f"must be at least {_number(limits['ge'])}",
    "less_than": lambda limits: f"must be less than {_number(limits['lt'])}",
    "less_than_equal": lambda limits: f"must be at most {_number(limits['le'])}",
    "literal_error": lambda limits: f"must be {limits['expected']}",
    "enum": lambda limits: f"must be {limits['expected']}",
    "too_long": lambda limits: f"has too many items; at most {_number(limits['max_length'])}",
    "string_too_long": lambda limits: (
        f"is too long; at most {_number(limits['max_length'])} characters are allowed"
    ),
    "json_invalid": lambda limits: f"is not JSON: {limits['error']}",
}


@dataclass(frozen=True, slots=True)
class ListExample:
    """Metadata of a field: an example for the message about a value that is no list."""

    text: str


def describe_error(problem: ErrorDetails, model: object = None, inside: int = 0) -> str:
    """Return a message about an invalid value, without the value.

    For an unknown key, the message names the fields of `model`; the first `inside` parts of the
    problem's location are outside of `model`.
    """
    kind, about = problem["type"], problem.get("ctx", {})
    if "problem" in about:  # raised by `value_error`: already a message for the user
        return problem["msg"]
    if kind == "extra_forbidden" and isinstance(model, type) and issubclass(model, BaseModel):
        return not_a_field(model, problem["loc"][inside:])
    if kind in {"tuple_type", "list_type"}:
        return "must be a list" + _such_as(model, problem["loc"][inside:])
    if kind in _PLAIN:
        return _PLAIN[kind]
    # Our own size checks have a message of their own.
    if kind in _WITH_LIMIT and not {"size", "longest"} & about.keys():
        return _WITH_LIMIT[kind](about)
    return _reworded(problem["msg"])


def _reworded(message: str) -> str:
    """Return a message of pydantic in the words of ours."""
    if message.startswith("Value error, "):  # the rest is ours already
        return message.removeprefix("Value error, ")
    # Only the first "should" is pydantic's: after it, a message may quote the user.
    message = message.removeprefix("Input ").replace("should ", "must ", 1)
    return message.replace("must be a valid ", "must be a ", 1)


def _such_as(model: object, place: Sequence[str | int]) -> str:
    """Return ", such as ..." if the field at a location of `model` has a `ListExample`."""
    if not (place and isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    *path, name = place
    fields = [each.model_fields.get(str(name)) for each in models_at(model, path)]
    metadata = [item for field in fields if field for item in field.metadata]
    example = next((item.text for item in metadata if isinstance(item, ListExample)), None)
    return f", such as {example}" if example else ""


def _number(value: float) -> str:
    """Return a number as people write it: 1,000,000; 0 for 0.0."""
    return f"{value:,.15g}"
