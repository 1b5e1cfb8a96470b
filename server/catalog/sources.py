"""The places that list models."""

from __future__ import annotations

from dataclasses import dataclass

from yarl import URL

from llm_agent_builder.providers import ProviderEnum


@dataclass(frozen=True, slots=True)
class Source:
    """One place that lists models."""

    provider: ProviderEnum
    url: str
    """Without a query."""
    base_url: str | None = None
    """Set for a server of the user's own: what agents are to call."""

    @property
    def host(self) -> str:
        """The host and port, to be named in messages."""
        return URL(self.url).authority
