"""Reads a spec that may be unfinished or invalid, as far as a form can show it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from llm_agent_builder.errors import SchemaProblem, SpecError
from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.spec.agent_spec import AgentSpec, key_name, make_spec
from llm_agent_builder.spec.files import file_schema, with_defaults
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_TEXT_MAX_BYTES, check_schema_size
from llm_agent_builder.validation.suggestions import not_a_field
from llm_agent_builder.validation.text import utf8_length

_NOT_SHOWN = "can't be shown in the form"
_FIELD_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class IgnoredField:
    """A field of a spec that a form can't show."""

    field: str
    problem: str
    """Why, after the path of the part that is wrong: "mcp_servers.0.name: missing"."""


@dataclass(frozen=True, slots=True)
class SpecDraft:
    """The fields of a spec that a form can show, with the types that the spec's JSON Schema says.

    Their values may be invalid, and any field may be missing. A tool is always `{"code": ...}` and
    an answer type always text.
    """

    spec: dict[str, Any]
    ignored: tuple[IgnoredField, ...]


def read_draft(values: Mapping[str, Any]) -> SpecDraft:
    """Return a draft of the fields of a spec file."""
    known = AgentSpec.model_fields
    given = {key: value for key, value in values.items() if value is not None or key not in known}
    problems = _problems({key: value for key, value in given.items() if key in known})
    shown = {key: _shown(key, value) for key, value in given.items() if _is_of_type(key, value)}
    spec = {key: value for key, value in shown.items() if value is not None}
    ignored = (_ignored(key, problems) for key in given if key not in spec)
    return SpecDraft(spec, tuple(ignored))


def _problems(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong with the values of fields, by path."""
    try:
        make_spec(with_defaults(fields))
    except SpecError as error:
        return dict(error.problems)
    return {}


def _ignored(key: str, problems: Mapping[str, str]) -> IgnoredField:
    if key not in AgentSpec.model_fields:
        return IgnoredField(key_name(key)[:_FIELD_MAX_CHARS], not_a_field(AgentSpec, [key]))
    parts = [f"{path}: {why}" for path, why in problems.items() if path.startswith(f"{key}.")]
    return IgnoredField(key, problems.get(key) or next(iter(parts), _NOT_SHOWN))


@cache
def _schema() -> dict[str, Any]:
    return file_schema()


def _is_of_type(key: str, value: object) -> bool:
    schema = _schema()["properties"].get(key)
    return schema is not None and _matches(value, schema)


def _matches(value: object, schema: Mapping[str, Any]) -> bool:
    """Return whether a value has the type of a JSON Schema, whatever its length or size."""
    if reference := schema.get("$ref"):
        schema = _schema()["$defs"][reference.rpartition("/")[2]]
    if choices := schema.get("anyOf"):
        return any(_matches(value, each) for each in choices)
    if allowed := schema.get("enum"):
        return any(value == each for each in allowed)
    if not _is_instance(value, schema["type"]):
        return False
    if isinstance(value, list):
        return _matches_items(value, schema)
    return not isinstance(value, dict) or _matches_keys(value, schema)


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "null": type(None),
    "boolean": bool,
    "string": str,
    "integer": (int, float),  # a form shows 1.5 as well, and the user corrects it
    "number": (int, float),
    "array": list,
    "object": dict,
}


def _is_instance(value: object, kind: str) -> bool:
    if isinstance(value, bool):  # an int to Python
        return kind == "boolean"
    finite = not isinstance(value, float) or math.isfinite(value)
    return isinstance(value, _TYPES[kind]) and finite


def _matches_items(items: list[Any], schema: Mapping[str, Any]) -> bool:
    few = len(items) <= schema.get("maxItems", len(items))
    return few and all(_matches(item, schema["items"]) for item in items)


def _matches_keys(value: dict[Any, Any], schema: Mapping[str, Any]) -> bool:
    known = schema.get("properties")
    if known is None:  # such as a JSON Schema of an answer
        return True
    if not set(schema.get("required", ())) <= value.keys() <= known.keys():
        return False
    return all(_matches(each, known[key]) for key, each in value.items())


def _shown(key: str, value: Any) -> Any:
    """Return a field's value as a form takes it; None if there is none."""
    if key == "tools":
        return [{"code": _code_of(tool)} for tool in value]
    if key == "answer" and isinstance(value, dict):
        return _schema_text(value)
    return value


def _code_of(tool: str | Mapping[str, str]) -> str:
    if isinstance(tool, str):
        return tool
    return gallery_tool(tool["gallery"]).code if "gallery" in tool else tool["code"]


def _schema_text(schema: Mapping[str, Any]) -> str | None:
    """Return the JSON text of a schema, or None if it is too large or has no such text.

    It is on one line if indenting it would make it longer than the text of an answer may be.
    """
    try:
        check_schema_size(schema)
        text = json.dumps(schema, indent=2, ensure_ascii=False, allow_nan=False)
        fits = utf8_length(text) <= SCHEMA_TEXT_MAX_BYTES
        return text if fits else json.dumps(schema, ensure_ascii=False)
    except SchemaProblem:
        return None
    except (TypeError, ValueError, RecursionError):  # YAML has dates, and keys of any type
        return None
