"""AgentSpec: all values that determine a generated file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from llm_agent_builder.errors import SpecError
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS, ProviderEnum
from llm_agent_builder.spec.parts import (
    TOOLS_MAX,
    McpServer,
    ToolSpec,
    check_answer,
    check_tools_size,
    code_clash,
)
from llm_agent_builder.user_code.answer_code import AnswerCode, parse_answer
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_TEXT_MAX_BYTES
from llm_agent_builder.user_code.tool_code import ToolCode, parse_tool
from llm_agent_builder.validation.base_urls import URL_MAX_CHARS, check_base_url
from llm_agent_builder.validation.messages import ListExample, describe_error
from llm_agent_builder.validation.strict_model import StrictModel
from llm_agent_builder.validation.text import (
    MODEL_MAX_CHARS,
    NAME_MAX_CHARS,
    TEXT_MAX_BYTES,
    LongText,
    ModelText,
    NameText,
    check_text,
    few_items,
    text_schema,
    utf8_length,
    value_error,
)

__all__ = [
    "CODE_MAX_BYTES",
    "DEFAULT_MAX_TOKENS",
    "DEFAULT_MAX_TURNS",
    "DEFAULT_RETRIES",
    "MODEL_MAX_CHARS",
    "NAME_MAX_CHARS",
    "SERVERS_MAX_COUNT",
    "TEXT_MAX_BYTES",
    "AgentSpec",
    "Effort",
    "LongText",
    "McpServer",
    "ModelText",
    "NameText",
    "Thinking",
    "ToolSpec",
    "key_name",
    "make_spec",
    "spec_json_schema",
    "utf8_length",
]

Thinking = Literal["adaptive", "disabled", "between_tools"]
Effort = Literal["low", "medium", "high", "xhigh", "max"]

DEFAULT_MAX_TOKENS = 4096
DEFAULT_MAX_TURNS = 10
DEFAULT_RETRIES = 2
"""The default of Anthropic's SDK."""
_CHOICES = sorted(frozenset().union(*(provider.choices for provider in PROVIDERS.values())))
"""Fields that not every provider's API accepts."""
_STOP_MAX_BYTES = 200
_STOP_MAX_COUNT = 4  # the limit of OpenAI-compatible servers
SERVERS_MAX_COUNT = 8


def _check_stop(value: object) -> str:
    return check_text(value, _STOP_MAX_BYTES)


def _check_url(value: object) -> str:
    try:
        return check_base_url(check_text(value))
    except ValueError as error:
        raise value_error("base_url", str(error)) from None


_Stop = Annotated[str, PlainValidator(_check_stop), text_schema("Stop", _STOP_MAX_BYTES)]


