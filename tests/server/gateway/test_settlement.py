"""How the usage in a call's response counts in its budget."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp
import pytest

from llm_agent_builder.errors import StoreError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Amount, Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.gateway import Grant
from server.gateway.metering import today
from server.gateway.model_call import ModelCall
from server.runs.usage_totals import UsageTotals
from tests.support.gateway_client import ask, asking, bearer, eventually, through
from tests.support.upstream import Answer, Received, message, scripted

JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream"}
HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-5-5"


def purse(**caps: Any) -> RunBudget:
    return RunBudget(Ledger("run", Caps(**(caps or {"usd": 100}))))


def worst(of: RunBudget, **more: Any) -> Amount:
    """Return what such a call reserves."""
    facts = RequestFacts(model=asking(**more)["model"], max_tokens=100)
    facts.body_bytes = len(json.dumps(asking(**more)).encode())
    held = of.reserve_locally(ProviderEnum.ANTHROPIC, facts, today(), free=False)
    held.settle(Amount())
    return held.amount


def used_by(answer: Answer, of: RunBudget, **more: Any) -> ModelCall:
    """Make one call that gets this answer; return it."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        with suppress(aiohttp.ClientError):
            await ask(session, grant, json=asking(**more))

    with scripted(lambda _: answer) as upstream:
        seen = through(upstream.url, client, budget=of)
    assert of.run.reserved == Amount()
    return seen.model_calls[0]


def said(usage: object, **more: Any) -> Answer:
    body = {**json.loads(message("hi")), "usage": usage, **more}
    return Answer(headers=JSON, body=json.dumps(body).encode())


@pytest.mark.parametrize("usage", [{}, None, {"input_tokens": 3}, "x", {"output_tokens": -1}])
def test_usage_that_is_unknown_counts_as_the_reservation_and_its_cost_is_null(
    usage: object,
) -> None:
    of = purse()
    event = used_by(said(usage), of)
    assert of.run.used == worst(purse())
    assert event.cost_usd is None
    assert event.usage is None


def test_unknown_usage_counts_as_reported_if_more_than_reserved() -> None:
    of = purse()
    used_by(said({"output_tokens": 10**6}), of)
    assert of.run.used.tokens == 10**6
    assert of.run.used.nano >= 10**6 * 10_000  # at $10 a million


def test_usage_above_the_reservation_counts_as_reported() -> None:
    of = purse(tokens=5000)
    event = used_by(said({"input_tokens": 10, "output_tokens": 9000}), of)
    assert of.run.used == Amount(of.run.used.nano, 9010, 1)
    assert event.usage is not None
    assert event.usage.output_tokens == 9000
    assert used_by(said({"input_tokens": 1, "output_tokens": 1}), of).error


def test_more_expensive_responding_model_sets_the_price() -> None:
    usage = {"input_tokens": 10**5, "output_tokens": 10**5}
    cheap = used_by(said(usage, model=HAIKU), purse(), model=HAIKU)
    dear = used_by(said(usage, model=OPUS), purse(), model=HAIKU)
    other = used_by(said(usage, model="no-such-model"), purse(), model=HAIKU)
    assert (dear.cost_usd or 0) > (cheap.cost_usd or 0) > 0
    assert cheap.cost_usd == other.cost_usd
    assert used_by(said(usage, model=HAIKU), purse(), model=OPUS).cost_usd == dear.cost_usd


@pytest.mark.parametrize("named", ["priority", 7, {"a": 1}, ["standard"]])
def test_tier_without_a_price_counts_the_tokens_and_at_least_the_reserved_money(
    named: object,
) -> None:
    of = purse()
    event = used_by(said({"input_tokens": 3, "output_tokens": 5, "service_tier": named}), of)
    assert event.cost_usd is None
    assert of.run.used == Amount(worst(purse()).nano, 8, 1)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        (Answer(529, JSON, b'{"error": {"type": "overloaded_error"}}'), "nothing"),
        (Answer(429, SSE, b"event: error\n\n"), "nothing"),
        (Answer(500, JSON, said({"input_tokens": 3, "output_tokens": 5}).body), "said"),
        (Answer(400, JSON, said({"input_tokens": "x"}).body), "reserved"),
        (Answer(200, JSON, b'{"type": "error", "error": {"type": "api_error"}}'), "reserved"),
        (Answer(200, JSON, b""), "reserved"),
        (Answer(204, JSON), "reserved"),
        (Answer(200, JSON, b"<html>no JSON</html>"), "reserved"),
        (Answer(200, {"Content-Type": "text/html"}, message("hi")), "said"),
        (Answer(200, SSE, b'data: {"type": "error", "error": {"type": "x"}}\n\n'), "reserved"),
        (Answer(200, SSE, chunks=[b"data: {}\n\n"], cut=True), "reserved"),
    ],
)
def test_answer_of_any_status_and_form_counts_as_it_should(answer: Answer, counts: str) -> None:
    of, known = purse(), Amount(56_000, 8, 1)
    used_by(answer, of)
    expected = {"nothing": Amount(calls=1), "said": known, "reserved": worst(purse())}
    assert of.run.used == expected[counts]


@pytest.mark.parametrize(
    ("statuses", "counts"),
    [
        ([307, 400, 401, 402, 403, 404, 405, 409, 413, 422, 424, 429, 451, 503, 529], "nothing"),
        ([408, 460, 499, 500, 501, 502, 504, 520, 521, 522, 523, 524, 525, 530, 598], "reserved"),
    ],
)
def test_error_is_free_only_if_no_model_has_worked(statuses: list[int], counts: str) -> None:
    for status in statuses:
        of = purse()
        event = used_by(Answer(status, {"Content-Type": "text/html"}, b"<html>sorry"), of)
        assert of.run.used == (worst(purse()) if counts == "reserved" else Amount(calls=1))
        assert event.unpriced is (counts == "reserved")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{}",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 400_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        b"",
    ],
)
def test_upstream_that_does_not_speak_http_is_an_error_and_counts_as_reserved(head: bytes) -> None:
    of = purse()

    async def client(session: aiohttp.ClientSession, grant: Grant) -> int:
        try:
            return (await ask(session, grant))[0]
        except aiohttp.ClientError:
            return 0

    with answering(head) as url:
        seen = through(url, client, budget=of)
    assert seen.result in {0, 200, 502}
    assert of.run.used == worst(purse())


