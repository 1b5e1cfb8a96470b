"""The server's tables by provider and protocol have an entry for each."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from llm_agent_builder.providers import PROVIDERS, Protocol
from server.catalog.fetch import LIST_REQUESTS
from server.gateway.call import ERROR_FORMATS
from server.gateway.routes import ROUTES
from server.settings import Settings


@pytest.mark.parametrize("table", [ERROR_FORMATS, LIST_REQUESTS])
def test_a_table_by_protocol_has_every_protocol(table: Collection[Protocol]) -> None:
    assert set(table) == set(Protocol)


def test_the_gateway_passes_on_every_providers_model_calls() -> None:
    for provider in PROVIDERS.values():
        assert ROUTES["POST", provider.api_path] == (provider.id, "chat")


def test_every_providers_upstream_is_a_setting() -> None:
    for provider in PROVIDERS.values():
        assert f"{provider.id}_upstream" in Settings.model_fields
