"""Requests in which the model may think."""

from __future__ import annotations

from typing import Any

import pytest

from llm_agent_builder.catalog.capabilities import CLAUDE, may_think_unseen
from llm_agent_builder.providers import ProviderEnum
from tests.llm_agent_builder.requests.test_facts import HF, A, read


@pytest.mark.parametrize("row", CLAUDE, ids=lambda row: row.family)
def test_a_model_counts_as_thinking_unless_it_is_known_not_to(row: Any) -> None:
    choices = row.capabilities.thinking
    assert may_think_unseen(A, row.family, None) is (choices != ("disabled",))
    assert may_think_unseen(A, row.family, "disabled") is ("disabled" not in choices)
    assert may_think_unseen(A, row.family, "adaptive")
    assert may_think_unseen(A, f"{row.family}-20260101", None) is (choices != ("disabled",))


@pytest.mark.parametrize(
    ("provider", "model", "thinks"),
    [
        (A, "claude-unheard-of", True),
        (A, "", True),
        (HF, "", True),
        (HF, "meta-llama/Llama-3.3-70B-Instruct", False),
        (HF, "meta-llama/Llama-3.3-70B-Instruct:groq", False),
        (HF, "Qwen/Qwen3-235B-A22B-Instruct-2507", False),
        (HF, "Qwen/Qwen3-32B", True),
        (HF, "Qwen/Qwen3-235B-A22B-Thinking-2507", True),
        (HF, "openai/gpt-oss-120b:cheapest", True),
        (HF, "deepseek-ai/DeepSeek-R1-Distill-Llama-70B", True),
        (HF, "zai-org/GLM-5.3", True),
        (HF, "moonshotai/Kimi-K2-Thinking", True),
    ],
)
def test_models_that_may_think_unseen(provider: ProviderEnum, model: str, thinks: bool) -> None:
    assert may_think_unseen(provider, model, None) is thinks


@pytest.mark.parametrize(
    ("more", "thinks"),
    [
        ({}, False),
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning": {"effort": "high"}}, True),
        ({"reasoning": {"effort": "none"}}, False),
        ({"enable_thinking": True}, True),
        ({"enable_thinking": False}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"chat_template_kwargs": {"thinking": True, "enable_thinking": False}}, True),
        ({"chat_template_kwargs": {"thinking": False}}, False),
    ],
)
def test_model_that_is_asked_to_think_counts_as_thinking(
    more: dict[str, Any], thinks: bool
) -> None:
    assert bool(read(HF, **more).thinks) is thinks
    assert read(HF, model="Qwen/Qwen3-32B", **more).thinks


@pytest.mark.parametrize(
    ("provider", "model", "more"),
    [
        (A, "claude-haiku-4-5", {"tools": [{"name": "f", "input_schema": {}}]}),
        (HF, "meta-llama/Llama-3.3-70B-Instruct", {"tools": [{"type": "function"}]}),
        (HF, "meta-llama/Llama-3.3-70B-Instruct", {"logit_bias": {"128002": 100}}),
    ],
)
def test_a_stream_that_may_delay_text_can_not_be_cut(
    provider: ProviderEnum, model: str, more: dict[str, Any]
) -> None:
    assert read(provider, model=model).hides is None
    assert next(iter(more)) in str(read(provider, model=model, **more).hides)
