"""The cost of reading a response: limited, linear and in turns. All bytes are relayed."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from llm_agent_builder.metering.sse import LONGEST, SseEvents
from llm_agent_builder.providers import ProviderEnum
from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.call import Call
from server.gateway.gateway import Grant
from server.gateway.metering import Meter
from server.gateway.timeouts import Timeouts
from server.gateway.turns import Turns
from tests.support.gateway_client import ask, asking, bearer, eventually, through
from tests.support.upstream import Answer, Received, message_events, scripted

MIB = 1024 * 1024
STREAM = {"stream": True, "model": "claude-haiku-4-5"}
"""Of a model that shows all that it writes: its stream may begin, to be cut."""
JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream"}
USAGE = b'"usage": {"input_tokens": 3, "output_tokens": 5}'


def read(data: bytes, headers: dict[str, str], *, size: int = MIB) -> tuple[Call, int]:
    """Return what was seen of an answer, and how often reading it let others have a turn."""
    call = Call(ProviderEnum.ANTHROPIC, "chat")
    meter = Meter(call, headers)
    turns = 0
    for start in range(0, len(data), size):
        turns += sum(1 for _ in meter.feed(data[start : start + size]))
    meter.finish()
    return call, turns


# ---------------------------------------------------------------- one object


@pytest.mark.matrix
@pytest.mark.parametrize("filler", [b"[", b"{", b"[],", b'"",', b'{"a":', b",", b":"])
def test_object_of_nothing_but_structure_is_read_in_turns_and_not_to_its_end(
    filler: bytes,
) -> None:
    data = b"{" + USAGE + b', "x": ' + filler * (6 * MIB // len(filler))
    call, turns = read(data, JSON)
    assert call.seen.usage is None
    assert call.seen.at_least.tokens == 8
    assert 100 < turns < 3 * MIB // 1024  # it stops at a number of marks


def test_long_answer_with_the_odds_of_each_token_is_read_to_its_end() -> None:
    odds = [{"token": f" {number}", "logprob": -0.5, "bytes": [32, 48]} for number in range(30_000)]
    usage = {"input_tokens": 3, "output_tokens": 30_000}
    body = {"choices": [{"logprobs": {"content": odds}}], "usage": usage}
    data = json.dumps(body).encode()
    call, turns = read(data, JSON)
    assert call.seen.usage is not None
    assert call.seen.usage.output_tokens == 30_000
    assert turns > 50


def test_long_text_costs_no_turns_to_speak_of() -> None:
    data = b'{"content": [{"type": "text", "text": "' + b"x" * 8 * MIB + b'"}], ' + USAGE + b"}"
    call, turns = read(data, JSON)
    assert call.seen.usage is not None
    assert turns < 200


@pytest.mark.matrix(keep=2)
@pytest.mark.parametrize("headers", [JSON, SSE])
@pytest.mark.parametrize("filler", [b"[", b"\n", b": \n\n", b"x"])
def test_compressed_bomb_is_not_followed(filler: bytes, headers: dict[str, str]) -> None:
    pack = zlib.compressobj(1, zlib.DEFLATED, 31)
    piece = filler * (MIB // len(filler))
    bomb = b"".join([pack.compress(piece) for _ in range(32)]) + pack.flush()
    call, turns = read(bomb, {**headers, "Content-Encoding": "gzip"})
    assert call.seen.usage is None
    assert turns < 20 * MIB // 8192


def test_end_of_a_compressed_answer_is_read_where_a_slice_ends_with_its_last_byte() -> None:
    for padding in range(65_536 - 120, 65_536):
        data = b"{" + USAGE + b', "x": "' + b"x" * padding + b'"}'
        call, _ = read(gzip.compress(data), {**JSON, "Content-Encoding": "gzip"})
        assert call.seen.usage is not None


def test_many_that_read_much_leave_others_one_slice_of_delay() -> None:
    async def inside() -> int:
        turns, at_work, longest = Turns(), 0, 0

        async def slow() -> None:
            nonlocal at_work
            for _ in range(20):
                await turns.take()
                at_work += 1

        async def others() -> None:
            nonlocal at_work, longest
            while not done.is_set():
                at_work = 0
                await asyncio.sleep(0)
                longest = max(longest, at_work)

        done = asyncio.Event()
        other = asyncio.create_task(others())
        await asyncio.gather(*(slow() for _ in range(30)))
        done.set()
        await other
        return longest

    assert asyncio.run(inside()) <= 2


# ---------------------------------------------------------------- events


def test_event_without_an_end_is_neither_kept_nor_searched_again() -> None:
    events = SseEvents(watched=b"usage")
    for _ in range(64):
        assert list(events.feed(b"x" * MIB)) == []
    assert events.skipped >= 64 * MIB - LONGEST
    assert list(events.feed(b"\n\ndata: next\n\n")) == [b"next"]
    assert not events.skipped_watched


def test_mark_in_a_skipped_event_is_seen_wherever_the_pieces_are_cut() -> None:
    for cut in range(7):
        events = SseEvents(watched=b"usage")
        for piece in (b"x" * (LONGEST + 1), b"." + b"usage"[:cut], b"usage"[cut:] + b"..", b"\n\n"):
            assert list(events.feed(piece)) == []
        assert events.skipped_watched


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_the_same_for_all_line_ends_and_splits(end: bytes, size: int) -> None:
    lines = [b": hi", b"", b"data: a", b"", b"event: x", b"data:b", b"data: c", b"data", b""]
    data = b"\xef\xbb\xbf" + end.join([*lines, b"", b"", b"data: d", b"", b""])
    events = SseEvents()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    found = [event for piece in pieces for event in events.feed(piece)]
    expected = [b"a", b"b\nc\n", b"d"] if end != b"\n\r" else [b"a", b"b", b"c", b"", b"d"]
    assert [*found, *events.finish()] == expected


# ---------------------------------------------------------------- through the gateway

STREAMS: dict[str, list[bytes]] = {
    "no end": [b"data: " + b"x" * 300_000] * 4,
    "no line": [b"x" * 200_000] * 3,
    "returns only": [b"\r" * 50_000] * 3,
    "newlines only": [b"\n" * 50_000] * 3,
    "mixed ends": [b"data: a\r\n\ndata: b\n\r\ndata: c\r\r", b"data: d\r", b"\n", b"\r", b"\n"],
    "comments": [b": hello\n\n"] * 500,
    "single bytes": [bytes([byte]) for byte in message_events("hi")[0][:300]],
    "many lines": [b"data:\n" * 30_000, b"\n"],
    "empty": [b"data: \n\n", b"\n"],
}


def tokens(most: int) -> RunBudget:
    return RunBudget(Ledger("run", Caps(tokens=most)))


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("limit", [None, 4_000_000])
def test_stream_in_any_form_is_relayed_unchanged(name: str, limit: int | None) -> None:
    chunks = STREAMS[name]

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        most = 10 if limit is None else 2 * limit  # more than is left: may have to be cut
        return (await ask(session, grant, json=asking(**STREAM, max_tokens=most)))[1]

    budget = tokens(limit) if limit else None
    with scripted(lambda _: Answer(headers=SSE, chunks=chunks)) as upstream:
        seen = through(upstream.url, client, budget=budget)
    assert seen.result == b"".join(chunks)
    assert seen.calls[0]["gen_ai.usage.input_tokens"] is None


def test_budget_that_ends_inside_a_long_event_breaks_off_and_puts_nothing_into_it() -> None:
    chunks = [*message_events("hi")[:1], *[b"data: " + b"x" * 100_000] * 6]
    sent = b"".join(chunks)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        found = bytearray()
        options: dict[str, Any] = {"json": asking(**STREAM, max_tokens=10**6)}
        async with session.post("/v1/messages", headers=bearer(grant), **options) as answer:
            with suppress(aiohttp.ClientPayloadError):
                async for piece in answer.content.iter_any():
                    found += piece
                raise AssertionError("it did not break off")
        return bytes(found)

    budget = tokens(300_000)
    with scripted(lambda _: Answer(headers=SSE, chunks=chunks)) as upstream:
        seen = through(upstream.url, client, budget=budget)
    assert sent.startswith(seen.result)
    assert seen.calls[0]["error.type"] == "budget"
    assert budget.run.used.tokens == 300_000


def endless(request: Received) -> Answer:
    return Answer(headers=SSE, chunks=[b":\n\n"] * 100_000, pause=0.02)


def test_stream_that_drips_for_ever_ends_with_the_time_of_a_call() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(session, grant, json=asking(stream=True))

    with scripted(endless) as upstream:
        seen = through(upstream.url, client, timeouts=Timeouts(idle=30, total=2))
    assert seen.calls[0]["error.type"] == "cut: TimeoutError"


def test_run_that_does_not_read_its_answer_holds_it_no_longer_than_a_call_may_take() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", grant.port, limit=1024)
        body = json.dumps(asking(stream=True)).encode()
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in bearer(grant).items())
        writer.write(head.encode() + b"\r\n" + body)
        await reader.readuntil(b"\r\n")
        await eventually(lambda: upstream.broken_pipes)  # and reads nothing more
        writer.close()

    answer = Answer(headers=SSE, chunks=[b": " + b"x" * 100_000 + b"\n\n"] * 500)
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client, timeouts=Timeouts(total=1))
    assert seen.calls[0]["error.type"] == "cut: TimeoutError"
