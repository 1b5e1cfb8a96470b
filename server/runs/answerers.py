"""Who answers an agent's calls: its provider's API or the user's own server, and why it can't yet.

The page shows this for an unfinished form; `Backends` uses it to route a program's calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llm_agent_builder.catalog.extra import ModelServer
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from server.keys import KeySource, server_key
from server.secret import Secret
from server.settings import PREFIX

UNREADABLE_ADDRESS = "an address that can't be read from its code"


@dataclass(frozen=True, slots=True)
class Answerer:
    """The provider's API, or one of the user's own model servers."""

    own: bool
    """Whether it is the user's own server."""
    name: str
    """Name such as "Anthropic API", or "your server http://127.0.0.1:11434/v1"."""
    reason: str | None
    """Why it can't answer; None if it can."""


@dataclass(frozen=True, slots=True)
class CannotAnswer:
    """Why an answerer can't answer."""

    reason: str
    """What is missing, as the page shows it next to the choice of model."""
    advice: str
    """What is missing and what to do, as the error of a refused run or call."""


def provider_key(provider: ProviderEnum, keys: KeySource) -> Secret | CannotAnswer:
    """Return the key for calls to the provider's own API."""
    row = PROVIDERS[provider]
    return keys.key(provider) or CannotAnswer(
        f"{row.key_env} is not set.",
        f"{row.label} needs a key: set {row.key_env} in the server's environment or in .env "
        "(no restart needed), or run with the local model.",
    )


def own_server_key(
    base_url: str, servers: Mapping[str, ModelServer], keys: KeySource
) -> Secret | CannotAnswer:
    """Return the key for calls to `base_url`; empty if it needs none.

    `base_url` is a normalized address or UNREADABLE_ADDRESS, `servers` are the settings' own ones.
    """
    if base_url == UNREADABLE_ADDRESS:
        return CannotAnswer(
            "BASE_URL can't be read from the code.",
            "This agent's BASE_URL can't be read from its code: assign it once, as generated "
            'files do (BASE_URL = "https://..."), or run with the local model.',
        )
    server = servers.get(base_url)
    if server is None:
        return CannotAnswer(
            f"{base_url} is not in {PREFIX}MODEL_SERVERS; add it to test agents against it.",
            f"To test this agent, add {base_url} to {PREFIX}MODEL_SERVERS, or run with the "
            "local model.",
        )
    key = server_key(server, keys)
    if key is None:
        return CannotAnswer(
            f"{base_url} needs a key, and {server.key_variable} is not set.",
            f"{base_url} needs a key: set {server.key_variable} (named in {PREFIX}MODEL_SERVERS).",
        )
    return key


def provider_answerer(provider: ProviderEnum, keys: KeySource) -> Answerer:
    """Return the answerer of agents that call the provider's own API."""
    name = f"{PROVIDERS[provider].label} API"
    return Answerer(own=False, name=name, reason=_reason(provider_key(provider, keys)))


def server_answerer(base_url: str, servers: Mapping[str, ModelServer], keys: KeySource) -> Answerer:
    """Return the answerer of agents that call `base_url`, a normalized address."""
    reason = _reason(own_server_key(base_url, servers, keys))
    return Answerer(own=True, name=f"your server {base_url}", reason=reason)


def _reason(key: Secret | CannotAnswer) -> str | None:
    return key.reason if isinstance(key, CannotAnswer) else None
