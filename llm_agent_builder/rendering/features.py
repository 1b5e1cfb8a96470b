"""The features of a spec; they alone determine the parts of its file."""

from __future__ import annotations

from dataclasses import dataclass

from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.python_source.constants import OPTIONAL
from llm_agent_builder.spec.agent_spec import DEFAULT_RETRIES, AgentSpec


@dataclass(frozen=True, slots=True)
class Features:
    """The parts of a file. Specs with equal features give files with the same structure."""

    provider: ProviderEnum
    own_server: bool
    """The agent calls a user's own server."""
    stream: bool
    """The answer is shown while it is generated."""
    streams: bool
    """Answers are streamed, even if they are shown only when they are complete."""
    tools: bool
    answer: bool
    chat: bool
    cache_prompt: bool
    has_stdio: bool
    has_http: bool
    retries: bool
    retries_shown: bool
    usage: bool
    given: frozenset[str]
    """The fields of optional constants that the spec sets."""

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
        """Whether methods pass the messages to each other."""
        return self.chat or self.answer or self.mcp

    @property
    def counts(self) -> bool:
        """Whether it counts tokens."""
        return self.usage or "token_budget" in self.given


def features_of(spec: AgentSpec) -> Features:
    """Return the features of the file of `spec`."""
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
        cache_prompt=spec.cache_prompt,
        has_stdio=any(server.command for server in spec.mcp_servers),
        has_http=any(server.url for server in spec.mcp_servers),
        retries=spec.retries > 0,
        # The SDK's own default is left out; a file that repeats calls itself states the number.
        retries_shown=spec.retries > 0
        if not provider.retries_by_itself
        else spec.retries != DEFAULT_RETRIES,
        usage=spec.usage,
        given=frozenset(
            row.field for row in OPTIONAL if getattr(spec, row.field) not in (None, ())
        ),
    )
