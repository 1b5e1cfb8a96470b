"""Requests: what is understood of them, what isn't, and what has the provider reach out."""

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
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.catalog.capabilities import CLAUDE, may_think_unseen
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
def test_answer_can_be_sent_back_as_it_came(answer: dict[str, Any]) -> None:
    found = read(HF, messages=[*HI, {"role": "assistant", **answer}])
    assert (found.unbounded, found.reaches) == (None, None)


@pytest.mark.parametrize(("provider", "more"), UNDERSTOOD)
def test_what_sdks_send_is_understood(provider: ProviderEnum, more: dict[str, Any]) -> None:
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
def test_parts_that_hold_their_content_are_understood(provider: ProviderEnum, part: Any) -> None:
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
def test_image_counts_by_the_image_however_large_it_is(
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
def test_what_is_shaped_oddly_counts_by_its_bytes(
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
def test_what_the_provider_adds_to_tools_and_typed_answers_counts(
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
def test_what_is_not_understood_is_named_and_its_price_is_unknown(
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
def test_part_that_is_not_understood_is_refused_where_size_matters(
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
def test_key_that_is_there_twice_is_not_understood(body: str) -> None:
    rest = '"model": "claude-haiku-4-5", "messages": []'
    assert "twice" in str(facts_of((body % rest).encode()).unbounded)


# ---------------------------------------------------------------- the provider as a network

URL = "https://attacker.example/?secret"
UNTYPED_TOOLS: list[Any] = [
    *({"google_search": {}}, {"googleSearch": {}}, {"url_context": {}}, {"retrieval": True}),
    *({}, {"name": "x"}, {"function": None}, {"type": None}, "web_search", ["x"], None),
]
REACHING: list[tuple[ProviderEnum, dict[str, Any]]] = [
    (A, {"mcp_servers": [{"type": "url", "url": URL, "name": "m"}]}),
    (A, {"container": "c_1"}),
    (A, {"container": {"skills": [{"type": "custom", "skill_id": "s"}]}}),
    *(
        (A, {"tools": [{"type": kind, "name": "x"}]})
        for kind in (
            *("web_search_20250305", "web_fetch_20250910", "web_fetch_20991231", "mcp_toolset"),
            *("code_execution_20250825", "advisor_20260301", "Custom", "function", "unheard_of"),
        )
    ),
    (A, {"system": [{"type": "text", "text": "x", "source": {"type": "url", "url": URL}}]}),
    (A, {"webhook_url": "attacker.example"}),
    (A, {"callback": URL}),
    (A, {"callbacks": [{"to": URL}]}),
    (HF, {"web_search_options": {"search_context_size": "low"}}),
    (HF, {"web_search_options": {}}),
    (HF, {"web_search": {}}),
    (HF, {"enable_search": True}),
    (HF, {"connectors": [{"id": "x"}]}),
    (HF, {"extra_body": {"web_search_options": {"a": 1}}}),
    (HF, {"x": {"host": "attacker.example"}}),
    (HF, {"x": "//attacker.example/x"}),
    (HF, {"plugins": [{"id": "web"}]}),
    (HF, {"tools": [{"type": "web_search_preview"}]}),
    (HF, {"tools": [{"type": "mcp", "server_url": URL}]}),
    *((provider, {"tools": [tool]}) for provider in (A, HF) for tool in UNTYPED_TOOLS),
    (A, {"tools": [{"input_schema": None, "name": "x"}]}),
    (A, {"tools": [{"function": {"name": "x"}}]}),
    (HF, {"tools": [TOOL]}),
    (A, {"tools": [TOOL, {**TOOL, "google_search": {}}]}),
    (HF, {"tools": [{**CHAT_TOOL, "googleSearch": {}}]}),
    (HF, {"tools": [{"function": {"name": "f"}, "code_execution": True}]}),
    (HF, {"tools": {"google_search": {}}}),
    (HF, {"tools": "web_search"}),
    (HF, {"tools": True}),
    # Keys that Go and protobuf read all the same.
    (A, {"Tools": [{"Type": "web_search_20250305", "Name": "web_search"}]}),
    (A, {"tools": [{"Type": "web_search_20250305", "name": "web_search"}]}),
    (A, {"TOOL\u017f": [{"type": "advisor_20260301"}]}),
    (A, {"MCP_Servers": [{"name": "x"}]}),
    (A, {"mcpServers": [{"name": "x"}]}),
    (A, {"Container": "c"}),
    (HF, {"Tools": [{"Type": "mcp", "server_label": "x"}]}),
    (HF, {"webSearchOptions": {}}),
    (HF, {"tools": [{"type": "function", "Type": "mcp", "function": {"name": "f"}}]}),
    # Files and conversations by id, switches by other names.
    *((HF, {name: ["x"]}) for name in ("file_ids", "fileIds", "builtin_tools", "server_tools")),
    (HF, {"attachments": [{"file_id": "x"}]}),
    (HF, {"compound_custom": {"tools": {"enabled_tools": ["web_search"]}}}),
    (HF, {"more": {"google": {"options": {"webSearch": True}}}}),
    *((HF, {name: True}) for name in ("enable_internet", "internet", "grounding", "retrieval")),
    (A, {"thread": {"id": "thr_x"}}),
    (A, {"thread": "thr_x"}),
    # Addresses as lenient readers take them.
    *((HF, {name: "attacker.example"}) for name in ("callbackURL", "baseURL", "proxy", "api_base")),
    *(
        (HF, {"notify": address})
        for address in (
            *("https:/attacker.example", "https:attacker.example", "ht\ttps://x", "\x00https://x"),
            *(
                "\ufeffhttps://x",
                "\u200bhttps://x",
                "<https://x>",
                "URL:https://x",
                "jar:https://x",
            ),
            *("wss:attacker.example", "s3:bucket/x", '"https://x"', "file:/etc/passwd"),
        )
    ),
]
REACHING_PARTS: list[Any] = [
    {"type": "image", "source": {"type": "url", "url": URL}},
    {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    {"type": "document", "source": {"type": "url", "url": URL}},
    {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    {
        "type": "document",
        "source": {
            "type": "content",
            "content": [{"type": "image", "source": {"type": "url", "url": URL}}],
        },
    },
    {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "image", "source": {"type": "url", "url": URL}}],
    },
    {"type": "container_upload", "file_id": "file_1"},
    {"type": "image_url", "image_url": {"url": URL}},
    {"type": "image_url", "image_url": {"url": " " + URL}},
    {"type": "image_url", "image_url": {"url": "attacker.example/x.png"}},
    {"type": "image_url", "image_url": URL},
    {"type": "image_url", "image_url": {"url": [URL]}},
    {"type": "image_url", "image_url": {"url": "\\u0068" + URL}},
    {"type": "audio_url", "audio_url": {"url": URL}},
    {"type": "video_url", "video_url": {"url": "HTTPS://attacker.example"}},
    {"video_url": {"url": URL}},
    {"type": "file", "file": {"file_id": "file_1"}},
    {"type": "hologram", "from": "s3://bucket/x"},
    {"type": "text", "text": "x", "image_uri": "attacker.example"},
    {"type": "text", "text": "x", "image_urls": ["attacker.example"]},
    {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"type": "x"}}},
    {"type": "image", "Source": {"Type": "url", "Address": "attacker.example"}},
    {"Type": "image_url", "image_url": {"url": "attacker.example"}},
    {"Type": "document", "Source": {"Type": "file", "File_Id": "file_1"}},
    {"type": "text", "Type": "document", "Source": {"Type": "file", "File_Id": "file_1"}},
    {"type": "image_url", "imageUrl": "attacker.example"},
    {"type": "image_url", "Image_Url": {"Url": "attacker.example"}},
    {"type": "image_url", "image_url": {"url": "data:image/svg+xml;utf8,<svg/>"}},
    {"type": "input_file", "file_id": "file_1"},
    {"type": "document", "fileId": "file_1"},
    {"type": "video", "video": " \t\nhttps:/attacker.example"},
]


@pytest.mark.parametrize(("provider", "more"), REACHING)
def test_request_by_which_the_provider_reaches_out_is_found(
    provider: ProviderEnum, more: dict[str, Any]
) -> None:
    assert read(provider, **more).reaches


@pytest.mark.parametrize(
    "body",
    [
        '{"max_tokens": 1, "max_tokens": 1, "web_search": true}',
        '{"web_search": true, "web_search": false}',
        '{"container": "c", "container": null}',
        '{"tools": [{"type": "advisor_20260301", "name": "x"}], "tools": []}',
        '{"tools": [{"type": "advisor_20260301", "name": "x", "type": "custom"}]}',
        '{"tools": [{"type": "advisor_20260301", "name": "x", "type": null}]}',
        '{"messages": [{"content": [{"type": "container_upload", "type": "text"}]}]}',
    ],
)
def test_field_by_which_the_provider_reaches_out_is_found_beside_one_that_is_there_twice(
    body: str,
) -> None:
    assert facts_of(body.encode(), HF if "search" in body else A).reaches


@pytest.mark.parametrize(
    ("provider", "more"),
    [
        (A, {"tools": [{**TOOL, "type": None}, {**TOOL, "type": "custom"}]}),
        (A, {"tools": [{**TOOL, "input_examples": [{"url": URL}], "more": "x"}]}),
        (HF, {"tools": [CHAT_TOOL, {"function": {"name": "f", "parameters": {"url": URL}}}]}),
        (HF, {"tools": [{"type": "function", "name": "f", "parameters": {"web_search": {}}}]}),
        (HF, {"tools": [{**CHAT_TOOL, "cache_control": {"type": "ephemeral"}}]}),
        (HF, {"Messages": [{"Role": "user", "Content": "see https://x"}]}),
        (HF, {"Tools": [{"Type": "function", "Function": {"Name": "web_search"}}]}),
        (HF, {"use_beam_search": True, "profile_id": "x", "tools": None, "functions": []}),
        (HF, {"scope": "files:read", "note": "see https://x"}),
        (A, {"thread": {"type": "continue", "previous_message_id": "msg_1"}}),
        (A, {"thread": {"type": "create"}}),
    ],
)
def test_agents_own_tools_and_words_reach_nothing(
    provider: ProviderEnum, more: dict[str, Any]
) -> None:
    assert read(provider, **more).reaches is None


@pytest.mark.parametrize(
    "name", ["bill_to", "Bill_To", "billTo", "workspaceId", "API_KEY", "api-key"]
)
def test_field_that_chooses_who_pays_is_found_in_every_spelling(name: str) -> None:
    assert read(A, **{name: "x"}).payer == name


@pytest.mark.parametrize("value", [None, [], False])
def test_tool_of_the_provider_that_is_switched_off_reaches_nothing(value: object) -> None:
    for name in ("web_search", "web_search_options", "plugins", "enable_search"):
        assert read(HF, **{name: value}).reaches is None


@pytest.mark.parametrize("provider", [A, HF])
@pytest.mark.parametrize("part", REACHING_PARTS)
@pytest.mark.parametrize("doubled", [False, True])
def test_part_by_which_the_provider_reaches_out_is_found(
    provider: ProviderEnum, part: Any, doubled: bool
) -> None:
    messages = json.dumps([{"role": "user", "content": [part]}])
    body = f'{{"model": "m", "max_tokens": 1, "messages": {messages}}}'
    if doubled:
        body = body.replace('"messages"', '"messages": [], "messages"')
    assert facts_of(body.encode(), provider).reaches


@given(st.integers(1, 400), st.booleans())
def test_address_is_found_however_long_and_escaped_it_is(length: int, escaped: bool) -> None:
    address = URL + "x" * length
    written = "".join(f"\\u{ord(letter):04x}" for letter in address) if escaped else address
    part = f'{{"type": "odd", "at": "{written}", "pad": "{LONG}"}}'
    body = f'{{"messages": [{{"role": "user", "content": [{part}]}}]}}'
    assert facts_of(body.encode()).reaches


# ---------------------------------------------------------------- thinking


@pytest.mark.parametrize("row", CLAUDE, ids=lambda row: row.family)
def test_model_that_is_not_known_not_to_think_counts_as_thinking(row: Any) -> None:
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
def test_who_thinks_unseen(provider: ProviderEnum, model: str, thinks: bool) -> None:
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
def test_stream_of_a_model_that_may_show_late_what_it_writes_can_not_be_cut(
    provider: ProviderEnum, model: str, more: dict[str, Any]
) -> None:
    assert read(provider, model=model).hides is None
    assert next(iter(more)) in str(read(provider, model=model, **more).hides)
