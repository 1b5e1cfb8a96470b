"""Parses the models and servers that users add by setting.

A model: `PROVIDER:MODEL-ID[=LABEL][@BASE-URL]`. A server: `BASE-URL[ KEY-VARIABLE]`. Several are
separated by commas or line ends.

>>> parse_models("huggingface:llama3.2:3b=Llama 3.2 (mine)@http://localhost:11434/v1")[0].base_url
'http://localhost:11434/v1'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from llm_agent_builder.catalog.model import is_line
from llm_agent_builder.providers import OWN_SERVER_PROVIDERS, PROVIDERS, ProviderEnum
from llm_agent_builder.validation.base_urls import check_base_url

MAX_EXTRA = 200
_SEPARATOR = re.compile(r"[,\r\n]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_MODEL_SYNTAX = "PROVIDER:MODEL-ID[=LABEL][@BASE-URL]"
_PROVIDERS = " or ".join(provider.value for provider in ProviderEnum)
_OWN_SERVER_PROVIDERS = " and ".join(provider.id for provider in OWN_SERVER_PROVIDERS)


@dataclass(frozen=True, slots=True)
class ExtraModel:
    """A model added by a user."""

    provider: ProviderEnum
    id: str
    label: str | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A user's own server with an OpenAI-compatible API, such as vLLM and Ollama."""

    base_url: str
    key_variable: str | None = None
    """The environment variable with its key; None if it needs no key."""


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in _SEPARATOR.split(text) if part.strip()]
    if len(parts) > MAX_EXTRA:
        raise ValueError(f"has {len(parts)} entries; at most {MAX_EXTRA} are allowed")
    return parts


def parse_models(text: str) -> tuple[ExtraModel, ...]:
    """Return the models that a setting names.

    Raises:
        ValueError: one isn't written as it should be; says which, and how.

    """
    return tuple(dict.fromkeys(map(parse_model, _parts(text))))


def parse_model(text: str) -> ExtraModel:
    """Return one model.

    Raises:
        ValueError: as for `parse_models`.

    """
    shown = f"{text[:80]!r} is not {_MODEL_SYNTAX}"
    provider, colon, rest = text.strip().partition(":")
    if not colon or provider not in set(ProviderEnum):
        raise ValueError(f"{shown}: it must start with {_PROVIDERS}")
    rest, base_url = _split_base_url(rest)
    if base_url and not PROVIDERS[ProviderEnum(provider)].own_servers:
        raise ValueError(f"{shown}: only {_OWN_SERVER_PROVIDERS} models have a base URL")
    model_id, _, label = (part.strip() for part in rest.partition("="))
    if not is_line(model_id) or (label and not is_line(label, 100)):
        raise ValueError(f"{shown}: an id is one line of at most 200 characters, a label of 100")
    return ExtraModel(ProviderEnum(provider), model_id, label or None, base_url)


def _split_base_url(rest: str) -> tuple[str, str | None]:
    # An id may contain an @, so only one before a URL counts.
    found = re.search(r"@\s*(?=https?://)", rest)
    if found is None:
        return rest, None
    return rest[: found.start()], check_base_url(rest[found.end() :])


def parse_endpoints(text: str) -> tuple[ModelServer, ...]:
    """Return the servers that a setting names.

    Raises:
        ValueError: one isn't written as it should be; says which, and how.

    """
    found: dict[str, ModelServer] = {}
    for part in _parts(text):
        url, *more = part.split()
        if len(more) > 1 or any(not _VARIABLE.fullmatch(name) for name in more):
            raise ValueError(
                "a server is BASE-URL, optionally followed by the variable with its key"
            )
        base_url = check_base_url(url)
        found[base_url] = ModelServer(base_url, more[0] if more else None)
    return tuple(found.values())
