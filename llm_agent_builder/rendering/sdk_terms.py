"""The names that each provider's SDK has for what every template writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_agent_builder.providers import ProviderEnum


@dataclass(frozen=True, slots=True)
class SdkTerms:
    """Pieces of code that the templates shared by all providers need."""

    message_type: str
    loop_message_type: str
    """The same in agents that may need several model calls for a task."""
    tool_type: str
    tool_maker: str
    """The function that makes a tool of a function."""
    tools_annotation: str
    """The type of TOOLS, where type checkers can't tell it."""
    system_message: bool
    """Whether the system prompt is a message, rather than an argument of its own."""
    client_arguments: tuple[str, ...] = ()


SDK_TERMS: Mapping[ProviderEnum, SdkTerms] = {
    ProviderEnum.ANTHROPIC: SdkTerms(
        message_type="MessageParam",
        loop_message_type="BetaMessageParam",
        tool_type="BetaFunctionTool[Any]",
        tool_maker="beta_tool",
        tools_annotation=": list[BetaFunctionTool[Any]]",
        system_message=False,
    ),
    ProviderEnum.HUGGINGFACE: SdkTerms(
        message_type="Any",
        loop_message_type="Any",
        tool_type="Tool",
        tool_maker="as_tool",
        tools_annotation="",
        system_message=True,
        client_arguments=("base_url=BASE_URL", "api_key=ACCESS_TOKEN"),
    ),
}
