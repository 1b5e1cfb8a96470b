"""What pydantic finds wrong with a value, in a user's words; for specs, requests and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from llm_agent_builder.validation.suggestions import not_a_field

_LISTS = {
    "tools": ", such as [{gallery: calculator}]",
    "stop_sequences": ", such as [END]",
    "command": ", such as [npx, some-server]",
}
_PLAIN: Mapping[str, str] = {
    "missing": "missing",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "string_type": "should be text",
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "mapping_type"),
        "should be a mapping of fields",
    ),
}
_BOUNDED: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda said: f"should be more than {_number(said['gt'])}",
    "greater_than_equal": lambda said: f"should be at least {_number(said['ge'])}",
    "less_than": lambda said: f"should be less than {_number(said['lt'])}",
    "less_than_equal": lambda said: f"should be at most {_number(said['le'])}",
    "literal_error": lambda said: f"should be {said['expected']}",
    "enum": lambda said: f"should be {said['expected']}",
    "too_long": lambda said: f"has too many items; at most {_number(said['max_length'])}",
    "string_too_long": lambda said: (
        f"is too long; at most {_number(said['max_length'])} characters are allowed"
    ),
    "json_invalid": lambda said: f"is not JSON: {said['error']}",
}


def describe_error(problem: ErrorDetails, model: object = None, inside: int = 0) -> str:
    """Return what is wrong with a value, without the value.

    Of an unknown key the fields of `model` are named; its own place begins behind the first
    `inside` parts of the problem's.
    """
    kind, about = problem["type"], problem.get("ctx", {})
    if "problem" in about:  # what `spec_text.fail` raised: it is in a user's words
        return problem["msg"]
    if kind == "extra_forbidden" and isinstance(model, type) and issubclass(model, BaseModel):
        return not_a_field(model, problem["loc"][inside:])
    if kind in {"tuple_type", "list_type"}:
        return "should be a list" + _LISTS.get(str(problem["loc"][-1]), "")
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _BOUNDED and not {"size", "longest"} & about.keys():  # ours says it already
        return _BOUNDED[kind](about)
    message = problem["msg"].removeprefix("Value error, ")
    return message.removeprefix("Input ").replace("should be a valid ", "should be a ")


def _number(value: float) -> str:
    """Return a bound as people write it: 1,000,000; 0 for 0.0."""
    return f"{value:,.15g}"