@contextmanager
def answering(head: bytes) -> Iterator[str]:
    """Answer each connection with these bytes and close it; yields the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(head)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_unreachable_upstream_costs_nothing() -> None:
    of = purse()
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        seen = through(f"http://127.0.0.1:{taken.getsockname()[1]}", ask, budget=of)
    assert seen.result[0] == 502
    assert of.run.used == Amount(calls=1)


def test_call_without_a_checkable_daily_budget_is_refused_with_the_reason() -> None:
    def visit(*_: Any) -> Any:
        raise StoreError("database is locked")

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[Any]:
        chat = {"Authorization": f"Bearer {grant.token.reveal()}"}
        status, body = await ask(session, grant)
        async with session.post("/v1/chat/completions", json=asking(), headers=chat) as answer:
            return [status, json.loads(body), answer.status, await answer.json()]

    def answer(_: Received) -> Answer:
        return Answer(headers=JSON, body=message("hi"))

    with scripted(answer) as upstream:
        capped = RunBudget(Ledger("run", Caps()), DailyBudget(Caps(calls=5), today, visit))
        seen = through(upstream.url, client, budget=capped)
        assert upstream.received == []
        free = RunBudget(Ledger("run", Caps()), DailyBudget(Caps(), today, visit))
        assert through(upstream.url, ask, budget=free).result[0] == 200
    status, anthropic, other_status, hugging_face = seen.result
    assert (status, other_status) == (503, 503)
    for error in (anthropic["error"], hugging_face["error"]):
        assert "daily budget can't be checked" in error["message"]
        assert "/healthz" in error["message"]
    assert capped.run.taken == Amount()


# ---------------------------------------------------------------- streams whose numbers are not all

CHAT = {"model": "meta-llama/Llama-3.3-70B-Instruct:groq", "max_tokens": 10_000, "stream": True}
CHUNK = {
    "choices": [{"index": 0, "delta": {"content": "hi"}}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11},
}
RUNNING = f"data: {json.dumps(CHUNK)}\n\n".encode()
"""Usage with each chunk, as some servers send it."""


def streamed(answer: Answer, of: RunBudget, *, leave: bool = False) -> ModelCall:
    """Stream a chat completion, and read it or leave after its first piece; return the event."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        body = {**CHAT, "messages": []}
        async with session.post(
            "/v1/chat/completions", json=body, headers=bearer(grant)
        ) as response:
            with suppress(aiohttp.ClientError):
                await (response.content.readany() if leave else response.read())

    with scripted(lambda _: answer) as upstream:
        return through(upstream.url, client, budget=of).model_calls[0]


@pytest.mark.parametrize("leave", [False, True])
def test_usage_of_an_unfinished_stream_is_incomplete(leave: bool) -> None:
    of = purse(usd=1)
    many = Answer(headers=SSE, chunks=[RUNNING] * 400, pause=0.05)
    event = streamed(many if leave else Answer(headers=SSE, chunks=[RUNNING] * 3), of, leave=leave)
    assert of.run.used.tokens > 10_000
    assert (event.cost_usd, event.unpriced) == (None, True)


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/plain", "application/json"])
def test_response_that_is_not_a_stream_is_cut_by_its_bytes(kind: str) -> None:
    text = f"data: {json.dumps({'choices': [{'delta': {'content': 'x' * 1000}}]})}\n\n".encode()
    of = purse(tokens=3000)
    answer = Answer(headers={"Content-Type": kind}, chunks=[text] * 30, pause=0.01)
    assert streamed(answer, of).error == "budget"


@pytest.mark.parametrize(
    "event",
    [
        b'data: {"choices": [{"text": "word word"}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "word word"}}], "choices": []}\n\n',
        b"data: word word\n\n",
        b": word word\n\n",
        b'data: {"choices": [{"delta": {"content": "word word"}}]}\n',
    ],
)
def test_stream_in_an_unfamiliar_form_is_cut_by_its_bytes(event: bytes) -> None:
    of = purse(tokens=3000)
    answer = Answer(headers=SSE, chunks=[event * 50] * 400, pause=0.002)
    assert streamed(answer, of).error == "budget"


def test_cost_of_a_run_is_unknown_if_an_abandoned_call_may_be_charged() -> None:
    tally = UsageTotals()
    known = used_by(said({"input_tokens": 3, "output_tokens": 5}), purse())
    tally.add(known)
    assert tally.cost_usd() == known.cost_usd
    tally.add(used_by(Answer(529, JSON, b'{"error": {"type": "overloaded_error"}}'), purse()))
    assert tally.cost_usd() == known.cost_usd

    async def leave(session: aiohttp.ClientSession, grant: Grant) -> None:
        call = asyncio.create_task(ask(session, grant))
        await eventually(lambda: upstream.sent_at)
        call.cancel()
        await asyncio.wait({call})

    with scripted(lambda _: Answer(headers=JSON, chunks=[b" "] * 1000, pause=0.1)) as upstream:
        tally.add(through(upstream.url, leave, budget=purse()).model_calls[0])
    assert tally.cost_usd() is None
    assert (tally.calls, tally.unmetered_calls) == (3, 1)
