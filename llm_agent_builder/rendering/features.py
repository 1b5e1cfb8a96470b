"""What a spec asks for, apart from its values: these alone decide which parts a file has."""

from __future__ import annotations

from dataclasses import dataclass

from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.spec.agent_spec import DEFAULT_RETRIES, AgentSpec


@dataclass(frozen=True, slots=True)
class Features:
    """The parts of a file. Two specs with equal features give files of one shape."""

    provider: ProviderEnum
    own_server: bool
    """It is answered by a server of its user's own."""
    stream: bool
    """The answer is shown as it comes."""
    streams: bool
    """Answers come as a stream, also where it is not shown."""
    tools: bool
    answer: bool
    chat: bool
    thinking: bool
    effort: bool
    stop_sequences: bool
    cache_prompt: bool
    has_stdio: bool
    has_http: bool
    token_budget: bool
    timeout_s: bool
    retries: bool
    retries_shown: bool
    usage: bool

    @property
    def mcp(self) -> bool:
        """Whether it connects to MCP servers."""
        return self.has_stdio or self.has_http

    @property
    def loops(self) -> bool:
        """Whether a task may take several model calls."""
        return self.tools or self.mcp

    @property
    def replies(self) -> bool:
        """Whether messages are handed from method to method."""
        return self.chat or self.answer or self.mcp

    @property
    def counts(self) -> bool:
        """Whether it counts tokens."""
        return self.usage or self.token_budget


def features_of(spec: AgentSpec) -> Features:
    """Return the parts that the file of `spec` has."""
    provider = PROVIDERS[spec.provider]
    most = provider.max_tokens_unstreamed
    return Features(
        provider=spec.provider,
        own_server=spec.base_url is not None,
        stream=spec.stream,
        streams=spec.stream or (most is not None and spec.max_tokens > most),
        tools=bool(spec.tools),
        answer=spec.answer is not None,
        chat=spec.chat,
        thinking=spec.thinking is not None,
        effort=spec.effort is not None,
        stop_sequences=bool(spec.stop_sequences),
        cache_prompt=spec.cache_prompt,
        has_stdio=any(server.command for server in spec.mcp_servers),
        has_http=any(server.url for server in spec.mcp_servers),
        token_budget=spec.token_budget is not None,
        timeout_s=spec.timeout_s is not None,
        retries=spec.retries > 0,
        # The SDK's own default needs no word; where the file itself tries again, it has one.
        retries_shown=spec.retries > 0
        if not provider.retries_by_itself
        else spec.retries != DEFAULT_RETRIES,
        usage=spec.usage,
    )
