"""Tables of the known fields, types and content parts of both protocols' requests.

With these alone, the highest cost of a call is known before it is made. Sources: the parameters of
the installed SDKs (`anthropic.types.message_create_params`, beta too, and `huggingface_hub`'s
generated chat completion), which a test compares with these tables, and
https://platform.claude.com/docs/en/api/messages. Under a budget of dollars or tokens, calls with
anything else are refused, and the message names its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_agent_builder.json_input.strict import DuplicateKeys
from llm_agent_builder.providers import Protocol
from llm_agent_builder.requests.checks import (
    Check,
    Walk,
    Where,
    agents_tool,
    anything,
    base64_image,
    fields,
    flag,
    fold,
    image,
    image_address,
    instructed,
    items,
    kinds,
    number,
    number_from,
    one_of,
    only,
    text,
    text_or,
    tools,
    types_of,
    unbounded,
    whole,
)

MOST_TOKENS = 10_000_000
"""More tokens than any model writes."""
MOST_ANSWERS = 128

_TOKENS = whole(1, MOST_TOKENS)
_CACHE = fields({"type": one_of("ephemeral"), "ttl": one_of("5m", "1h")})
_NAMED = fields({"type": text, "name": text, "disable_parallel_tool_use": flag})

# ---------------------------------------------------------------- Anthropic's parts of messages


def _part(known: Mapping[str, Check]) -> Check:
    return fields({"type": text, "cache_control": _CACHE, "citations": anything, **known})


_BY_ADDRESS = unbounded("content that the provider fetches", reaches=True)
_STORED_FILE = unbounded("a file that is stored at the provider", reaches=True)


def _fetched_image(walk: Walk, value: Any, where: Where) -> None:
    walk.note_reach(where, "an image that the provider fetches")


_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BASE64_IMAGE = base64_image(
    _IMAGE_TYPES,
    fields({"type": text, "media_type": one_of(*_IMAGE_TYPES), "data": text}, "data"),
)
_IMAGE = _part(
    {
        "source": kinds(
            {
                "base64": _BASE64_IMAGE,
                "url": _fetched_image,  # of any size; counts as one image
                "file": _STORED_FILE,
            }
        ),
        "transformations": fields({"oversized_image": one_of("downsize", "error")}),
    }
)
_TEXT = _part({"text": text})
_SIMPLE_PARTS = items(kinds({"text": _TEXT, "image": image(_IMAGE)}))
_DOCUMENT_SOURCES = {
    "text": fields({"type": text, "media_type": one_of("text/plain"), "data": text}),
    "content": fields({"type": text, "content": text_or(_SIMPLE_PARTS)}),
    "base64": unbounded("a PDF document"),
    "url": _BY_ADDRESS,
    "file": _STORED_FILE,
}
_DOCUMENT = fields(
    {
        "type": text,
        "cache_control": _CACHE,
        "citations": fields({"enabled": flag}),
        "context": text,
        "title": text,
        "source": kinds(_DOCUMENT_SOURCES),
    },
    "source",
)
_GIVEN_PARTS: Mapping[str, Check] = {
    "text": _TEXT,
    "image": image(_IMAGE),
    "document": _DOCUMENT,
    "search_result": _part({"content": _SIMPLE_PARTS, "source": text, "title": text}),
}
_TOOL_RESULT = _part(
    {
        "tool_use_id": text,
        "content": text_or(items(kinds(_GIVEN_PARTS))),
        "is_error": flag,
        "toolset_name": text,
    }
)
_CALLED = fields({"type": one_of("direct")})
PARTS: Mapping[str, Check] = {
    **_GIVEN_PARTS,
    "thinking": _part({"thinking": text, "signature": text}),
    "redacted_thinking": _part({"data": text}),
    "tool_use": _part(
        {"id": text, "name": text, "input": anything, "caller": _CALLED, "toolset_name": text}
    ),
    "tool_result": _TOOL_RESULT,
    "container_upload": _STORED_FILE,
}

# ---------------------------------------------------------------- Anthropic's tools

_TOOL_FIELDS: Mapping[str, Check] = {
    "type": text,
    "name": text,
    "cache_control": _CACHE,
    "strict": flag,
    "defer_loading": flag,
    "input_examples": anything,
    "allowed_callers": items(one_of("direct")),
}
_CUSTOM_FIELDS: Mapping[str, Check] = {
    **_TOOL_FIELDS,
    "description": text,
    "input_schema": anything,
    "eager_input_streaming": flag,
}
_CUSTOM_TOOL = agents_tool(fields(_CUSTOM_FIELDS, "name", "input_schema"), *_CUSTOM_FIELDS)
_BUILT_IN = instructed(
    fields(
        {
            **_TOOL_FIELDS,
            "max_characters": whole(1, MOST_TOKENS),
            "display_width_px": number,
            "display_height_px": number,
            "display_number": number,
            "enable_zoom": flag,
        }
    )
)
CLIENT_TOOLS = (
    "bash_20241022",
    "bash_20250124",
    "computer_20241022",
    "computer_20250124",
    "computer_20251124",
    "memory_20250818",
    "text_editor_20241022",
    "text_editor_20250124",
    "text_editor_20250429",
    "text_editor_20250728",
)
"""Tools that the provider defines and the agent executes."""
_UNBOUNDED_TOOL = unbounded("a tool whose instructions or turns have no known limit")
_TOOLS: Mapping[str, Check] = {
    "custom": _CUSTOM_TOOL,
    **dict.fromkeys(CLIENT_TOOLS, _BUILT_IN),
    # These reach no address, but the size of their instructions is unknown.
    "browser_toolset_20260801": _UNBOUNDED_TOOL,
    "computer_toolset_20260801": _UNBOUNDED_TOOL,
    "tool_search_tool_bm25": _UNBOUNDED_TOOL,
    "tool_search_tool_bm25_20251119": _UNBOUNDED_TOOL,
    "tool_search_tool_regex": _UNBOUNDED_TOOL,
    "tool_search_tool_regex_20251119": _UNBOUNDED_TOOL,
}


def _other_tool(own: str, look: Check) -> Check:
    """Return the check of other tools: one that the agent executes has an object `own` and no type.

    The provider executes all others.
    """

    def check(walk: Walk, value: Any, where: Where) -> None:
        types = [each for each in types_of(value) if each is not None]
        if types or isinstance(value, DuplicateKeys):
            what = f"a provider's tool of type {next(iter(types), None)!r:.60}"
            walk.note_unbounded(where, what)
            walk.note_reach(where, what)
        elif isinstance(value, dict) and value.get(own) is not None:
            look(walk, value, where)
        else:
            walk.unknown(value, where, f"has neither a type nor {own}")
            walk.note_reach(where, f"a tool without {own}, which the agent can't execute")

    return check


# ---------------------------------------------------------------- Anthropic's requests

_MESSAGE = fields(
    {
        "role": one_of("user", "assistant", "system"),
        "content": text_or(items(kinds(PARTS))),
    }
)


def _enabled_thinking(walk: Walk, value: Any, where: Where) -> None:
    fields({"type": text, "budget_tokens": _TOKENS, "display": text})(walk, value, where)


def _thread(walk: Walk, value: Any, where: Where) -> None:
    what = "a conversation that the provider stores; thread=False sends it whole"
    unbounded(what)(walk, value, where)
    ids = {"id", "threadid"}  # the SDK names the previous message instead of a thread
    if isinstance(value, str) or (isinstance(value, dict) and ids & set(map(fold, value))):
        walk.note_reach(where, "a conversation that is stored at the provider")


_SCHEMA = instructed(fields({"type": one_of("json_schema"), "schema": anything}))
_PROVIDERS_SERVERS = unbounded("servers that the provider calls", reaches=True)
_AMOUNT = fields({"type": one_of("input_tokens", "tool_uses"), "value": whole(0, MOST_TOKENS)})
_TURNS = fields({"type": one_of("thinking_turns", "all"), "value": whole(0, MOST_TOKENS)})
_EDITS: Mapping[str, Check] = {
    "clear_tool_uses_20250919": fields(
        {
            "type": text,
            "trigger": _AMOUNT,
            "keep": _AMOUNT,
            "clear_at_least": _AMOUNT,
            "clear_tool_inputs": anything,
            "exclude_tools": items(text),
        }
    ),
    "clear_thinking_20251015": fields({"type": text, "keep": text_or(_TURNS)}),
}
"""Edits that only shorten the input. `compact_20260112` is missing, as it makes another call."""
ANTHROPIC: Mapping[str, Check] = {
    "model": text,
    "max_tokens": _TOKENS,
    "messages": items(_MESSAGE),
    "system": text_or(items(kinds({"text": _TEXT}))),
    "stream": flag,
    "stop_sequences": items(text),
    "temperature": number,
    "top_p": number,
    "top_k": number,
    "tools": instructed(tools(kinds(_TOOLS, _other_tool("input_schema", _CUSTOM_TOOL)))),
    "tool_choice": kinds(dict.fromkeys(("auto", "any", "none", "tool"), _NAMED)),
    "thinking": kinds(
        {
            "adaptive": fields({"type": text, "display": text}),
            "between_tools": fields({"type": text}),
            "disabled": fields({"type": text}),
            "enabled": _enabled_thinking,
        }
    ),
    "output_config": fields(
        {"effort": one_of("low", "medium", "high", "xhigh", "max"), "format": _SCHEMA}
    ),
    "output_format": _SCHEMA,
    "metadata": fields({"user_id": text}),
    "cache_control": _CACHE,
    "context_management": fields({"edits": items(kinds(_EDITS))}),
    "diagnostics": fields({"previous_message_id": text}),
    "service_tier": text,
    "inference_geo": text,
    "speed": text,
    "thread": _thread,
    "container": unbounded("a machine at the provider", reaches=True),
    "mcp_servers": _PROVIDERS_SERVERS,
}

# ---------------------------------------------------------------- chat completions

_CHAT_PARTS: Mapping[str, Check] = {
    "text": _part({"text": text}),
    "refusal": fields({"type": text, "refusal": text}),
    "image_url": image(
        _part({"image_url": fields({"url": image_address, "detail": text}, "url")}),
    ),
    "input_audio": unbounded("audio"),
}
_FUNCTION_CALL = fields({"name": text, "arguments": anything, "description": text})
_REASONING_DETAIL = fields(
    {
        "type": one_of("reasoning.text", "reasoning.summary"),
        "text": text,
        "summary": text,
        "signature": text,
        "id": text,
        "format": text,
        "index": number,
    }
)
_CHAT_MESSAGE = fields(
    {
        "role": one_of("system", "developer", "user", "assistant", "tool", "function"),
        "content": text_or(items(kinds(_CHAT_PARTS))),
        "name": text,
        "tool_call_id": text,
        "tool_calls": items(
            fields(
                {
                    "id": text,
                    "type": one_of("function"),
                    "index": number,
                    "function": _FUNCTION_CALL,
                }
            )
        ),
        "refusal": text,
        "reasoning": text,
        "reasoning_content": text,
        "reasoning_details": items(_REASONING_DETAIL),
        "function_call": _FUNCTION_CALL,
        "channel": text,
        "partial": flag,
    }
)
_FUNCTION = fields(
    {
        "name": text,
        "description": text,
        "parameters": anything,
        "strict": flag,
        "return": anything,  # as transformers' get_json_schema writes it
    }
)
_CHAT_TOOL = agents_tool(
    fields({"type": text, "function": _FUNCTION}),
    *(
        "function",
        "parameters",
        "strict",
        "cache_control",
    ),  # some write the function's fields directly here
)
_JSON_ANSWER = instructed(
    fields(
        {
            "type": text,
            "json_schema": fields(
                {"name": text, "description": text, "schema": anything, "strict": flag}
            ),
            "value": anything,
        }
    )
)
_EFFORT = one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")
CHAT: Mapping[str, Check] = {
    "model": text,
    "messages": items(_CHAT_MESSAGE),
    "stream": flag,
    "stream_options": fields({"include_usage": flag, "include_obfuscation": flag}),
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "n": whole(1, MOST_ANSWERS),
    "temperature": number,
    "top_p": number,
    "frequency_penalty": number,
    "presence_penalty": number,
    # Below 1 it favors tokens of the prompt, such as the separators between messages, which no
    # stream shows.
    "repetition_penalty": number_from(1, 10),
    "top_k": whole(-1, 2**31),
    "min_p": number,
    "logit_bias": anything,
    "logprobs": flag,
    "top_logprobs": whole(0, 100),
    "seed": whole(-(2**63), 2**63),
    "stop": text_or(items(text)),
    "user": text,
    "metadata": anything,
    "reasoning_effort": _EFFORT,
    "reasoning": fields({"effort": _EFFORT}),
    "enable_thinking": flag,
    "chat_template_kwargs": fields({"enable_thinking": flag, "thinking": flag}),
    "verbosity": one_of("low", "medium", "high"),
    "prompt_cache_key": text,
    "safety_identifier": text,
    "store": only(False),
    "response_format": kinds(
        {
            "text": fields({"type": text}),
            "json_object": _JSON_ANSWER,
            "json_schema": _JSON_ANSWER,
            "json": _JSON_ANSWER,
            "regex": instructed(fields({"type": text, "value": text})),
        }
    ),
    "tools": instructed(
        tools(kinds({"function": _CHAT_TOOL}, _other_tool("function", _CHAT_TOOL)))
    ),
    "tool_choice": text_or(
        fields({"type": one_of("function"), "function": fields({"name": text})})
    ),
    "tool_prompt": text,
    "parallel_tool_calls": flag,
    "service_tier": text,
    "mcp_servers": _PROVIDERS_SERVERS,
    "web_search_options": unbounded("a search by the provider", reaches=True),
    "search_parameters": unbounded("a search by the provider", reaches=True),
    "web_search": unbounded("a search by the provider", reaches=True),
    "plugins": unbounded("the provider's tools", reaches=True),
}

REQUESTS: Mapping[Protocol, Check] = {
    Protocol.MESSAGES: fields(ANTHROPIC),
    Protocol.CHAT: fields(CHAT),
}
LEFT_OUT = frozenset(
    {
        *("billing_policy", "compaction", "fallback_credit_token", "fallbacks"),
    }
)
"""Fields of the SDKs that are missing on purpose: another account pays, or the provider makes more
calls or adds content that isn't in the request."""
IN_HEADERS = frozenset({"betas", "user_profile_id", "workspace_id"})
"""Parameters of the SDKs that are sent as headers."""
