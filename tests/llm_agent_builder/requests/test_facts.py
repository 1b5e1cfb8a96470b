"""Facts about requests: known parts, unknown parts, and their size."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_count_tokens_params, message_create_params
from anthropic.types.beta import message_create_params as beta_params
from huggingface_hub import ChatCompletionInput

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from llm_agent_builder.requests.shapes import (
    ANTHROPIC,
    CHAT,
    CLIENT_TOOLS,
    IN_HEADERS,
    LEFT_OUT,
)
from tests.support.gateway_client import facts_of

A, HF = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
MODELS = {A: "claude-haiku-4-5", HF: "meta-llama/Llama-3.3-70B-Instruct:groq"}
HI = [{"role": "user", "content": "hi"}]
PNG = "iVBORw0KGgo="
LONG = "y" * 70_000


def asked(provider: ProviderEnum, /, **more: Any) -> dict[str, Any]:
    return {"model": MODELS[provider], "max_tokens": 100, "messages": HI, **more}


def read(provider: ProviderEnum, /, **more: Any) -> RequestFacts:
    return facts_of(json.dumps(asked(provider, **more)).encode(), provider)


def said_by(provider: ProviderEnum, *parts: Any) -> RequestFacts:
    return read(provider, messages=[{"role": "user", "content": list(parts)}])


# ---------------------------------------------------------------- understood

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
CACHED = {"type": "ephemeral", "ttl": "1h"}
TOOL = {
    "name": "add",
    "description": "Adds.",
    "input_schema": {"type": "object", "$ref": "https://x"},
}
CALL = {
    "type": "tool_use",
    "id": "t",
    "name": "get",
    "input": {"url": "https://example.com", "n": 1.5},
}
CHAT_TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}
EDIT = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "input_tokens", "value": 30_000},
    "keep": {"type": "tool_uses", "value": 3},
    "exclude_tools": ["web_search"],
}
FUNCTION = {"name": "add", "arguments": '{"url": "https://x"}', "description": None}
CHAT_CALL = {"id": "c", "type": "function", "function": FUNCTION}

UNDERSTOOD: list[tuple[ProviderEnum, dict[str, Any]]] = [
    (A, {}),
    (A, {"system": "s", "stream": True, "stop_sequences": ["https://x"], "temperature": 1}),
    (A, {"system": [{"type": "text", "text": "https://x", "cache_control": CACHED}]}),
    (A, {"thinking": {"type": "adaptive", "display": "omitted"}}),
    (A, {"thinking": {"type": "enabled", "budget_tokens": 50}}),
    (A, {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {}}}}),
    (A, {"tools": [TOOL, {**TOOL, "type": "custom"}], "tool_choice": {"type": "any"}}),
    (A, {"tools": [{"type": kind, "name": "x"} for kind in CLIENT_TOOLS]}),
    (A, {"metadata": {"user_id": "u"}, "service_tier": "standard_only", "cache_control": CACHED}),
    (A, {"container": None, "mcp_servers": [], "speed": None, "thinking": None}),
    (A, {"messages": [*HI, {"role": "assistant", "content": [CALL]}]}),
    (A, {"context_management": {"edits": [EDIT, {**EDIT, "clear_at_least": None}]}}),
    (A, {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}}),
    (HF, {}),
    (HF, {"stream": True, "stream_options": {"include_usage": True}, "stop": ["."], "seed": 7}),
    (HF, {"n": 2, "max_completion_tokens": 5, "temperature": 0.5, "logprobs": True}),
    (HF, {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}}),
    (HF, {"response_format": {"type": "json_object", "value": {}}}),
    (HF, {"tools": [{"type": "function", "function": {"name": "add", "parameters": {}}}]}),
    (HF, {"tool_choice": {"type": "function", "function": {"name": "add"}}}),
    (HF, {"messages": [*HI, {"role": "assistant", "content": "", "tool_calls": [CHAT_CALL]}]}),
    (HF, {"messages": [{"role": "tool", "tool_call_id": "c", "content": "https://x"}]}),
    (HF, {"top_k": 20, "min_p": 0.0, "repetition_penalty": 1.05}),
    (HF, {"top_k": -1, "repetition_penalty": 1}),
    (HF, {"chat_template_kwargs": {"enable_thinking": False}, "enable_thinking": False}),
    (HF, {"reasoning": {"effort": "low"}, "reasoning_effort": "none"}),
    (HF, {"store": False, "verbosity": "low", "prompt_cache_key": "p", "safety_identifier": "u"}),
    (HF, {"stream": True, "stream_options": {"include_obfuscation": False}}),
    (HF, {"response_format": {"type": "json", "value": {"type": "object"}}}),
    (HF, {"response_format": {"type": "regex", "value": "[a-z]+"}}),
    *((provider, {"unheard_of": None, "more": []}) for provider in (A, HF)),
]
ANSWERS: list[dict[str, Any]] = [
    {"content": "hi", "refusal": None, "annotations": [], "audio": None, "function_call": None},
    {"content": None, "reasoning_content": None, "tool_calls": [CHAT_CALL], "annotations": None},
    {"content": "x", "reasoning": "because", "channel": "final"},
    {"content": "x", "reasoning_content": "r", "partial": False, "tool_calls": None},
    {"content": "x", "function_call": {"name": "f", "arguments": "{}"}},
    {"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "r", "index": 0}]},
    {"content": "x", "reasoning_details": []},
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_can_be_sent_back_unchanged(answer: dict[str, Any]) -> None:
    found = read(HF, messages=[*HI, {"role": "assistant", **answer}])
    assert (found.unbounded, found.reaches) == (None, None)


@pytest.mark.parametrize(("provider", "more"), UNDERSTOOD)
def test_requests_of_the_sdks_are_known(provider: ProviderEnum, more: dict[str, Any]) -> None:
    found = read(provider, **more)
    assert (found.unbounded, found.reaches, found.standard_price) == (None, None, True)
    assert found.most_output_tokens in {100, 200}


PARTS_UNDERSTOOD: list[tuple[ProviderEnum, Any]] = [
    (A, IMAGE),
    (A, {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE], "is_error": False}),
    (A, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
    (A, {"type": "document", "source": {"type": "content", "content": [IMAGE]}, "title": "t"}),
    (A, {"type": "search_result", "source": "https://x", "title": "t", "content": []}),
    (A, {"type": "thinking", "thinking": "https://x", "signature": "s"}),
    (A, {"type": "redacted_thinking", "data": "s"}),
    (A, {"type": "text", "text": "https://x", "citations": None}),
    (HF, {"type": "text", "text": "https://x"}),
    (HF, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}),
]


@pytest.mark.parametrize(("provider", "part"), PARTS_UNDERSTOOD)
def test_parts_that_contain_their_content_are_known(provider: ProviderEnum, part: Any) -> None:
    found = said_by(provider, part)
    assert (found.unbounded, found.reaches) == (None, None)
    expected = {A: 5_000, HF: 20_000 + 192}[provider] if "image" in json.dumps(part) else 0
    assert found.extra_tokens in {expected, 192}


# ---------------------------------------------------------------- the size of images


def base64_of(size: int) -> str:
    return base64.b64encode(random.Random(size).randbytes(size)).decode()


def anthropic_image(data: str, media_type: str = "image/png") -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def chat_image(data: str, head: str = "data:image/png;base64,") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": head + data}}


def in_result(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t", "content": [part]}


def in_document(part: dict[str, Any]) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "content", "content": [part]}}


IMAGES: list[tuple[ProviderEnum, Callable[[str], dict[str, Any]]]] = [
    (A, anthropic_image),
    *((A, partial(anthropic_image, media_type=f"image/{kind}")) for kind in ("gif", "webp")),
    (A, lambda data: in_result(anthropic_image(data))),
    (A, lambda data: in_document(anthropic_image(data))),
    (HF, chat_image),
    (HF, partial(chat_image, head="data:image/jpeg;base64,")),
]


@pytest.mark.parametrize(("provider", "shaped"), IMAGES)
@pytest.mark.parametrize("size", [0, 1, 100, 10_000, 300_000])
@pytest.mark.parametrize("images", [1, 3])
def test_an_image_counts_as_one_at_any_size(
    provider: ProviderEnum, shaped: Callable[[str], dict[str, Any]], size: int, images: int
) -> None:
    found = said_by(provider, *[shaped(base64_of(size))] * images)
    around = said_by(provider, *[shaped("")] * images)
    assert found.unbounded is None
    assert found.most_input_tokens == around.most_input_tokens
    assert found.body_bytes - found.image_bytes >= around.body_bytes - around.image_bytes > 0


ODD_IMAGES: list[tuple[ProviderEnum, Callable[[str], dict[str, Any]]]] = [
    (A, partial(anthropic_image, media_type="application/pdf")),
    (A, partial(anthropic_image, media_type="text/plain")),
    (A, lambda data: {"type": "image", "data": data}),
    (A, lambda data: {"type": "image", "source": {"type": "text", "data": data}}),
    (A, lambda data: anthropic_image("data:image/png;base64," + data)),
    (A, lambda data: anthropic_image("(" + data)),
    (A, lambda data: anthropic_image("\u2026" + data)),
    (A, lambda data: anthropic_image("A" * 100 + "\u2026" + data)),
    (A, lambda data: anthropic_image("A" * 200 + f"\u2026{10**9}" + data[:900])),
    (A, lambda data: anthropic_image("A" * 150 + f"\u2026{10**9}")),
    (A, lambda data: {"type": "text", "text": "data:image/png;base64," + data}),
    (A, lambda data: in_result({"type": "text", "text": data})),
    (HF, partial(chat_image, head="data:image/png,")),
    (HF, partial(chat_image, head="data:image/svg+xml;base64,")),
    (HF, partial(chat_image, head="data:application/pdf;base64,")),
    (HF, partial(chat_image, head="data:image/png;base64, ")),
    (HF, lambda data: {"type": "image_url", "image_url": "data:image/png;base64," + data}),
    (HF, lambda data: {"type": "text", "text": "data:image/png;base64," + data}),
]


@pytest.mark.parametrize(("provider", "shaped"), ODD_IMAGES)
@pytest.mark.parametrize("size", [100, 10_000, 300_000])
def test_an_unusual_image_counts_by_its_bytes(
    provider: ProviderEnum, shaped: Callable[[str], dict[str, Any]], size: int
) -> None:
    found = said_by(provider, shaped(base64_of(size)))
    assert found.most_input_tokens >= found.body_bytes


@pytest.mark.parametrize(
    ("more", "instructions"),
    [
        ({"tools": []}, 0),
        ({"tools": [TOOL, TOOL]}, 1),
        ({"tools": [TOOL, {"type": "bash_20250124", "name": "bash"}]}, 2),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, 1),
    ],
)
def test_the_providers_instructions_for_tools_and_typed_answers_count(
    more: dict[str, Any], instructions: int
) -> None:
    assert read(A, **more).extra_tokens == 1024 * instructions


def test_tools_of_a_chat_count_too() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    assert read(HF, tools=[tool]).extra_tokens == read(HF).extra_tokens + 1024


# ---------------------------------------------------------------- pinned to the SDKs


def names_of(*types: type) -> set[str]:
    return {name for each in types for name in each.__annotations__} - {"output_format"}


def test_every_parameter_of_anthropics_sdk_is_known_or_left_out_on_purpose() -> None:
    sent = names_of(
        message_create_params.MessageCreateParamsBase,
        beta_params.MessageCreateParamsBase,
        message_count_tokens_params.MessageCountTokensParams,
    )
    assert sent <= {*ANTHROPIC, *LEFT_OUT, *IN_HEADERS}
    assert "thread=False" in str(read(A, thread={"type": "create"}).unbounded)
    assert sent >= LEFT_OUT | IN_HEADERS


def test_every_parameter_of_hugging_faces_sdk_is_known() -> None:
    assert set(get_type_hints(ChatCompletionInput)) <= set(CHAT)


# ---------------------------------------------------------------- not understood

WRONG_COUNTS: list[Any] = [1e5, 16.0, "1000", -1, 0, True, False, 10**30, [], {}, [5], "1e3"]
WRONG_COUNTS += [10_000_001]
WRONG_FLAGS: list[Any] = ["true", 1, []]
WRONG_MODELS: list[Any] = [1, ["a", "b"], {}]
WRONG_MESSAGES: list[Any] = ["x", {}, [1]]
EMPTY: list[Any] = [{}, 0, "", False, [None]]
ODD: list[tuple[ProviderEnum, dict[str, Any], str]] = [
    *(
        (provider, {"max_tokens": wrong}, "max_tokens")
        for provider in (A, HF)
        for wrong in WRONG_COUNTS
    ),
    *((HF, {"max_completion_tokens": wrong}, "max_completion_tokens") for wrong in WRONG_COUNTS),
    *((HF, {"n": wrong}, "n ") for wrong in WRONG_COUNTS),
    *((provider, {"stream": wrong}, "stream") for provider in (A, HF) for wrong in WRONG_FLAGS),
    *((provider, {"model": wrong}, "model") for provider in (A, HF) for wrong in WRONG_MODELS),
    *(
        (provider, {"messages": wrong}, "messages")
        for provider in (A, HF)
        for wrong in WRONG_MESSAGES
    ),
    *((A, {name: {}}, name) for name in sorted(LEFT_OUT)),
    *(
        (A, {name: "x"}, name)
        for name in ("Max_Tokens", "max_tokens ", "best_of", "betas", "prompt")
    ),
    *((HF, {name: 5}, name) for name in ("best_of", "prediction", "modalities", "audio", "store")),
    *((HF, {name: ["x"]}, name) for name in ("models", "route", "provider", "transforms")),
    (HF, {"thinking": {}}, "thinking"),
    (HF, {"store": True}, "store"),
    (HF, {"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
    (HF, {"reasoning": {"effort": "endless"}}, "reasoning.effort"),
    (HF, {"chat_template_kwargs": {"chat_template": "x"}}, "chat_template_kwargs.chat_template"),
    (HF, {"enable_thinking": "yes"}, "enable_thinking"),
    *((HF, {"repetition_penalty": wrong}, "repetition_penalty") for wrong in (0.9, -1, 1e9, "1")),
    *((HF, {"top_k": wrong}, "top_k") for wrong in (5.5, "5", -2)),
    (HF, {"verbosity": "endless"}, "verbosity"),
    (HF, {"response_format": {"type": "regex", "value": {"deep": 1}}}, "response_format"),
    *((HF, {"unheard_of": odd}, "unheard_of") for odd in EMPTY),
    (HF, {"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "audio"),
    (HF, {"messages": [{"role": "assistant", "annotations": [{"type": "x"}]}]}, "annotations"),
    (
        HF,
        {"messages": [{"role": "assistant", "reasoning_details": [{"type": "reasoning.more"}]}]},
        "reasoning_details[0].type",
    ),
    (A, {"thinking": {"type": "enabled", "budget_tokens": 100}}, "budget_tokens"),
    (A, {"thinking": {"type": "enabled", "budget_tokens": 1e5}}, "budget_tokens"),
    (A, {"thinking": {"type": "maximal"}}, "thinking"),
    (A, {"thinking": "adaptive"}, "thinking"),
    (A, {"cache_control": {"type": "ephemeral", "ttl": "24h"}}, "cache_control.ttl"),
    (A, {"output_config": {"task_budget": 5}}, "output_config.task_budget"),
    (A, {"context_management": {"edits": [{"type": "compact_20260112"}]}}, "context_management"),
    (
        A,
        {"context_management": {"edits": [{**EDIT, "keep": 3}]}},
        "context_management.edits[0].keep",
    ),
    (A, {"tools": {}}, "tools"),
    (A, {"tools": [{"name": "x"}]}, "input_schema"),
    (A, {"tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}]}, "allowed_callers"),
    (A, {"messages": [{"role": "tool", "content": "x"}]}, "role"),
    (A, {"messages": [{"role": "user", "content": "x", "more": 1}]}, "more"),
    (HF, {"messages": [{"role": "robot", "content": "x"}]}, "role"),
    (HF, {"stream_options": {"include_usage": 1}}, "include_usage"),
    (HF, {"service_tier": 5}, "service_tier"),
    (HF, {"response_format": {"type": "grammar"}}, "response_format"),
]


@pytest.mark.parametrize(("provider", "more", "named"), ODD)
def test_an_unknown_part_is_named_and_makes_the_price_unknown(
    provider: ProviderEnum, more: dict[str, Any], named: str
) -> None:
    found = read(provider, **more)
    assert named in str(found.unbounded)
    assert not found.standard_price


ODD_PARTS: list[Any] = [
    {"type": "image", "source": {"type": "base64", "media_type": "video/mp4", "data": PNG}},
    {"type": "image_url", "image_url": {"url": "data:video/mp4;base64,AAAA"}},
    {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,AAAA"}},
    {"type": "document", "source": {}},
    {"type": "document"},
    {"type": "audio_url", "audio_url": {"url": "data:audio/mp3,"}},
    {"video_url": {"url": "data:video/mp4,"}},
    {"type": "input_audio", "input_audio": {"data": "//uQx", "format": "mp3"}},
    {"type": "text", "text": {"deep": 1}},
    {"type": ["text"], "text": "x"},
    {"type": "Text", "text": "x"},
    {"type": "compaction", "content": "x"},
    {"type": "text", "text": "x", "more": 1},
    {},
    "text",
    None,
    ["x"],
]


@pytest.mark.parametrize("provider", [A, HF])
@pytest.mark.parametrize("part", ODD_PARTS)
def test_an_unknown_content_part_is_refused_under_a_budget(
    provider: ProviderEnum, part: Any
) -> None:
    assert "messages[0].content[0]" in str(said_by(provider, part).unbounded)


@pytest.mark.parametrize(
    "body",
    [
        '{"max_tokens": 1, "max_tokens": 100, %s}',
        '{"max_tokens": 100, "max_tokens": 1, %s}',
        '{"max_tokens": 1, "max\\u005ftokens": 100, %s}',
        '{"max_tokens": 1, "\\u006dax_tokens": 100, %s}',
        '{"max_tokens": 1, %s, "model": "claude-opus-5"}',
        '{"max_tokens": 1, "thinking": {"type": "disabled", "type": "adaptive"}, %s}',
        '{"max_tokens": 1, "tools": [{"name": "a", "name": "b", "input_schema": {}}], %s}',
    ],
)
def test_a_duplicate_key_is_unknown(body: str) -> None:
    rest = '"model": "claude-haiku-4-5", "messages": []'
    assert "twice" in str(facts_of((body % rest).encode()).unbounded)
