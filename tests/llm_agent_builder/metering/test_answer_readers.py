"""Answer readers give the same result for pieces of any size."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.json_input.picker import UNREADABLE, JsonPicker
from llm_agent_builder.metering.answer_readers import (
    Reader,
    anthropic_reader,
    chat_completion_reader,
)
from llm_agent_builder.metering.sse import LONGEST, SseEvents
from llm_agent_builder.metering.usage import Usage, from_anthropic

texts = st.text(max_size=30) | st.sampled_from(
    ['"usage":{"input_tokens":9}', "\\", '\\"', "data: "]
)
counts = st.integers(1, 10**7)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts | st.sampled_from(["usage", "model"]), inner, max_size=3)
    ),
    max_leaves=12,
)
anthropic_usages = st.fixed_dictionaries(
    {"input_tokens": counts, "output_tokens": counts},
    optional={
        "cache_read_input_tokens": counts | st.none(),
        "cache_creation_input_tokens": counts,
        "cache_creation": st.fixed_dictionaries({"ephemeral_1h_input_tokens": counts}),
        "output_tokens_details": st.fixed_dictionaries({"thinking_tokens": counts}),
        "server_tool_use": st.fixed_dictionaries({"web_search_requests": counts}),
        "service_tier": st.just("standard"),
    },
)


def in_pieces(data: bytes, seed: int) -> list[bytes]:
    """Cut `data` anywhere, also into single bytes and empty pieces."""
    rng = random.Random(seed)
    largest = rng.choice([1, 2, 7, 64, len(data) + 1])
    pieces, start = [], 0
    while start < len(data):
        size = rng.randint(0, largest)
        pieces.append(data[start : start + size])
        start += size
    return pieces


def read(reader: Reader, data: bytes, seed: int) -> Reader:
    for piece in in_pieces(data, seed):
        reader.feed(piece)
    reader.finish()
    return reader


# ---------------------------------------------------------------- one object


@given(
    st.dictionaries(texts, values, max_size=5),
    anthropic_usages,
    st.booleans(),
    st.integers(0, 2**32),
)
def test_usage_of_a_message_is_read_among_any_other_fields(
    around: dict[str, Any], usage: dict[str, Any], spaced: bool, seed: int
) -> None:
    around.pop("usage", None)
    body = {**around, "usage": usage, "stop_reason": "end_turn", "model": "m-é", "last": around}
    text = json.dumps(body, ensure_ascii=seed % 2 == 0, indent=1 if spaced else None)
    seen = read(anthropic_reader(stream=False), text.encode("utf-8", "replace"), seed).seen
    assert seen.usage == from_anthropic(usage)
    assert (seen.model, seen.finish_reasons[-1]) == ("m-é", "end_turn")


@given(
    st.lists(st.tuples(texts | st.sampled_from(["usage", "error", "*"]), values), max_size=6),
    st.sampled_from(["", " ", "\n", ' {"usage": 1}', "}", ","]),
)
def test_a_whole_text_is_read_like_pieces_even_with_duplicate_keys(
    pairs: list[tuple[str, Any]], behind: str
) -> None:
    items = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs)
    data = ("{" + items + "}" + behind).encode()
    whole, pieces = (JsonPicker([("usage",), ("error", "*", "type")]) for _ in range(2))
    whole.feed(data)
    for byte in data:
        pieces.feed(bytes([byte]))
    assert whole.found == pieces.found


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_junk_is_read_without_an_exception(data: bytes, seed: int) -> None:
    for make in (anthropic_reader, chat_completion_reader):
        for stream in (False, True):
            read(make(stream=stream, count_text=True), data, seed)


def test_finish_reason_of_each_choice_is_found() -> None:
    body = {"choices": [{"finish_reason": "stop"}, {"finish_reason": "length"}]}
    seen = read(chat_completion_reader(stream=False), json.dumps(body).encode(), 1).seen
    assert seen.finish_reasons == ["stop", "length"]


def test_long_values_and_endless_nesting_are_skipped() -> None:
    picker = JsonPicker([("usage",)])
    picker.feed(b'{"usage": "' + b"x" * 100_000 + b'", "deep": ' + b"[" * 1_000_000)
    picker.feed(b"]" * 1_000_000 + b', "usage": 7}')
    assert picker.found == [(("usage",), UNREADABLE), (("usage",), 7)]


# ---------------------------------------------------------------- streams

line_ends = st.sampled_from(["\n", "\r\n", "\r"])


def as_events(events: list[dict[str, Any]], end: str, *, named: bool) -> bytes:
    lines = [": hello", ""]
    for event in events:
        lines += [f"event: {event['type']}"] if named else []
        lines += [f"data: {json.dumps(event)}", ""]
    return end.join([*lines, ""]).encode()


def message_stream(started: dict[str, Any], ended: dict[str, Any], text: str) -> list[Any]:
    delta = {"type": "content_block_delta", "index": 0}
    block = {"type": "text", "text": ""}
    return [
        {"type": "message_start", "message": {"id": "msg", "model": "m", "usage": started}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        {**delta, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": ended},
        {"type": "message_stop"},
    ]


@given(anthropic_usages, counts, texts, line_ends, st.booleans(), st.integers(0, 2**32))
def test_anthropics_stream_is_read_to_the_last_count(
    started: dict[str, Any], output: int, text: str, end: str, watched: bool, seed: int
) -> None:
    ended = {"output_tokens": output, "input_tokens": None}
    data = as_events(message_stream(started, ended, text), end, named=True)
    seen = read(anthropic_reader(stream=True, count_text=watched), data, seed).seen
    most = max(output, started["output_tokens"])
    assert seen.usage == from_anthropic({**started, "output_tokens": most})
    assert (seen.model, seen.finish_reasons, seen.text_started) == ("m", ["end_turn"], True)
    if watched:
        assert seen.text_bytes >= len(text.encode("utf-8", "replace"))


def test_anthropics_stream_that_breaks_off_has_no_usage() -> None:
    events = message_stream({"input_tokens": 5, "output_tokens": 1}, {}, "hi")[:4]
    seen = read(anthropic_reader(stream=True), as_events(events, "\n", named=True), 1).seen
    assert (seen.usage, seen.model) == (None, "m")


@given(counts, counts, counts, st.booleans(), texts, line_ends, st.integers(0, 2**32))
def test_chat_completion_stream_is_read_where_usage_grows_or_comes_last(
    prompt: int, output: int, thought: int, grows: bool, text: str, end: str, seed: int
) -> None:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "completion_tokens_details": {"reasoning_tokens": min(thought, output)},
    }
    early = {**usage, "completion_tokens": 0} if grows else None
    events: list[dict[str, Any]] = [
        {"model": "m", "choices": [{"delta": {"role": "assistant"}}], "usage": early},
        {"model": "m", "choices": [{"delta": {"content": text}}], "usage": early},
        {"model": "m", "choices": [{"delta": {}, "finish_reason": "stop"}], "usage": early},
        {"model": "m", "choices": [], "usage": usage},
    ]
    data = as_events(events, end, named=False) + f"data: [DONE]{end}{end}".encode()
    seen = read(chat_completion_reader(stream=True), data, seed).seen
    assert seen.usage == Usage(prompt, output, reasoning_tokens=min(thought, output))
    assert (seen.model, seen.finish_reasons) == ("m", ["stop"])
    assert seen.text_started == bool(text)


@pytest.mark.parametrize("error", [{"type": "overloaded_error"}, "overloaded_error"])
def test_error_inside_a_stream_is_seen(error: object) -> None:
    data = as_events([{"type": "error", "error": error}], "\n", named=True)
    for make in (anthropic_reader, chat_completion_reader):
        assert read(make(stream=True), data, 1).seen.error == "overloaded_error"


def test_an_event_that_is_too_long_is_skipped_and_the_next_is_read() -> None:
    events = SseEvents()
    found = list(events.feed(b"data: " + b"x" * (LONGEST + 10)))
    found += events.feed(b"xxx\n\ndata: a\ndata:b\n\n")
    assert found == [b"a\nb"]


def test_a_byte_order_mark_and_an_incomplete_last_event_are_read() -> None:
    events = SseEvents()
    assert list(events.feed(b"\xef\xbb\xbfdata: a\r")) == []
    assert list(events.feed(b"\n\r\ndata: b")) == [b"a"]
    assert list(events.finish()) == [b"b"]
