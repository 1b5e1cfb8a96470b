"""`usage` in unusual forms: exact or unknown, never lower than reported before."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from llm_agent_builder.metering.answer_readers import (
    AnswerFacts,
    Reader,
    anthropic_reader,
    chat_completion_reader,
)

Usages = Sequence[Any]
"""The usage objects of one answer, in the order in which they come."""
BIG = 10**30

CHAT: dict[str, tuple[Usages, tuple[int, int] | None, int]] = {
    # name: usage objects, (input, output) or None, tokens that are certain in any case
    "plain": ([{"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}], (3, 5), 8),
    "missing": ([], None, 0),
    "null": ([None, None], None, 0),  # OpenAI sends null with each chunk but the last
    "empty": ([{}, {}], None, 0),  # BerriAI/litellm#1571 recorded `"usage": {}`
    "empty, then complete": ([{}, {"prompt_tokens": 3, "completion_tokens": 5}], (3, 5), 8),
    "without completion_tokens": (  # modelscope/evalscope#1432, microsoft/autogen#6352
        [{"prompt_tokens": 7180, "total_tokens": 7193}],
        (7180, 13),
        7193,
    ),
    "without prompt_tokens": ([{"completion_tokens": 5, "total_tokens": 8}], (3, 5), 8),
    "total only": ([{"total_tokens": 800}], None, 800),  # older TGI
    "total is its input": ([{"prompt_tokens": 9, "total_tokens": 9}], None, 9),
    "input only": ([{"prompt_tokens": 900}], None, 900),
    "output only": ([{"completion_tokens": 900}], None, 900),
    "reasoning beside the output": (  # xAI; Gemini's endpoint has it in the total only
        [
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            }
        ],
        (10, 105),
        115,
    ),
    "reasoning above the output": (
        [
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "completion_tokens_details": {"reasoning_tokens": 100},
            }
        ],
        (10, 105),
        115,
    ),
    "total above its parts": (  # Gemini's endpoint for OpenAI's SDK, thinking
        [{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 500}],
        (10, 490),
        500,
    ),
    "total below its parts": (
        [{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1}],
        (10, 5),
        15,
    ),
    "cached beside the input": (
        [
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 90},
            }
        ],
        (100, 5),
        105,
    ),
    "grows with each chunk": (  # vLLM's continuous_usage_stats, Perplexity
        [{"prompt_tokens": 3, "completion_tokens": count} for count in range(6)],
        (3, 5),
        8,
    ),
    "zero after a number": (
        [
            {"prompt_tokens": 3, "completion_tokens": 5},
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        ],
        (3, 5),
        8,
    ),
    "text behind a number": ([{"prompt_tokens": 3, "completion_tokens": 5}, None], None, 8),
    "falls": (
        [
            {"prompt_tokens": 30, "completion_tokens": 50},
            {"prompt_tokens": 3, "completion_tokens": 5},
        ],
        (30, 50),
        80,
    ),
    "zeros": ([{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}], None, 0),
    "no input": ([{"prompt_tokens": 0, "completion_tokens": 7}], None, 7),
    "split": ([{"prompt_tokens": 3}, {"completion_tokens": 5}], (3, 5), 8),
    "whole floats": ([{"prompt_tokens": 3.0, "completion_tokens": 5.0}], (3, 5), 8),
    "floats": ([{"prompt_tokens": 3, "completion_tokens": 5.5}], None, 3),
    "texts": ([{"prompt_tokens": "3", "completion_tokens": "5"}], None, 0),
    "booleans": ([{"prompt_tokens": True, "completion_tokens": 5}], None, 5),
    "negative": ([{"prompt_tokens": 3, "completion_tokens": -5}], None, 3),
    "huge": ([{"prompt_tokens": 3, "completion_tokens": BIG}], None, 3),
    "objects": ([{"prompt_tokens": {"n": 3}, "completion_tokens": [5]}], None, 0),
    "odd details": (
        [{"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": [1]}],
        None,
        8,
    ),
    "odd, then right": (
        [{"prompt_tokens": "x"}, {"prompt_tokens": 3, "completion_tokens": 5}],
        None,
        8,
    ),
}

ANTHROPIC: dict[str, tuple[Usages, tuple[int, int] | None, int]] = {
    "plain": ([{"input_tokens": 3, "output_tokens": 5}], (3, 5), 8),
    "missing": ([], None, 0),
    "empty": ([{}], None, 0),
    "input only": ([{"input_tokens": 900}], None, 900),
    "output only": ([{"output_tokens": 900}], None, 900),
    "start and end": ([{"input_tokens": 3, "output_tokens": 1}, {"output_tokens": 5}], (3, 5), 8),
    "end says all": (  # cumulative, after the provider's own tools
        [{"input_tokens": 3, "output_tokens": 1}, {"input_tokens": 300, "output_tokens": 5}],
        (300, 5),
        305,
    ),
    "end says input 0": (  # seen of proxies
        [{"input_tokens": 30, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 5}],
        (30, 5),
        35,
    ),
    "cache detail above its sum": (
        [
            {
                "input_tokens": 1,
                "output_tokens": 1,
                "cache_creation_input_tokens": 0,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 40,
                    "ephemeral_1h_input_tokens": 50,
                },
            }
        ],
        (91, 1),
        92,
    ),
    "iterations of the message": (
        [{"input_tokens": 3, "output_tokens": 5, "iterations": [{"type": "message"}] * 2}],
        (3, 5),
        8,
    ),
    "compaction beside the message": (  # its tokens are not in the sums (SDK: BetaUsage)
        [{"input_tokens": 3, "output_tokens": 5, "iterations": [{"type": "compaction"}]}],
        None,
        8,
    ),
    "odd iterations": ([{"input_tokens": 3, "output_tokens": 5, "iterations": 7}], None, 8),
    "null cache": (
        [{"input_tokens": 3, "output_tokens": 5, "cache_creation": None}],
        (3, 5),
        8,
    ),
    "text": ([{"input_tokens": 3, "output_tokens": "5"}], None, 3),
    "huge cache": (
        [{"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": BIG}],
        None,
        8,
    ),
    "odd tier": ([{"input_tokens": 3, "output_tokens": 5, "service_tier": {"a": []}}], (3, 5), 8),
}


def seen_by(reader: Reader, data: bytes, seed: int = 1) -> AnswerFacts:
    rng, start = random.Random(seed), 0
    largest = rng.choice([1, 9, len(data)])
    while start < len(data):
        size = rng.randint(1, largest)
        reader.feed(data[start : start + size])
        start += size
    reader.finish()
    return reader.seen


def chat_stream(usages: Usages, *, text: str = "hi") -> bytes:
    chunk: dict[str, Any] = {"model": "m", "choices": [{"delta": {"content": text}}]}
    chunks = [chunk, *({**chunk, "usage": usage} for usage in usages)]
    return (
        "".join(f"data: {json.dumps(each)}\n\n" for each in chunks).encode() + b"data: [DONE]\n\n"
    )


def message_stream(usages: Usages) -> bytes:
    first, *more = usages or [None]
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
    events: list[Any] = [{"type": "message_start", "message": {"usage": first}}, text]
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events += [{**end, "usage": usage} for usage in more or usages]
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def check(seen: AnswerFacts, expected: tuple[int, int] | None, least: int) -> None:
    usage = seen.usage
    assert (usage and (usage.input_tokens, usage.output_tokens)) == expected
    assert seen.at_least.tokens == least


@pytest.mark.parametrize("name", CHAT)
def test_chat_completion_stream_is_counted_right_or_not_at_all(name: str) -> None:
    usages, expected, least = CHAT[name]
    for seed in range(4):
        check(
            seen_by(chat_completion_reader(stream=True), chat_stream(usages), seed), expected, least
        )


@pytest.mark.parametrize("name", [name for name, (usages, *_) in CHAT.items() if len(usages) < 2])
def test_chat_completion_is_counted_right_or_not_at_all(name: str) -> None:
    usages, expected, least = CHAT[name]
    body = {"choices": [], **({"usage": usages[0]} if usages else {}), "model": "m"}
    for seed in range(4):
        data = json.dumps(body).encode()
        check(seen_by(chat_completion_reader(stream=False), data, seed), expected, least)


@pytest.mark.parametrize("name", ANTHROPIC)
def test_message_stream_is_counted_right_or_not_at_all(name: str) -> None:
    usages, expected, least = ANTHROPIC[name]
    for seed in range(4):
        check(seen_by(anthropic_reader(stream=True), message_stream(usages), seed), expected, least)


@pytest.mark.parametrize(
    "name", [name for name, (usages, *_) in ANTHROPIC.items() if len(usages) < 2]
)
def test_message_is_counted_right_or_not_at_all(name: str) -> None:
    usages, expected, least = ANTHROPIC[name]
    body = {"content": [], **({"usage": usages[0]} if usages else {}), "model": "m"}
    for seed in range(4):
        data = json.dumps(body).encode()
        check(seen_by(anthropic_reader(stream=False), data, seed), expected, least)
