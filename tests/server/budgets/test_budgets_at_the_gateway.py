"""Budgets as the agent sees them: refusals, cut streams, and concurrent calls."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import aiohttp
import anthropic
import huggingface_hub
import pytest
from huggingface_hub.errors import TextGenerationError

from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import NANO, Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Grant
from server.gateway.metering import today
from server.storage.store import Store
from tests.support.gateway_client import ask, asking, bearer, eventually, through
from tests.support.run_budgets import PLAIN, PLAIN_HF, budget
from tests.support.serving import wait_until
from tests.support.upstream import Answer, Received, message, message_events, scripted

SSE = {"Content-Type": "text/event-stream"}


def test_refusal_raises_the_sdks_own_exception_at_once_and_names_the_cap() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> str:
        sdk = anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{grant.port}", api_key=grant.token.reveal()
        )
        async with sdk:
            with pytest.raises(anthropic.APIStatusError) as raised:
                await sdk.messages.create(**asking())
        assert raised.value.status_code == 402
        return str(raised.value)

    with scripted(lambda _: Answer()) as upstream:
        seen = through(upstream.url, client, budget=budget(usd=0.0005))
    assert upstream.received == []
    assert "budget of $0.0005 for this run" in seen.result
    assert [call["http.response.status_code"] for call in seen.calls] == [402]  # no retries
    [(kind, data)] = seen.events
    assert (kind, data["kind"], data["cap"]) == ("limit", "budget", "run_usd")


def endless(request: Received) -> Answer:
    chunks = message_events(*["word " * 4] * 10_000)
    return Answer(headers=SSE, chunks=chunks, pause=0.002)


def test_stream_that_reaches_the_cap_is_cut_with_the_providers_error_event() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, str]:
        sdk = anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{grant.port}", api_key=grant.token.reveal()
        )
        words: list[str] = []

        async def listen() -> None:
            async with sdk.messages.stream(**asking(model=PLAIN, max_tokens=100_000)) as stream:
                async for text in stream.text_stream:
                    words.extend(text.split())

        async with sdk:
            with pytest.raises(anthropic.APIStatusError) as raised:
                await listen()
        return len(words), str(raised.value)

    with scripted(endless) as upstream:
        seen = through(upstream.url, client, budget=budget(tokens=1000))
        words, text = seen.result
        wait_until(lambda: upstream.broken_pipes)
    assert 0 < words < 1000
    assert "budget of 1,000 tokens for this run" in text
    assert seen.calls[0]["error.type"] == "budget"
    assert [data["cap"] for _, data in seen.events] == ["run_tokens"]


def test_chat_completion_that_reaches_the_cap_ends_as_hugging_faces_sdk_expects() -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "word " * 4}}]}
    frame = {"id": "c1", "model": "m", "object": "chat.completion.chunk", "created": 1}
    data = f"data: {json.dumps({**frame, **chunk})}\n\n".encode()

    async def client(session: aiohttp.ClientSession, grant: Grant) -> str:
        sdk = huggingface_hub.AsyncInferenceClient(
            base_url=f"http://127.0.0.1:{grant.port}/v1", api_key=grant.token.reveal()
        )
        async with sdk:
            stream = await sdk.chat_completion(
                [{"role": "user", "content": "hi"}], model=PLAIN_HF, stream=True
            )
            with pytest.raises(TextGenerationError) as raised:
                [_ async for _ in stream]
        return str(raised.value)

    answer = Answer(headers=SSE, chunks=[data] * 500, pause=0.002)
    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client, budget=budget(tokens=1000))
    assert seen.result.startswith("budget of 1,000 tokens for this run")


def test_answers_bytes_are_all_there_when_the_cap_is_not_reached() -> None:
    chunks = message_events("a", "b")
    broken = [piece for chunk in chunks for piece in (chunk[:7], chunk[7:])]

    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        return (await ask(session, grant, json=asking(model=PLAIN, stream=True, max_tokens=9000)))[
            1
        ]

    with scripted(lambda _: Answer(headers=SSE, chunks=broken)) as upstream:
        seen = through(upstream.url, client, budget=budget(tokens=2000))
    assert seen.result == b"".join(chunks)


def test_failed_call_costs_nothing_and_one_without_usage_costs_its_worst_case() -> None:
    purse = budget(tokens=10_000)
    answers = iter([Answer(529, body=b"{}"), Answer(body=b"{}")])

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        spent = []
        for _ in range(2):
            await ask(session, grant, headers=bearer(grant))
            await eventually(lambda: not purse.run.reserved.tokens)
            spent.append(purse.run.used.tokens)
        return spent

    with scripted(lambda _: next(answers)) as upstream:
        seen = through(upstream.url, client, budget=purse)
    assert seen.result[0] == 0
    assert seen.result[1] > 100


def test_fifty_calls_at_the_edge_spend_no_more_than_the_budget() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        many = [ask(session, grant, json=asking(max_tokens=5)) for _ in range(50)]
        return [status for status, _ in await asyncio.gather(*many)]

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client, budget=budget(tokens=400))
    spent = sum((call["gen_ai.usage.output_tokens"] or 0) + 3 for call in seen.calls)
    assert set(seen.result) == {200, 402}
    assert spent <= 400
    assert len(upstream.received) == seen.result.count(200)


def test_client_that_leaves_a_stream_costs_the_day_no_more_than_the_longest_answer(
    tmp_path: Path,
) -> None:
    piece = b'data: {"choices": [{"index": 0, "delta": {"content": " a"}}]}\n\n'
    store = Store(tmp_path, f"sqlite:///{tmp_path / 'runs.sqlite3'}")
    daily = DailyBudget(Caps(usd=5), today, SpendStore(store.database).exchange)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        body = {"model": PLAIN_HF, "stream": True, "messages": []}
        async with session.post("/v1/chat/completions", json=body, headers=bearer(grant)) as first:
            await first.content.readany()
            during, _ = await ask(session, grant, json=asking())
        await eventually(lambda: daily.ledger(today()).used.calls == 2)
        after, _ = await ask(session, grant, json=asking())
        return [during, after]

    def answer(request: Received) -> Answer:
        if request.path.endswith("completions"):
            return Answer(headers=SSE, chunks=[piece] * 500, pause=0.02)
        return Answer(body=message("hi"))

    with closing(store), scripted(answer) as upstream:
        seen = through(upstream.url, client, budget=RunBudget(Ledger("run", Caps()), daily))
    assert seen.result == [200, 200]
    assert daily.ledger(today()).used.nano < NANO