class AgentSpec(StrictModel):
    """One agent, as the form, the API, the command line and spec files give it.

    Same spec, same bytes: nothing else enters a generated file. What may be left out gives, when
    left out, the plain agent.
    """

    model_config = ConfigDict(
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

    name: NameText = Field(description="The agent's name; the class is named after it.")
    prompt: LongText = Field(description="The system prompt.")
    task: LongText = Field(description="The example task, used when the file is run without one.")
    provider: ProviderEnum = Field(description="The provider whose API the agent calls.")
    model: ModelText = Field(description="The provider's ID of the model.")
    base_url: Annotated[str, PlainValidator(_check_url), text_schema("Base URL", URL_MAX_CHARS)] | (
        None
    ) = Field(
        default=None,
        description="Base URL of your own server (Ollama, vLLM, llama.cpp, Inference Endpoints) "
        "(default: the provider's API).",
    )
    stream: bool = Field(default=False, description="Show the answer while it is generated.")
    tools: Annotated[
        tuple[ToolSpec, ...],
        BeforeValidator(check_tools_size),
        ListExample("[{gallery: calculator}]"),
    ] = Field(
        default=(), max_length=TOOLS_MAX, description="Python functions that the model can call."
    )
    answer: (
        Annotated[str, PlainValidator(check_answer), text_schema("Answer", SCHEMA_TEXT_MAX_BYTES)]
        | None
    ) = Field(
        default=None,
        description="The type of the answer: Pydantic models (the last class) or a JSON Schema.",
    )
    chat: bool = Field(default=False, description="Add a --chat option for conversations.")
    max_tokens: int = Field(
        default=DEFAULT_MAX_TOKENS,
        strict=True,
        ge=1,
        le=1_000_000,
        description="Max output tokens per response.",
    )
    thinking: Thinking | None = Field(
        default=None,
        description="Whether the model thinks before it answers (default: the model's default).",
    )
    effort: Effort | None = Field(
        default=None, description="How much effort the model makes (default: the model's default)."
    )
    stop_sequences: Annotated[
        tuple[_Stop, ...], few_items(_STOP_MAX_COUNT), ListExample("[END]")
    ] = Field(
        default=(), max_length=_STOP_MAX_COUNT, description="Texts at which generation stops."
    )
    cache_prompt: bool = Field(
        default=False, description="Cache the beginning of requests at the provider."
    )
    mcp_servers: Annotated[tuple[McpServer, ...], few_items(SERVERS_MAX_COUNT)] = Field(
        default=(),
        max_length=SERVERS_MAX_COUNT,
        description="MCP servers whose tools the model can call.",
    )
    max_turns: int = Field(
        default=DEFAULT_MAX_TURNS,
        strict=True,
        ge=1,
        le=1000,
        description="Max model calls per task, for agents with tools.",
    )
    token_budget: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        le=1_000_000_000,
        description="Max input and output tokens per task, for agents with tools.",
    )
    timeout_s: float | None = Field(
        default=None,
        strict=True,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Timeout per model call, in seconds (default: the SDK's default).",
    )
    retries: int = Field(
        default=DEFAULT_RETRIES,
        strict=True,
        ge=0,
        le=10,
        description="Retries per failed model call.",
    )
    usage: bool = Field(
        default=False, description="Print the tokens used on stderr, and add a --json option."
    )

    @field_validator("base_url")
    @classmethod
    def _check_server(cls, value: str | None, info: ValidationInfo) -> str | None:
        provider = info.data.get("provider")
        if value is not None and provider and not PROVIDERS[provider].own_servers:
            ids = " and ".join(each.id for each in OWN_SERVER_PROVIDERS)
            raise value_error(
                "base_url", f"is for {ids} agents, whose SDK speaks OpenAI's protocol"
            )
        return value

    @field_validator(*_CHOICES)
    @classmethod
    def _check_offered(cls, value: Any, info: ValidationInfo) -> Any:
        provider = info.data.get("provider")
        if value and provider and info.field_name not in PROVIDERS[provider].choices:
            label = PROVIDERS[provider].label
            raise value_error("not_offered", f"{label}'s API doesn't support this; remove it")
        return value

    @field_validator("answer")
    @classmethod
    def _check_whole(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("stream"):
            raise value_error(
                "answer_stream",
                "a typed answer can't be streamed; turn off streaming or remove the typed answer",
            )
        return value

    @field_validator("stop_sequences")
    @classmethod
    def _check_stops(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise value_error("stop_twice", "contains a text twice")
        if value and info.data.get("answer") is not None:
            raise value_error("stop_answer", "would cut off a typed answer; remove one of the two")
        return value

    @field_validator("mcp_servers")
    @classmethod
    def _check_servers(cls, value: tuple[McpServer, ...]) -> tuple[McpServer, ...]:
        if len({server.name for server in value}) < len(value):
            raise value_error("mcp_twice", "has two servers with the same name")
        return value

    @field_validator("max_turns", "token_budget")
    @classmethod
    def _check_turns(cls, value: Any, info: ValidationInfo) -> Any:
        default = cls.model_fields[str(info.field_name)].default
        has_tools = info.data.get("tools", True) or info.data.get("mcp_servers", True)
        if value != default and not has_tools:
            raise value_error(
                "no_turns",
                "is for agents with tools or MCP servers; other agents make one call per task: "
                "remove it",
            )
        return value

    @property
    def tool_codes(self) -> tuple[ToolCode, ...]:
        """The parsed code of the tools."""
        return tuple(parse_tool(tool.code) for tool in self.tools)

    @property
    def answer_code(self) -> AnswerCode | None:
        """The parsed code of the answer's type."""
        return None if self.answer is None else parse_answer(self.answer)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        clash = code_clash(self.tool_codes, self.answer_code)
        if clash is None:
            return self
        position, problem = clash
        place = ("tools", position, "code") if position < len(self.tools) else ("answer",)
        wrong = value_error("clash", str(problem), line=problem.line)
        error = InitErrorDetails(type=wrong, loc=place, input=None)
        raise ValidationError.from_exception_data("AgentSpec", [error])

    @property
    def uses_tools(self) -> bool:
        """Whether a task may take several model calls."""
        return bool(self.tools or self.mcp_servers)


def make_spec(values: Mapping[str, Any]) -> AgentSpec:
    """Return the spec with these field values.

    Raises:
        SpecError: some values are invalid. The error names the first field and lists all.

    """
    try:
        return AgentSpec.model_validate(values)
    except ValidationError as error:
        problems = [
            (_path(problem["loc"]), describe_error(problem, AgentSpec))
            for problem in error.errors(include_url=False)
        ]
    (field, first), *rest = problems
    raise SpecError(field, first, rest)


def _path(location: Sequence[str | int]) -> str:
    """Return the path of a part of a spec; "spec" for the whole."""
    return ".".join(key_name(str(part)) for part in location) or "spec"


def key_name(key: str) -> str:
    """Return a key as messages name it: an empty one in quotes."""
    return key or '""'


def spec_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a spec, for editors and other programs."""
    return AgentSpec.model_json_schema()
