"""The usage that the gateway reads from responses."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import huggingface_hub
import pytest
from multidict import CIMultiDict

from llm_agent_builder.metering.answer_readers import AnswerFacts
from llm_agent_builder.metering.usage import Usage
from llm_agent_builder.providers import ProviderEnum
from server.gateway.call import Call
from server.gateway.gateway import Grant
from server.gateway.metering import UNREADABLE, Meter
from tests.support.gateway_client import ask, asking, bearer, through
from tests.support.upstream import Answer, Received, message, message_events, scripted

SSE = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


def chat_chunks(usage: dict[str, int] | None) -> list[bytes]:
    """Return a chat completion as a stream; the last chunk tells the usage."""
    chunks: list[Any] = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"index": 0, "delta": {"content": "Bonjour"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    if usage is not None:
        chunks.append({"choices": [], "usage": usage})
    frame = {"id": "c1", "model": "served", "object": "chat.completion.chunk", "created": 1}
    lines = [f"data: {json.dumps({**frame, **chunk})}\n\n".encode() for chunk in chunks]
    return [*lines, b"data: [DONE]\n\n"]


@pytest.mark.parametrize("stream", [False, True])
def test_call_is_an_event_with_its_tokens_and_its_price(stream: bool) -> None:
    whole = Answer(headers=JSON, body=message("hi"))
    answer = Answer(headers=SSE, chunks=message_events("h", "i")) if stream else whole
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, ask)
    [call] = seen.calls
    assert call["gen_ai.usage.input_tokens"] == 3
    assert call["gen_ai.usage.output_tokens"] == 5
    assert call["gen_ai.usage.cache_read.input_tokens"] == 0
    assert call["gen_ai.response.finish_reasons"] == ["end_turn"]
    assert call["gen_ai.response.model"] == "scripted"
    assert call["gen_ai.response.id"] == "msg_1"
    assert call["gen_ai.operation.name"] == "chat"
    assert call["cost_usd"] == pytest.approx((3 * 2 + 5 * 10) / 1e6)
    assert re.fullmatch(r"genai-prices [\d.]+ \(20\d\d-\d\d-\d\d\)", call["price_table"])
    assert (call["time_to_first_token"] is not None) is stream


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_answer_is_read_from_a_copy_and_passed_on_untouched(encoding: str) -> None:
    packed = gzip.compress(message("hi")) if encoding == "gzip" else zlib.compress(message("hi"))

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        headers = {**bearer(grant), "Accept-Encoding": "br, gzip;q=0.9, deflate, zstd"}
        async with session.post("/v1/messages", json=asking(), headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == encoding
            return await answer.content.read()

    def script(request: Received) -> Answer:
        assert request.headers["accept-encoding"] == "gzip, deflate"
        return Answer(headers={**JSON, "Content-Encoding": encoding}, body=packed)

    with scripted(script) as upstream:
        seen = through(upstream.url, client)
    assert seen.calls[0]["gen_ai.usage.output_tokens"] == 5


def metered(
    headers: Mapping[str, str], *pieces: bytes, count_text: bool = False
) -> tuple[AnswerFacts, int]:
    """Return what is seen of an answer, and in how many turns."""
    call = Call(ProviderEnum.ANTHROPIC, "chat")
    meter = Meter(call, headers, count_text=count_text)
    turns = sum(1 for piece in pieces for _ in meter.feed(piece))
    meter.finish()
    return call.seen, turns


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("size", [1, 30, 10_000])
@pytest.mark.parametrize("padding", [b"", b"\0" * 50])
def test_answer_in_several_compressed_members_is_read_to_its_end(
    pack: Callable[[bytes], bytes], size: int, padding: bytes
) -> None:
    stream = message_events(*["word"] * 20)
    body = [message("hi")[:50], message("hi")[50:]]
    for headers, parts in ((SSE, stream), (JSON, body)):
        packed = padding.join(map(pack, parts))
        pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
        encoded = {**headers, "Content-Encoding": "gzip"}
        seen, _ = metered(encoded, *pieces, count_text=headers is SSE)
        assert seen.usage == Usage(3, 5)
        assert seen.text_bytes >= 4 * 20 or headers is JSON


def test_garbage_after_a_compressed_response_leaves_the_usage_unknown() -> None:
    encoded = {**JSON, "Content-Encoding": "gzip"}
    seen, _ = metered(encoded, gzip.compress(message("hi")) + b"more")
    assert seen.usage is None


def test_many_compressed_members_are_read_in_turns() -> None:
    encoded = {**SSE, "Content-Encoding": "gzip"}
    member = gzip.compress(b"data: a\n\n")
    seen, turns = metered(encoded, member * 20_000, count_text=True)
    assert seen.text_bytes == 20_000
    assert turns > 50


@pytest.mark.parametrize(
    "more",
    [
        [("Content-Encoding", "identity"), ("Content-Encoding", "gzip")],
        [("Content-Encoding", "gzip"), ("content-encoding", "identity")],
        [("Content-Encoding", ""), ("Content-Encoding", "gzip")],
        [("Content-Encoding", "identity, gzip")],
        [("Transfer-Encoding", "gzip, chunked")],
        [("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")],
    ],
)
def test_answer_in_several_encodings_is_not_read_and_cut_at_once(
    more: list[tuple[str, str]],
) -> None:
    headers = CIMultiDict([*SSE.items(), *more])
    seen, _ = metered(headers, gzip.compress(b"".join(message_events("hi"))), count_text=True)
    assert seen.usage is None
    assert seen.text_bytes >= UNREADABLE


def test_encoding_that_is_not_known_leaves_the_usage_unknown() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        async with session.post("/v1/messages", json=asking(), headers=bearer(grant)) as answer:
            return await answer.content.read()

    answer = Answer(headers={**JSON, "Content-Encoding": "other"}, body=message("hi"))
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client)
    assert seen.result == message("hi")
    assert seen.calls[0]["gen_ai.usage.input_tokens"] is None
    assert seen.calls[0]["cost_usd"] is None


@pytest.mark.parametrize("usage", [{"prompt_tokens": 7, "completion_tokens": 2}, None])
def test_chat_completion_streamed_to_hugging_faces_sdk_is_metered(
    usage: dict[str, int] | None,
) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> str:
        sdk = huggingface_hub.AsyncInferenceClient(
            base_url=f"http://127.0.0.1:{grant.port}/v1", api_key=grant.token.reveal()
        )
        async with sdk:
            stream = await sdk.chat_completion(
                [{"role": "user", "content": "hi"}], model="m/x:groq", stream=True
            )
            return "".join(
                [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
            )

    answer = Answer(headers=SSE, chunks=chat_chunks(usage))
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client)
    [call] = seen.calls
    assert seen.result == "Bonjour"
    assert call["gen_ai.usage.input_tokens"] == (usage and 7)
    assert call["gen_ai.response.model"] == "served"
    assert call["cost_usd"] is None  # nobody knows that model's price
    assert call["time_to_first_token"] >= call["time_to_first_chunk"]


def test_route_that_the_answer_names_decides_the_price() -> None:
    body = {"choices": [], "usage": {"prompt_tokens": 999_999, "completion_tokens": 1}}

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        headers = {"Authorization": f"Bearer {grant.token.reveal()}"}
        asked = asking(model="meta-llama/Llama-3.3-70B-Instruct")
        async with session.post("/v1/chat/completions", json=asked, headers=headers) as answer:
            await answer.read()

    headers = {**JSON, "x-inference-provider": "groq"}
    with scripted(lambda _: Answer(headers=headers, body=json.dumps(body).encode())) as upstream:
        seen = through(upstream.url, client)
    assert seen.calls[0]["cost_usd"] == pytest.approx(0.59)


def test_counting_tokens_is_free() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        url = "/v1/messages/count_tokens"
        async with session.post(url, json=asking(), headers=bearer(grant)) as answer:
            await answer.read()

    with scripted(lambda _: Answer(headers=JSON, body=b'{"input_tokens": 9}')) as upstream:
        seen = through(upstream.url, client)
    assert seen.calls[0]["gen_ai.operation.name"] == "count_tokens"
    assert seen.calls[0]["gen_ai.usage.input_tokens"] is None
