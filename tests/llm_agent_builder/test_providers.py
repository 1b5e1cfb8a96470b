"""The registry of providers: every table that depends on one has an entry for each."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

import llm_agent_builder
from llm_agent_builder.catalog import capabilities, live, offline
from llm_agent_builder.metering.answer_readers import READERS
from llm_agent_builder.providers import (
    DEFAULT_PROVIDER,
    PROVIDERS,
    Protocol,
    Provider,
    ProviderEnum,
)
from llm_agent_builder.rendering.sdk_terms import SDK_TERMS
from llm_agent_builder.requests.shapes import REQUESTS
from llm_agent_builder.spec.agent_spec import AgentSpec

TEMPLATES = Path(llm_agent_builder.__file__).parent / "templates"
REQUIRED_PARTS = {
    *("answer_schema", "call", "client_settings", "imports", "key_check"),
    *("loop", "mcp", "request", "tools"),
}


@pytest.mark.parametrize(
    "table", [PROVIDERS, SDK_TERMS, capabilities.KNOWN, offline.CURATED, offline.OFFLINE]
)
def test_a_table_by_provider_has_every_provider(table: Collection[ProviderEnum]) -> None:
    assert set(table) == set(ProviderEnum)


@pytest.mark.parametrize("table", [READERS, REQUESTS, live.ENTRY_READERS])
def test_a_table_by_protocol_has_every_protocol(table: Collection[Protocol]) -> None:
    assert set(table) == set(Protocol)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.id)
def test_a_provider_has_all_parts_of_its_template(provider: Provider) -> None:
    parts = {file.name.removesuffix(".py.j2") for file in (TEMPLATES / provider.parts).iterdir()}
    assert (TEMPLATES / provider.template).is_file()
    assert parts >= REQUIRED_PARTS


def test_shared_templates_name_no_provider() -> None:
    own = {provider.template for provider in PROVIDERS.values()}
    for file in TEMPLATES.glob("*.j2"):
        text = file.read_text("utf-8").lower()
        named = [id_ for id_ in ProviderEnum if id_ in text]
        assert file.name in own or not named, file.name


def test_a_provider_is_told_apart_by_its_sdk_and_its_variables() -> None:
    rows = PROVIDERS.values()
    variables = [name for row in rows for name in (*row.key_variables, row.base_url_variable)]
    assert len({row.sdk_module for row in rows}) == len(rows)
    assert len(set(variables)) == len(variables)


def test_only_one_provider_sends_no_header_of_its_own() -> None:
    assert [row.marker_header for row in PROVIDERS.values()].count(None) == 1


def test_choices_of_providers_are_fields_of_a_spec() -> None:
    for row in PROVIDERS.values():
        assert row.choices <= set(AgentSpec.model_fields)


def test_the_default_provider_is_registered() -> None:
    assert PROVIDERS[DEFAULT_PROVIDER].default_model
