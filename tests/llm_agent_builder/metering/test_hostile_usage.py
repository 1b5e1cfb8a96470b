"""Usage that JSON allows and no provider sends: it is read or refused, and never free."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.metering.answer_readers import (
    AnswerFacts,
    anthropic_reader,
    chat_completion_reader,
)
from llm_agent_builder.metering.usage import Usage
from tests.llm_agent_builder.metering.test_usage_forms import chat_stream, message_stream, seen_by


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "usage",
    [
        '{"prompt_tokens": 3, "completion_tokens": 100000, "completion_tokens": 1}',
        '{"prompt_tokens": 3, "completion_tokens": 1, "completion_tokens": 100000}',
        '{"prompt_tokens": 3, "completion_tokens": 1}, "usage": {"completion_tokens": 100000}',
        r'{"prompt_tokens": 3, "completion_tokens": 1, "completion_\u0074okens": 100000}',
    ],
)
def test_a_duplicate_number_counts_as_the_larger_or_is_unknown(usage: str, stream: bool) -> None:
    data = ('{"usage": ' + usage + "}").encode()
    data = b"data: " + data + b"\n\n" if stream else data
    for size in (1, 7, len(data)):
        reader = chat_completion_reader(stream=stream)
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        reader.finish()
        assert reader.seen.usage in (None, Usage(3, 100_000))


@pytest.mark.parametrize("number", ["9" * 5000, "1e400", "NaN", "-1", "1e3", "0x10", "٣"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_number_in_an_odd_form_is_right_or_unknown(number: str, stream: bool) -> None:
    text = f'{{"usage": {{"prompt_tokens": 3, "completion_tokens": {number}}}, "model": "m"}}'
    data = f"data: {text}\n\n".encode() if stream else text.encode()
    for seed in range(4):
        usage = seen_by(chat_completion_reader(stream=stream), data, seed).usage
        assert usage in (None, Usage(3, 1000) if number == "1e3" else None)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 3, "completion_tokens": 5}}]},
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 5}}},
    ],
)
def test_usage_in_the_places_that_moonshot_and_groq_use_is_found(event: dict[str, Any]) -> None:
    data = chat_stream([]) + f"data: {json.dumps(event)}\n\n".encode()
    assert seen_by(chat_completion_reader(stream=True), data).usage == Usage(3, 5)


def test_usage_after_the_end_of_a_stream_counts() -> None:
    data = chat_stream([{"prompt_tokens": 3, "completion_tokens": 5}])
    data += b'data: {"usage": {"prompt_tokens": 3, "completion_tokens": 500}}\n\n'
    assert seen_by(chat_completion_reader(stream=True), data).usage == Usage(3, 500)


# ---------------------------------------------------------------- early usage

STARTED = {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}
WORDS = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}
BLOCK = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}}
COUNTED = {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 5}}
STOPPED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
ENDED = {**STOPPED, "usage": {"output_tokens": 5}}
MORE = {"output_tokens": 500}


@pytest.mark.parametrize(
    ("events", "output"),
    [
        ([WORDS, ENDED], 5),
        ([WORDS, COUNTED, STOPPED], 5),
        ([WORDS, STOPPED, COUNTED], 5),
        ([WORDS, ENDED, {"type": "ping"}, {"type": "message_stop"}], 5),
        ([COUNTED, WORDS, ENDED], 5),
        ([COUNTED, WORDS, WORDS], None),
        ([WORDS, COUNTED], None),
        ([WORDS, STOPPED], None),
        ([ENDED, WORDS], None),
        ([ENDED, BLOCK], None),
        ([ENDED, {"type": "completion", "completion": "x"}], None),
        ([ENDED, WORDS, STOPPED], None),
        ([WORDS, ENDED, {"type": "message_stop", "usage": MORE}], 500),
        ([WORDS, ENDED, {"type": "message_stop", "message": {"usage": MORE}}], 500),
        ([WORDS, {"type": "ping", "usage": MORE}, ENDED], 500),
    ],
)
@pytest.mark.parametrize("count_text", [False, True])
def test_usage_of_a_message_is_complete_only_with_its_end_and_no_text_after_it(
    events: list[dict[str, Any]], output: int | None, count_text: bool
) -> None:
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in [STARTED, *events]).encode()
    usage = seen_by(anthropic_reader(stream=True, count_text=count_text), data).usage
    assert (usage and usage.output_tokens) == output


CHUNK = {"choices": [{"delta": {"content": "x"}}]}
LAST = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
SAID = {"usage": {"prompt_tokens": 3, "completion_tokens": 5}}


@pytest.mark.parametrize(
    ("events", "output"),
    [
        ([CHUNK, LAST, {"choices": [], **SAID}, "[DONE]"], 5),
        ([CHUNK, LAST, {"choices": [], **SAID}], 5),
        ([CHUNK, {**LAST, **SAID}], 5),
        ([{**CHUNK, **SAID}, {**CHUNK, **SAID}, LAST, "[DONE]"], 5),
        ([{"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], **SAID}], 5),
        ([{"choices": [], **SAID}, CHUNK], None),
        ([{"choices": [], **SAID}, CHUNK, "[DONE]"], None),
        ([{"choices": [], **SAID}, {"choices": [{"text": "x"}]}, "[DONE]"], None),
        ([{"choices": [], **SAID}, {"choices": [{"message": {"content": "x"}}]}, LAST], None),
        ([{**CHUNK, **SAID}, CHUNK, LAST, "[DONE]"], None),
        ([{**CHUNK, **SAID}, {**CHUNK, **SAID}], None),
        (["[DONE]", {**CHUNK, **SAID}], None),
    ],
)
def test_usage_of_a_chat_completion_is_complete_only_with_no_text_after_it(
    events: list[Any], output: int | None
) -> None:
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    data = "".join(f"data: {text}\n\n" for text in texts).encode()
    usage = seen_by(chat_completion_reader(stream=True), data).usage
    assert (usage and usage.output_tokens) == output


# ---------------------------------------------------------------- values in place of objects


@pytest.mark.parametrize("value", [5000, [5000], "5000", True, 0, ""])
@pytest.mark.parametrize(
    "name", ["cache_creation", "server_tool_use", "output_tokens_details", "iterations"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_value_in_place_of_an_object_of_a_message_makes_its_usage_unknown(
    name: str, value: object, stream: bool
) -> None:
    usage = {"input_tokens": 3, "output_tokens": 5, name: value}
    data = message_stream([usage]) if stream else json.dumps({"usage": usage}).encode()
    for seed in range(4):
        assert seen_by(anthropic_reader(stream=stream), data, seed).usage is None


@pytest.mark.parametrize("value", [5000, [5000], "5000", False])
@pytest.mark.parametrize("name", ["prompt_tokens_details", "completion_tokens_details"])
@pytest.mark.parametrize("stream", [False, True])
def test_value_in_place_of_an_object_of_a_chat_makes_its_usage_unknown(
    name: str, value: object, stream: bool
) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, name: value}
    data = chat_stream([usage]) if stream else json.dumps({"usage": usage}).encode()
    for seed in range(4):
        assert seen_by(chat_completion_reader(stream=stream), data, seed).usage is None


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_empty_details_change_nothing(nothing: object) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "prompt_tokens_details": nothing}
    for stream in (False, True):
        data = chat_stream([usage]) if stream else json.dumps({"usage": usage}).encode()
        for seed in range(4):
            seen = seen_by(chat_completion_reader(stream=stream), data, seed)
            assert seen.usage == Usage(3, 5)


@pytest.mark.parametrize("more", ["[{}]", "7", '"x"', '[{"output_tokens": 4000}]'])
def test_a_second_usage_that_is_not_an_object_makes_the_first_unknown(more: str) -> None:
    data = ('{"usage": {"input_tokens": 3, "output_tokens": 5}, "usage": ' + more + "}").encode()
    for seed in range(4):
        assert seen_by(anthropic_reader(stream=False), data, seed).usage is None


def test_iterations_that_are_too_long_to_be_read_make_the_usage_unknown() -> None:
    for each in ({"type": "compaction", "x": "y" * 70_000}, {"type": "message", "x": "y" * 70_000}):
        usage = {"input_tokens": 3, "output_tokens": 5, "iterations": [each]}
        data = json.dumps({"usage": usage}).encode()
        for seed in range(4):
            assert seen_by(anthropic_reader(stream=False), data, seed).usage is None


@pytest.mark.parametrize(
    ("breakdown", "long"),
    [({}, 50), ({"ephemeral_5m_input_tokens": 20}, 30), ({"ephemeral_5m_input_tokens": 50}, 0)],
)
def test_cache_writes_of_unknown_duration_count_as_those_of_an_hour(
    breakdown: dict[str, int], long: int
) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 50}
    data = json.dumps({"usage": {**usage, "cache_creation": breakdown}}).encode()
    seen = seen_by(anthropic_reader(stream=False), data)
    assert seen.usage == Usage(51, 1, cache_write_tokens=50, cache_write_1h_tokens=long)


def test_error_beside_a_count_is_seen() -> None:
    for error in ("boom", {"type": "boom"}, 5, ["boom"]):
        seen = seen_by(chat_completion_reader(stream=False), json.dumps({"error": error}).encode())
        assert seen.error in {"boom", "error"}
    data = json.dumps({"error": None}).encode()
    assert seen_by(chat_completion_reader(stream=False), data).error is None


def test_zero_output_is_unknown_with_text_and_without() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
    for text in ("hi", ""):
        data = chat_stream([usage], text=text)
        assert seen_by(chat_completion_reader(stream=True), data).usage is None
    data = json.dumps({"choices": [{"message": {"content": "hi"}}], "usage": usage}).encode()
    assert seen_by(chat_completion_reader(stream=False), data).usage is None
    nothing = {"input_tokens": 3, "output_tokens": 0}
    seen = seen_by(anthropic_reader(stream=True), message_stream([nothing, nothing]))
    assert seen.usage is None
    assert seen.at_least == Usage(3)
    data = json.dumps({"content": [], "usage": nothing}).encode()
    assert seen_by(anthropic_reader(stream=False), data).usage is None


def test_an_incomplete_or_invalid_event_that_may_contain_usage_makes_it_unknown() -> None:
    known = chat_stream([{"prompt_tokens": 3, "completion_tokens": 5}])
    long = b"x" * 600_000
    for odd in (b'data: {"usage": {"completion_tokens": 9', b'data: "usage" ' + long):
        assert fed([known, odd, b"\n\n"]).usage is None
    for plain in (b"data: ", b"data: pong", b"data: " + long):
        seen = fed([known, plain, b"\n\n"])
        assert seen.usage == Usage(3, 5)
        assert seen.text_bytes >= len(plain) - 100  # all of it may have been text


def fed(pieces: list[bytes]) -> AnswerFacts:
    reader = chat_completion_reader(stream=True, count_text=True)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return reader.seen


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
names = st.sampled_from(
    [
        *("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details"),
        *("input_tokens", "output_tokens", "cache_creation", "cache_read_input_tokens"),
        *("server_tool_use", "service_tier", "iterations", "output_tokens_details"),
    ]
)
odd_usages = st.dictionaries(names, st.integers(0, 10**6) | odd_values, max_size=5) | odd_values


@given(st.lists(odd_usages, max_size=6), st.integers(0, 99))
def test_for_any_input_the_count_never_falls_and_never_raises(usages: list[Any], seed: int) -> None:
    for make, wrap in ((chat_completion_reader, chat_stream), (anthropic_reader, message_stream)):
        before = Usage()
        for count in range(1, len(usages) + 1):
            seen = seen_by(make(stream=True), wrap(usages[:count]), seed)
            now = seen.at_least
            assert now.input_tokens + now.output_tokens >= before.tokens
            assert seen.usage is None or seen.usage.tokens >= before.tokens
            assert 0 <= now.tokens <= 10**11
            before = now
