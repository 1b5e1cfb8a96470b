"""The model server that would answer an unfinished agent's calls, and why it can't yet.

`Backends` makes the same decision for a program that is about to run, from its code.
"""

from __future__ import annotations

from dataclasses import dataclass

from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.keys import KeySource, server_key
from server.settings import PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Answerer:
    """The provider's API, or one of the user's own model servers."""

    own: bool
    """Whether it is the user's own server."""
    name: str
    """Name such as "Anthropic API", or "your server http://127.0.0.1:11434/v1"."""
    reason: str | None
    """Why it can't answer; None if it can."""


def provider_answerer(provider: ProviderEnum, keys: KeySource) -> Answerer:
    """Return the answerer of agents that call the provider's own API."""
    row = PROVIDERS[provider]
    reason = None if keys.key(provider) else f"{row.key_env} is not set."
    return Answerer(own=False, name=f"{row.label} API", reason=reason)


def server_answerer(base_url: str, settings: Settings, keys: KeySource) -> Answerer:
    """Return the answerer of agents that call `base_url`, a normalized address."""
    server = settings.own_servers.get(base_url)
    reason = None
    if server is None:
        reason = f"Add {base_url} to {PREFIX}MODEL_SERVERS to test agents against it."
    elif server_key(server, keys) is None:
        reason = f"{base_url} needs a key, and {server.key_variable} is not set."
    return Answerer(own=True, name=f"your server {base_url}", reason=reason)
