"""Translates calls for typed answers from Anthropic's protocol to OpenAI's, for the local model.

llama.cpp enforces a JSON Schema in OpenAI-style chat completions, but not in Anthropic's messages.
So such a call is sent as a chat completion, and its response is converted to a message.
"""

from __future__ import annotations

import json
from typing import Any

from server.local_model.service import prepare_request
from server.net.upstreams import Translation

_STOP_REASONS = {"length": "max_tokens"}


def translate_typed_call(path: str, body: bytes) -> Translation | None:
    """Return the chat completion that replaces a call for a typed answer; None for other calls."""
    if path != "/v1/messages" or b'"output_config"' not in body:
        return None
    try:
        asked = json.loads(body)
        schema = asked["output_config"]["format"]["schema"]
        messages = [_message("system", asked.get("system") or "")]
        messages += [_message(each["role"], each["content"]) for each in asked["messages"]]
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return None  # llama.cpp reports the error better
    if asked.get("stream") or not isinstance(schema, dict):
        return None
    chat = {
        "model": asked.get("model"),
        "messages": [message for message in messages if message["content"]],
        "max_tokens": asked.get("max_tokens"),
        "stop": asked.get("stop_sequences") or [],
        "response_format": {"type": "json_object", "schema": schema},
    }
    return Translation(
        "/v1/chat/completions", prepare_request(json.dumps(chat).encode()), _to_message
    )


def _message(role: str, content: Any) -> dict[str, str]:
    if isinstance(content, str):
        return {"role": role, "content": content}
    texts = [block["text"] for block in content if block["type"] == "text"]
    return {"role": role, "content": "\n".join(texts)}


def _to_message(body: bytes) -> bytes:
    """Convert a chat completion to an Anthropic message; return other responses unchanged."""
    try:
        completion = json.loads(body)
        choice, used = completion["choices"][0], completion["usage"]
        message = {
            "id": f"msg_{completion['id']}",
            "type": "message",
            "role": "assistant",
            "model": completion["model"],
            "content": [{"type": "text", "text": choice["message"]["content"] or ""}],
            "stop_reason": _STOP_REASONS.get(choice["finish_reason"], "end_turn"),
            "stop_sequence": None,
            "usage": {
                "input_tokens": used["prompt_tokens"],
                "output_tokens": used["completion_tokens"],
            },
        }
    except (ValueError, LookupError, TypeError):
        return body
    return json.dumps(message).encode()
