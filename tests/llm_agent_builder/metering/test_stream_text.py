"""What of a stream counts as text, where it is to be cut: all but what is known to be none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_agent_builder.metering.answer_readers import anthropic_reader, chat_completion_reader

MANY = 2000


def data(event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def named(kind: str, **event: Any) -> bytes:
    return f"event: {kind}\n".encode() + data({"type": kind, **event})


def delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def counted(stream: bytes, *, chat: bool, size: int = 1000) -> int:
    """Return the bytes of text that are counted when a stream has come so far."""
    make = chat_completion_reader if chat else anthropic_reader
    reader = make(stream=True, count_text=True)
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
    return reader.seen.text_bytes


TEXT = " abc"
CHAT_FORMS: dict[str, bytes] = {
    "delta": data(delta(content=TEXT)),
    "reasoning": data(delta(reasoning_content=TEXT)),
    "message": data({"choices": [{"message": {"content": TEXT}}]}),
    "text of a choice": data({"choices": [{"text": TEXT}]}),
    "token": data({"token": {"text": TEXT}}),
    "one choice": data({"choices": {"delta": {"content": TEXT}}}),
    "delta of text": data({"choices": [{"delta": TEXT}]}),
    "delta of a list": data({"choices": [{"delta": [TEXT]}]}),
    "no JSON": b"data: abc abc\n\n",
    "list": data([delta(content=TEXT)]),
    "text alone": data(TEXT),
    "choices twice": b'data: {"choices":[{"delta":{"content":" abc"}}],"choices":[]}\n\n',
    "delta twice": b'data: {"choices":[{"delta":{"content":" abc"},"delta":{}}]}\n\n',
    "key": data(delta(**{" abc": ""})),
    "number": data(delta(content=12345678)),
    "unknown field": data({"choices": [], "words": TEXT}),
    "logprobs without text": data(
        {"choices": [{"delta": {}, "logprobs": {"content": [{"token": TEXT}]}}]}
    ),
    "upper case": b"Data: " + json.dumps(delta(content=TEXT)).encode() + b"\n\n",
    "space before": b" data: " + json.dumps(delta(content=TEXT)).encode() + b"\n\n",
    "byte order mark": b"\xef\xbb\xbfdata: " + json.dumps(delta(content=TEXT)).encode() + b"\n\n",
    "names of events": b"event: abcd\n\n",
    "ids": b"id: abcd\n\n",
    "other lines": b"abc abc abc\n",
    "single line ends": b"data: " + json.dumps(delta(content=TEXT)).encode() + b"\n",
    "UTF-16": data(delta(content=TEXT)).decode().encode("utf-16-le"),
    "carriage returns": data(delta(content=TEXT)).replace(b"\n", b"\r"),
}
ANTHROPIC_FORMS: dict[str, bytes] = {
    "delta": named("content_block_delta", delta={"type": "text_delta", "text": TEXT}),
    "unknown type": data({"type": "completion", "completion": TEXT}),
    "no type": data({"content": TEXT}),
    "no JSON": b"data: abc abc\n\n",
    "message_start": data({"type": "message_start", "message": {"content": [{"text": TEXT}]}}),
    "content_block_start": data({"type": "content_block_start", "content_block": {"text": TEXT}}),
    "message_delta": data({"type": "message_delta", "delta": {"text": TEXT}}),
    "type of a delta": data({"type": "content_block_delta", "delta": {"type": TEXT, "text": TEXT}}),
    "ping with text": data({"type": "ping", "text": TEXT}),
    "type twice": b'data: {"type":"content_block_delta","delta":{"text":"abcd"},"type":"ping"}\n\n',
    "delta twice": b'data: {"type":"content_block_delta","delta":{"text":"abcd"},"delta":null}\n\n',
    "bare name": b"event: content_block_delta\n\n",
}
ENDLESS: dict[str, bytes] = {
    "pings": data({"type": "ping"}),
    "comments": b": abc\n\n",
    "blank lines": b"\n",
    "empty data": b"data:\n\n",
    "empty events": data({}),
    "ends": b"data: [DONE]\n\n",
    "errors": data({"type": "error", "error": {"message": "abc"}}),
    "names": b"event: ping\n\n",
    "numbers": b"id: 7\n\n",
    "roles": data(delta(role=TEXT)),
    "models": data({"model": TEXT, "choices": []}),
}


@pytest.mark.parametrize("name", CHAT_FORMS)
def test_text_counts_in_any_form_of_a_chat_completion(name: str) -> None:
    assert counted(CHAT_FORMS[name] * MANY, chat=True) >= len(TEXT) * (MANY - 200)


@pytest.mark.parametrize("name", ANTHROPIC_FORMS)
def test_text_counts_in_any_form_of_a_message(name: str) -> None:
    assert counted(ANTHROPIC_FORMS[name] * MANY, chat=False) >= len(TEXT) * (MANY - 200)


@pytest.mark.matrix(keep=20)
@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("name", ENDLESS)
def test_no_repeated_event_is_free(name: str, size: int, chat: bool) -> None:
    assert (
        counted(ENDLESS[name] * MANY, chat=chat, size=size) >= MANY // 2 - 40
    )  # each byte a piece


def test_other_comments_and_names_count_by_their_bytes() -> None:
    for form in (": words {}\n\n", 'data: {{"choices": [], "id": "words {}"}}\n\n'):
        stream = "".join(form.format(number) for number in range(MANY)).encode()
        assert counted(stream, chat=True) >= 7 * (MANY - 200)


# ---------------------------------------------------------------- what providers send

TEXTS = ["Twelve", " quick", " brown", " foxes", " ü they", " jump"] * 50
SIZE = len("".join(TEXTS).encode())
OVERHEAD = 100
"""Tokens that everything beside the text of such a stream may count."""

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 0,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 1,
    "service_tier": "standard",
    "inference_geo": "not_available",
}


def message_stream(block: dict[str, Any], deltas: list[dict[str, Any]]) -> bytes:
    message: dict[str, Any] = {
        **{"id": "msg_01XFDUDYJgAACzvnptvVoYEL", "type": "message", "role": "assistant"},
        **{"model": "claude-haiku-4-5-20251001", "content": [], "stop_reason": None},
        **{"stop_sequence": None, "usage": USAGE},
    }
    events = [named("content_block_delta", index=0, delta=each) for each in deltas]
    return b"".join(
        [
            named("message_start", message=message),
            named("content_block_start", index=0, content_block=block),
            named("ping"),
            *(event + named("ping") * (place % 20 == 0) for place, event in enumerate(events)),
            named("content_block_stop", index=0),
            named(
                "message_delta",
                delta={"stop_reason": "end_turn", "stop_sequence": None},
                usage={"output_tokens": 300},
            ),
            named("message_stop"),
        ]
    )


def test_message_counts_as_its_text() -> None:
    deltas = [{"type": "text_delta", "text": text} for text in TEXTS]
    size = counted(message_stream({"type": "text", "text": ""}, deltas), chat=False)
    assert SIZE <= size <= SIZE + OVERHEAD


def test_the_signature_of_visible_thinking_is_not_text() -> None:
    deltas = [{"type": "thinking_delta", "thinking": text} for text in TEXTS]
    signature = "Eq4B" * (SIZE // 3)
    deltas.append({"type": "signature_delta", "signature": signature})
    block = {"type": "thinking", "thinking": "", "signature": ""}
    stream = message_stream(block, deltas)
    assert SIZE <= counted(stream, chat=False) <= SIZE + OVERHEAD
    alone = message_stream(block, deltas[-1:] * 5)
    assert counted(alone, chat=False) > 4 * len(signature)


def chat_stream(field: str = "content", **more: Any) -> bytes:
    frame = {
        **{"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk"},
        **{"created": 1764000000, "model": "deepseek-ai/DeepSeek-V3-0324"},
        **{"system_fingerprint": "fp_3f1a", "service_tier": None, "usage": None},
    }
    usage = {"prompt_tokens": 10, "completion_tokens": 300, "total_tokens": 310}
    first = {**frame, **delta(role="assistant", content=""), "x_groq": {"id": "req_01abc"}}
    chunks = [first]
    for number, text in enumerate(TEXTS):
        words = {field: text} if field == "content" else {"content": None, field: text}
        choice = {**delta(role="assistant", **words)["choices"][0], "logprobs": None, **more}
        chunks.append({**frame, "created": 1764000000 + number, "choices": [choice]})
    last = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": None}
    chunks += [{**frame, "choices": [last]}, {**frame, "choices": [], "usage": usage}]
    return b"".join(map(data, chunks)) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("field", ["content", "reasoning", "reasoning_content", "refusal"])
def test_chat_completion_counts_as_its_text(field: str) -> None:
    assert SIZE <= counted(chat_stream(field), chat=True) <= SIZE + OVERHEAD


def test_logprobs_of_a_text_do_not_count_again() -> None:
    top = [{"token": "1234", "logprob": -12.5, "bytes": [32, 97, 98, 99]}] * 20
    for text in ("Twelve", " foxes"):
        token = {"token": text, "logprob": -0.1, "bytes": list(text.encode())}
        odds = {"content": [{**token, "top_logprobs": top}], "refusal": None}
        chunk = {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": odds}]}
        least = len(text)
        assert least * MANY <= counted(data(chunk) * MANY, chat=True) <= 2 * least * MANY


def test_reasoning_in_several_fields_counts_once() -> None:
    details = [{"type": "reasoning.text", "text": TEXT, "format": "unknown", "index": 0}]
    for more in ({"reasoning_content": TEXT}, {"reasoning_details": details}):
        chunk = delta(content="", reasoning=TEXT, **more)
        assert counted(data(chunk) * 100, chat=True) <= len(TEXT) * 100 + OVERHEAD


def test_keep_alive_comments_hardly_count() -> None:
    waiting = b": OPENROUTER PROCESSING\n\n" * 100
    waiting += b"".join(b": ping - 2026-11-28 12:00:%02d\n\n" % second for second in range(30))
    assert counted(waiting + chat_stream(), chat=True) <= SIZE + 2 * OVERHEAD + 30 * 32
    few = b": keep-alive\n\n" * 30
    assert counted(few + chat_stream(), chat=True) <= SIZE + OVERHEAD


def test_numbered_events_and_names_of_events_hardly_count() -> None:
    stream = chat_stream()
    lines = [b"id: %d\nevent: token\nretry: 3000\n" % number for number in range(400)]
    events = stream.split(b"data: ")[1:]
    framed = b"".join(line + b"data: " + event for line, event in zip(lines, events, strict=False))
    assert counted(framed, chat=True) <= SIZE + OVERHEAD


def test_piece_of_an_event_counts_no_more_than_the_whole() -> None:
    long = delta(content="x", obfuscation=None)
    stream = data({**long, "usage": {"a": [0] * 1000}})
    for end in range(0, len(stream), 100):
        assert counted(stream[:end], chat=True) <= OVERHEAD
