"""Capabilities of models: every model of the SDK has a row, and the rows are used."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest
from genai_prices.data_snapshot import get_snapshot

from llm_agent_builder import ProviderEnum
from llm_agent_builder.catalog import catalog
from llm_agent_builder.catalog.capabilities import (
    CLAUDE,
    EFFORTS,
    THINKING,
    Capabilities,
    capabilities,
    claude_family,
    family_of,
)
from llm_agent_builder.spec.agent_spec import Effort, Thinking
from tests.llm_agent_builder.conftest import InstalledSdks

TODAY = date(2026, 11, 26)
ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE


def of(model_id: str) -> Capabilities:
    return capabilities(ANTHROPIC, model_id, TODAY)


def test_every_model_that_the_installed_sdk_knows_has_a_row(installed_sdks: InstalledSdks) -> None:
    """When this fails: look the new model up in its provider's docs and add a row."""
    assert [id_ for id_ in installed_sdks.model_ids if claude_family(id_) is None] == []


def test_every_row_is_of_a_model_that_the_catalog_lists() -> None:
    listed = {family_of(model.id) for model in catalog.models(ANTHROPIC, TODAY)}
    assert {row.family for row in CLAUDE} <= listed
    assert len({row.family for row in CLAUDE}) == len(CLAUDE)


def test_every_row_says_where_and_when_it_was_looked_up() -> None:
    for row in CLAUDE:
        assert row.source.startswith("https://platform.claude.com/docs/en/")
        assert date(2026, 1, 1) <= row.checked <= TODAY


def test_rows_use_words_that_the_api_has() -> None:
    for row in CLAUDE:
        found = row.capabilities
        assert set(found.thinking or ()) <= set(THINKING)
        assert found.effort == tuple(level for level in EFFORTS if level in (found.effort or ()))
        assert set(found.effort_without_thinking or ()) <= set(found.effort or ())
        silent = bool({"disabled", "between_tools"} & set(found.thinking or ()))
        assert not found.effort_without_thinking or silent


def test_a_spec_can_use_each_capability_of_its_model() -> None:
    assert get_args(Thinking) == THINKING
    assert get_args(Effort) == EFFORTS


def test_the_price_table_agrees_that_caches_are_offered() -> None:
    (priced,) = [row for row in get_snapshot().providers if row.id == "anthropic"]
    for row in CLAUDE:
        model = priced.find_model(row.family)
        if model is not None:
            assert row.capabilities.prompt_caching


@pytest.mark.parametrize(
    ("model_id", "thinking", "effort", "output"),
    [
        ("claude-sonnet-5-5", ("adaptive", "between_tools"), EFFORTS, 128_000),
        ("claude-opus-5-5", ("adaptive",), EFFORTS, 128_000),
        ("claude-haiku-5-5-20261007", ("adaptive", "disabled"), EFFORTS, 128_000),
        ("claude-opus-4-6", ("adaptive", "disabled"), ("low", "medium", "high", "max"), 128_000),
        ("claude-opus-4-5-20251101", ("disabled",), ("low", "medium", "high"), 64_000),
        ("claude-haiku-4-5", ("disabled",), (), 64_000),
    ],
)
def test_choices_of(
    model_id: str, thinking: tuple[str, ...], effort: tuple[str, ...], output: int
) -> None:
    found = of(model_id)
    assert (found.thinking, found.effort, found.max_output_tokens) == (thinking, effort, output)


def test_unknown_capabilities_refuse_nothing() -> None:
    unknown = of("claude-unheard-of-9")
    assert unknown == Capabilities()
    assert unknown.problems(max_tokens=10**9, thinking="adaptive", effort="max") == {}


def test_a_model_without_a_row_has_caches_where_the_table_prices_them() -> None:
    assert of("claude-3-haiku-20240307").prompt_caching is True
    assert of("claude-2.1").prompt_caching is False


def test_hugging_face_has_no_choice_of_thinking_and_effort() -> None:
    found = capabilities(HUGGINGFACE, "openai/gpt-oss-120b", TODAY)
    assert (found.thinking, found.effort, found.prompt_caching) == ((), (), False)
    assert (found.tools, found.typed_answers, found.max_output_tokens) == (None, None, None)
    assert "doesn't support it" in found.problems(effort="low")["effort"]


def test_settings_that_a_model_would_refuse_are_listed_by_field() -> None:
    problems = of("claude-sonnet-5-5").problems(
        max_tokens=200_000, thinking="disabled", effort="high"
    )
    assert set(problems) == {"max_tokens", "thinking"}
    assert "128,000" in problems["max_tokens"]
    assert "adaptive, between_tools" in problems["thinking"]
    assert set(of("claude-sonnet-4-5").problems(effort="low")) == {"effort"}


@pytest.mark.parametrize("effort", EFFORTS)
def test_haiku_5_5_thinks_at_the_highest_efforts(effort: str) -> None:
    refused = effort in {"xhigh", "max"}
    problems = of("claude-haiku-5-5").problems(thinking="disabled", effort=effort)
    assert set(problems) == ({"effort"} if refused else set())
    assert of("claude-haiku-5-5").problems(thinking="adaptive", effort=effort) == {}
