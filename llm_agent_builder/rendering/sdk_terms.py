"""Provider-specific code fragments of the templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_agent_builder.providers import ProviderEnum


@dataclass(frozen=True, slots=True)
class SdkTerms:
    """The provider's code fragments for the templates shared by all providers."""

    message_type: str
    loop_message_type: str
    """The message type in agents that may make several model calls per task."""
    tool_type: str
    tool_maker: str
    """The function that turns a function into a tool."""
    tools_annotation: str
    """The annotation of TOOLS, if type checkers can't infer it."""
    system_message: bool
    """Whether the system prompt is a message, rather than a separate argument."""
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
