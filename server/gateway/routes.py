"""The requests that the gateway forwards; it refuses all others."""

from __future__ import annotations

from collections.abc import Mapping

from llm_agent_builder.providers import PROVIDERS, ProviderEnum

ROUTES: Mapping[tuple[str, str], tuple[ProviderEnum | None, str]] = {
    **{("POST", provider.api_path): (provider.id, "chat") for provider in PROVIDERS.values()},
    **{
        ("POST", provider.count_path): (provider.id, "count_tokens")
        for provider in PROVIDERS.values()
        if provider.count_path is not None
    },
    ("GET", "/v1/models"): (None, "list_models"),
}
"""The requests that are forwarded, each with its provider and its operation name in OpenTelemetry;
None: every provider has this route, and a header shows which provider is meant."""
