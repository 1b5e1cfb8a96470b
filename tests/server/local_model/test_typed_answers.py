"""Typed answers in Anthropic's protocol, translated for the local model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.local_model.typed_answers import translate_typed_call

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
ASKED: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
        },
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ],
    "stop_sequences": ["END"],
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
}
COMPLETION = {
    "id": "7",
    "model": "small",
    "choices": [{"finish_reason": "stop", "message": {"content": '{"name": "x"}'}}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 6},
}


def test_call_is_translated_to_the_other_protocol_with_the_same_limits() -> None:
    found = translate_typed_call("/v1/messages", json.dumps(ASKED).encode())
    assert found is not None
    assert found.path == "/v1/chat/completions"
    assert json.loads(found.body) == {
        "model": "claude",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
            {"role": "user", "content": "a\nb"},
        ],
        "max_tokens": 9,
        "temperature": 0,
        "stop": ["END"],
        "response_format": {"type": "json_object", "schema": SCHEMA},
    }


@pytest.mark.parametrize(("finish", "stop"), [("stop", "end_turn"), ("length", "max_tokens")])
def test_completion_is_returned_as_a_message_with_its_tokens(finish: str, stop: str) -> None:
    found = translate_typed_call("/v1/messages", json.dumps(ASKED).encode())
    assert found is not None
    choice = {**COMPLETION["choices"][0], "finish_reason": finish}  # type: ignore[index]
    assert json.loads(found.back(json.dumps({**COMPLETION, "choices": [choice]}).encode())) == {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "small",
        "content": [{"type": "text", "text": '{"name": "x"}'}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 6},
    }


def test_error_is_returned_unchanged() -> None:
    found = translate_typed_call("/v1/messages", json.dumps(ASKED).encode())
    assert found is not None
    for body in (b'{"error": {"message": "no"}}', b"", b"\xff", b"[]"):
        assert found.back(body) == body


@pytest.mark.parametrize(
    "change",
    [
        {"stream": True},
        {"output_config": {"effort": "low"}},
        {"output_config": None},
        {"output_config": {"format": {"schema": "x"}}},
        {"messages": None},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [1]}]},
    ],
)
def test_any_other_call_is_left_as_it_is(change: dict[str, Any]) -> None:
    assert translate_typed_call("/v1/messages", json.dumps({**ASKED, **change}).encode()) is None


def test_other_paths_and_broken_bodies_are_left_as_they_are() -> None:
    assert translate_typed_call("/v1/chat/completions", json.dumps(ASKED).encode()) is None
    assert translate_typed_call("/v1/messages", b'{"output_config"') is None
    assert translate_typed_call("/v1/messages", b'["output_config"]') is None
