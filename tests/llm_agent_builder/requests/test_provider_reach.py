"""Requests that make the provider reach the network, or another account pay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.providers import ProviderEnum
from tests.llm_agent_builder.requests.test_facts import CHAT_TOOL, HF, LONG, TOOL, A, read
from tests.support.gateway_client import facts_of

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
    # Spellings of keys that Go and protobuf accept.
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
    # Addresses that lenient parsers accept.
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
def test_a_request_that_makes_the_provider_reach_out_is_found(
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
def test_a_field_that_makes_the_provider_reach_out_is_found_beside_a_duplicate_key(
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
def test_a_disabled_provider_tool_reaches_nothing(value: object) -> None:
    for name in ("web_search", "web_search_options", "plugins", "enable_search"):
        assert read(HF, **{name: value}).reaches is None


@pytest.mark.parametrize("provider", [A, HF])
@pytest.mark.parametrize("part", REACHING_PARTS)
@pytest.mark.parametrize("doubled", [False, True])
def test_a_part_that_makes_the_provider_reach_out_is_found(
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
