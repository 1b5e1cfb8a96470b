"""The parts of a spec with fields of their own: tools and MCP servers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, model_validator

from llm_agent_builder.errors import CodeProblem, SchemaProblem, SpecError
from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.json_input.limits import JsonLimits, JsonProblem, check_json_size
from llm_agent_builder.python_source.literals import columns
from llm_agent_builder.user_code.answer_code import AnswerCode, parse_answer
from llm_agent_builder.user_code.layout import first_conflict
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES, TOOL_MAX_BYTES
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_TEXT_MAX_BYTES
from llm_agent_builder.user_code.tool_code import ToolCode, parse_tool
from llm_agent_builder.validation.messages import ListExample
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import (
    check_line,
    check_text,
    few_items,
    require_text,
    text_schema,
    utf8_length,
    value_error,
)

TOOLS_MAX = 16
MCP_NAME_MAX_CHARS = 32
ARGUMENT_MAX_CHARS = 1000
_WORDS_MAX = 64
_VARIABLES_MAX = 32
CLASS_MAX_COLUMNS = 40
"""Limit of the columns of an answer class's name, so that the file's lines fit."""


def _check_tool(value: object) -> str:
    try:
        return parse_tool(require_text(value)).source
    except CodeProblem as problem:
        raise value_error("code", str(problem), line=problem.line) from None


def check_answer(value: object) -> str:
    """Return the canonical source of an answer's type, from source or from a JSON Schema.

    The schema may be a mapping or JSON text.
    """
    try:
        code = parse_answer(_read_answer(value))
    except CodeProblem as problem:
        raise value_error("code", str(problem), line=problem.line) from None
    except SchemaProblem as problem:
        raise value_error("code", str(problem)) from None
    if columns(code.class_name) > CLASS_MAX_COLUMNS:
        message = f"{code.class_name} is too long; use at most {CLASS_MAX_COLUMNS} characters"
        raise value_error("code", message)
    return code.source


def _read_answer(value: object) -> str | Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    text = require_text(value)
    check_text(text, answer_max_bytes(text))
    if not _is_schema_text(text):
        return text
    try:
        check_json_size(text.encode("utf-8", "surrogatepass"), JsonLimits())
        schema = json.loads(text)
    except JsonProblem as problem:
        raise value_error("json", str(problem)) from None
    except (ValueError, RecursionError) as error:
        raise value_error("json", f"is not JSON: {error}") from None
    assert isinstance(schema, dict)  # it starts with a brace
    return schema


def answer_max_bytes(text: str) -> int:
    """Return the limit in UTF-8 bytes of the text of an answer's type: source or JSON text."""
    return SCHEMA_TEXT_MAX_BYTES if _is_schema_text(text) else CODE_MAX_BYTES


def _is_schema_text(text: str) -> bool:
    return text.lstrip().startswith("{")


def code_clash(
    tools: Sequence[ToolCode], answer: AnswerCode | None
) -> tuple[int, CodeProblem] | None:
    """Return the code that redefines another's name, and the problem; the answer's comes last."""
    codes = [each.names for each in tools] + ([answer.names] if answer else [])
    return first_conflict(codes)


def _gallery_code(id_: object) -> str:
    try:
        return gallery_tool(str(id_)).code
    except SpecError as error:
        raise value_error("gallery", error.problem) from None


def check_tools_size(tools: object) -> object:
    """Return the tools unchanged, unless parsing all of them would take long."""
    if isinstance(tools, (list, tuple)):
        if len(tools) > TOOLS_MAX:
            raise value_error(
                "tools_count", f"has {len(tools):,} tools; at most {TOOLS_MAX} are allowed"
            )
        codes = [each.get("code") if isinstance(each, Mapping) else each for each in tools]
        size = sum(utf8_length(code) for code in codes if isinstance(code, str))
        if size > CODE_MAX_BYTES:
            message = f"have {size:,} bytes of code; at most {CODE_MAX_BYTES:,} are allowed in all"
            raise value_error("tools_size", message)
    return tools


class ToolSpec(StrictModel):
    """A tool: the source of one typed Python function with a docstring.

    Also accepted: the source alone, and `{"gallery": "calculator"}` for a gallery tool.
    """

    code: Annotated[str, PlainValidator(_check_tool), text_schema("Code", TOOL_MAX_BYTES)] = Field(
        description="Python: one public function with types and a docstring; its imports above it."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_source(cls, value: object) -> object:
        if isinstance(value, Mapping) and value.keys() == {"gallery"}:
            return {"code": _gallery_code(value["gallery"])}
        return {"code": value} if isinstance(value, str) else value


def _check_mcp_name(value: object) -> str:
    name = check_line(value, MCP_NAME_MAX_CHARS)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise value_error("mcp_name", "can only contain ASCII letters, digits, - and _")
    return name


def _check_argument(value: object) -> str:
    return check_line(value, ARGUMENT_MAX_CHARS)


def _check_variable(value: object) -> str:
    name = check_line(value, MCP_NAME_MAX_CHARS * 2)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise value_error(
            "variable", "must be the name of an environment variable, without its value"
        )
    return name


def _check_url(value: object) -> str:
    url = check_line(value, ARGUMENT_MAX_CHARS)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, for example
        usable = None
    if not usable or not url.isascii() or " " in url:
        raise value_error("url", "must be a URL such as https://example.com/mcp")
    if parts.username is not None or parts.password is not None:
        raise value_error(
            "url", "must not contain a user name or a password: the file would show them"
        )
    return url


_Argument = Annotated[
    str, PlainValidator(_check_argument), text_schema("Argument", ARGUMENT_MAX_CHARS)
]
_Variable = Annotated[
    str, PlainValidator(_check_variable), text_schema("Variable", MCP_NAME_MAX_CHARS * 2)
]
_Url = Annotated[str, PlainValidator(_check_url), text_schema("Url", ARGUMENT_MAX_CHARS)]


class McpServer(StrictModel):
    """An MCP server whose tools the agent may use: a command (stdio) or a URL (streamable HTTP)."""

    name: Annotated[
        str, PlainValidator(_check_mcp_name), text_schema("Name", MCP_NAME_MAX_CHARS)
    ] = Field(description="What messages call it.")
    command: Annotated[
        tuple[_Argument, ...], few_items(_WORDS_MAX), ListExample("[npx, some-server]")
    ] = Field(
        default=(), max_length=_WORDS_MAX, description="The program to start, with its arguments."
    )
    url: _Url | None = Field(default=None, description="Where the server answers by HTTP.")
    env: Annotated[tuple[_Variable, ...], few_items(_VARIABLES_MAX)] = Field(
        default=(),
        max_length=_VARIABLES_MAX,
        description="Names of environment variables that the program is given.",
    )

    @model_validator(mode="after")
    def _check_way(self) -> McpServer:
        if bool(self.command) == (self.url is not None):
            raise value_error("mcp_way", "needs either a command or a url")
        if self.env and not self.command:
            raise value_error(
                "mcp_env", "env is for a command; a server at a url has its own environment"
            )
        if len(set(self.env)) < len(self.env):
            raise value_error("mcp_env", "env contains a variable twice")
        return self
