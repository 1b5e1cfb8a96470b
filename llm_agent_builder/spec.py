"""AgentSpec: everything that decides what a generated file says."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import ProviderEnum

NAME_MAX_CHARS = 100
MODEL_MAX_CHARS = 200
TEXT_MAX_BYTES = 100 * 1024
"""Limit of a prompt or a task, in UTF-8: even all of it escaped, the file can still be run."""


def _fail(code: str, message: str) -> PydanticCustomError:
    # Braces would be read as placeholders by PydanticCustomError.
    return PydanticCustomError(code, "{problem}", {"problem": message})


def _require_text(value: object) -> str:
    if not isinstance(value, str):
        raise _fail("string_type", "should be text")
    if not value.strip():
        raise _fail("blank", "must not be blank")
    return value


def utf8_length(text: str) -> int:
    """Return the length of `text` in UTF-8; a lone surrogate counts as three bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def _check_text(value: object) -> str:
    text = _require_text(value)
    if (size := utf8_length(text)) > TEXT_MAX_BYTES:
        raise _fail("too_long", f"is {size:,} bytes long; at most {TEXT_MAX_BYTES:,} are allowed")
    return text


def _check_line(value: object, longest: int) -> str:
    line = _require_text(value)
    if len(line) > longest:
        raise _fail("too_long", f"is {len(line):,} characters long; at most {longest} are allowed")
    for position, char in enumerate(line):
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}:
            raise _fail(
                "not_one_line",
                f"must be one line of printable text; found U+{ord(char):04X} "
                f"at character {position + 1}",
            )
    return line


def _check_name(value: object) -> str:
    return _check_line(value, NAME_MAX_CHARS)


def _check_model(value: object) -> str:
    return _check_line(value, MODEL_MAX_CHARS)


def _schema(kind: str, longest: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest, "title": kind})


# Plain validators instead of `str`: pydantic's own refuses lone surrogates, which are legal in a
# Python literal, and its messages don't say what to do.
NameText = Annotated[str, PlainValidator(_check_name), _schema("Name", NAME_MAX_CHARS)]
ModelText = Annotated[str, PlainValidator(_check_model), _schema("Model", MODEL_MAX_CHARS)]
LongText = Annotated[str, PlainValidator(_check_text), _schema("Text", TEXT_MAX_BYTES)]


class AgentSpec(BaseModel):
    """One agent, as the form, the API, the command line and spec files give it.

    Same spec, same bytes: nothing else enters a generated file.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Greeter",
                    "prompt": "You greet people in one short sentence.",
                    "task": "Say hello to a new user.",
                    "provider": "anthropic",
                    "model": "claude-sonnet-5-5",
                    "stream": False,
                }
            ]
        },
    )

    name: NameText = Field(description="What the agent is called; the class is named after it.")
    prompt: LongText = Field(description="The system prompt.")
    task: LongText = Field(description="The example task: what the file does when given none.")
    provider: ProviderEnum = Field(description="Whose API the agent calls.")
    model: ModelText = Field(description="The model's id, as the provider writes it.")
    stream: bool = Field(default=False, description="Show the answer as it is written.")


def make_spec(values: Mapping[str, Any]) -> AgentSpec:
    """Return the spec that `values` describe.

    Raises:
        SpecError: some can't be used. Names the first field; its message says all that is wrong.

    """
    try:
        return AgentSpec.model_validate(values)
    except ValidationError as error:
        problems = [_explain(problem) for problem in error.errors(include_url=False)]
    (field, first), *rest = problems
    more = "".join(f"; {name}: {problem}" for name, problem in rest)
    raise SpecError(field, first + more)


def _explain(problem: ErrorDetails) -> tuple[str, str]:
    """Return the field and what is wrong with it, in a user's words."""
    field = ".".join(map(str, problem["loc"]))
    if problem["type"] == "missing":
        return field, "missing"
    if problem["type"] == "extra_forbidden":
        close = get_close_matches(field, AgentSpec.model_fields, 1)
        return field, f"not a field; did you mean {close[0]}?" if close else "not a field"
    return field, problem["msg"]


def spec_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, for editors and other programs."""
    return AgentSpec.model_json_schema()
