"""Budgets: calls that don't fit are refused, and concurrent calls can't exceed a cap together."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import huggingface_hub
import pytest
from huggingface_hub.errors import TextGenerationError
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import NANO, Amount, BudgetError, Caps, Ledger, Reservation
from server.budgets.run_budget import MIN_SHARE, RunBudget
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Grant
from server.gateway.metering import today
from server.storage.store import Store
from tests.support.gateway_client import MODEL, ask, asking, bearer, eventually, facts_of, through
from tests.support.memory_spend import MemorySpend
from tests.support.upstream import Answer, Received, message, message_events, scripted

A, HF = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
DAY = date(2026, 11, 26)
PLAIN, PLAIN_HF = "claude-haiku-4-5", "meta-llama/Llama-3.3-70B-Instruct"
"""Models that are known not to think."""
SSE = {"Content-Type": "text/event-stream"}


def facts(**body: Any) -> RequestFacts:
    return facts_of(json.dumps(asking(**body)).encode())


def budget(**caps: Any) -> RunBudget:
    return RunBudget(Ledger("run", Caps(**caps)))


def reserve(of: RunBudget, asked: RequestFacts, *, free: bool = False) -> Reservation:
    return of.reserve_locally(A, asked, DAY, free=free)


# ---------------------------------------------------------------- reserve and settle


def test_worst_case_is_reserved_and_replaced_by_usage() -> None:
    purse = budget(tokens=1000)
    held = reserve(purse, facts())
    assert purse.run.reserved.tokens > 100
    held.settle(Amount(5, 7, 1))
    held.settle(None)  # only the first counts
    assert (purse.run.used, purse.run.reserved) == (Amount(5, 7, 1), Amount())


def test_unknown_usage_counts_as_reserved() -> None:
    purse = budget(usd=1)
    reserve(purse, facts()).settle(None)
    assert purse.run.used.nano > 100 * 10 * 1000


@pytest.mark.parametrize(
    ("caps", "cap"),
    [({"calls": 0}, "run_calls"), ({"tokens": 150}, "run_tokens"), ({"usd": 0.001}, "run_usd")],
)
def test_call_that_does_not_fit_is_refused_by_the_cap_it_names(
    caps: dict[str, Any], cap: str
) -> None:
    with pytest.raises(BudgetError, match="for this run") as refused:
        reserve(budget(**caps), facts())
    assert refused.value.cap == cap


@pytest.mark.parametrize(
    ("dollars", "words"),
    [(5, "$5"), (0.5, "$0.50"), (1234.5, "$1,234.50"), (0.00001, "$0.00001"), (0, "$0")],
)
def test_dollars_are_written_as_people_do(dollars: float, words: str) -> None:
    assert Ledger("run", Caps(usd=dollars)).describe("usd") == f"budget of {words} for this run"


def test_budget_of_a_day_counts_across_runs() -> None:
    day = DailyBudget(Caps(calls=3), lambda: DAY, MemorySpend().exchange)
    runs = [RunBudget(Ledger("run", Caps()), day) for _ in range(4)]
    for run in runs[:3]:
        reserve(run, facts())
    with pytest.raises(BudgetError, match="for today") as refused:
        reserve(runs[3], facts())
    assert refused.value.cap == "day_calls"
    reserve(runs[3], facts(), free=True)  # the local model costs nothing


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
        ({"mcp_servers": [{"url": "https://x"}]}, "mcp_servers"),
        ({"messages": [{"role": "user", "content": [{"type": "document"}]}]}, "source is missing"),
        ({"model": "claude-unheard-of"}, "no price is known for claude-unheard-of"),
        ({"speed": "fast"}, "no price is known for this kind of call"),
    ],
)
def test_call_whose_worst_case_can_not_be_known_is_refused(body: dict[str, Any], why: str) -> None:
    with pytest.raises(BudgetError, match=why):
        reserve(budget(usd=100), facts(**body))
    reserve(budget(calls=1), facts(**body))  # a budget of calls doesn't need to know


def test_duplicate_max_tokens_is_not_understood() -> None:
    body = b'{"model": "%s", "max_tokens": 100000, "max_tokens": 1}' % MODEL.encode()
    assert "'max_tokens' twice" in str(facts_of(body).unbounded)


_FIT = "Set max_tokens to 926 or less, or raise the budget"
_DAY = ", or wait: it starts over at 00:00 UTC"
_UNCUT = ". Its stream can't be cut off there instead: "


@pytest.mark.parametrize(
    ("scope", "body", "why"),
    [
        ("run", {}, f"it may write 4,096 tokens, and 926 are left. {_FIT}"),
        ("day", {}, f"it may write 4,096 tokens, and 926 are left. {_FIT}{_DAY}"),
        (
            "run",
            {"stream": True},
            f"it may write 4,096 tokens, and 926 are left. {_FIT}"
            f"{_UNCUT}the model may think without showing it",
        ),
        (
            "run",
            {"stream": True, "model": PLAIN, "tools": [{"name": "f", "input_schema": {}}]},
            f"it may write 4,096 tokens, and 926 are left. {_FIT}"
            f"{_UNCUT}it has tools, and tool input is streamed late",
        ),
        ("run", {"max_tokens": None}, f"it sets no max_tokens, and 926 tokens are left. {_FIT}"),
        (
            "run",
            {"n": 2},
            "it may write 8,192 tokens, and 926 are left. Set max_tokens to 463 or less, "
            "or raise the budget",
        ),
    ],
)
def test_refusal_of_a_call_shows_how_it_would_fit(
    scope: str, body: dict[str, Any], why: str
) -> None:
    def asked_for(**more: Any) -> RequestFacts:
        said = json.dumps({**asking(max_tokens=4096), **body, **more}).encode()
        return facts_of(said, HF if "n" in body else A)

    asked = asked_for()
    caps = Caps(tokens=asked.most_input_tokens + 926)
    none = Caps()
    day = DailyBudget(caps if scope == "day" else none, lambda: DAY, MemorySpend().exchange)
    purse = RunBudget(Ledger("run", caps if scope == "run" else none), day)
    with pytest.raises(BudgetError) as refused:
        reserve(purse, asked)
    what = f"budget of {caps.tokens:,} tokens for {'today' if scope == 'day' else 'this run'}"
    assert str(refused.value) == f"this call may use more than is left of the {what}: {why}"
    fits = int(str(refused.value).split("max_tokens to ")[1].split()[0])
    reserve(purse, asked_for(max_tokens=fits))


def chat(**more: Any) -> RequestFacts:
    body = {"model": PLAIN_HF, "messages": [{"role": "user", "content": "hi"}], **more}
    return facts_of(json.dumps(body).encode(), HF)


def test_limit_that_some_servers_ignore_limits_nothing() -> None:
    with pytest.raises(BudgetError) as refused:
        budget(usd=0.01).reserve_locally(HF, chat(max_completion_tokens=16), DAY, free=False)
    said = str(refused.value)
    assert "it sets max_completion_tokens alone, which some servers ignore" in said
    assert re.search(r"Set max_tokens to [\d,]+ or less", said)
    streamed = chat(max_completion_tokens=16, stream=True)
    assert budget(usd=0.01).reserve_locally(HF, streamed, DAY, free=False).cut_at is not None
    with pytest.raises(BudgetError, match="max_completion_tokens alone"):
        budget(tokens=20_000).reserve_locally(HF, chat(max_completion_tokens=16), DAY, free=True)


@pytest.mark.parametrize("limits", [(16, 2000), (2000, 16)])
def test_larger_of_two_limits_counts(limits: tuple[int, int]) -> None:
    asked = chat(max_tokens=limits[0], max_completion_tokens=limits[1])
    assert asked.most_output_tokens == 2000
    assert chat(max_tokens=16).most_output_tokens == 16


def test_refusal_of_too_many_answers_suggests_fewer() -> None:
    asked = facts_of(json.dumps({**asking(), "n": 128}).encode(), HF)
    with pytest.raises(BudgetError, match=r"100 are left\. Ask for fewer answers, or raise"):
        reserve(budget(tokens=asked.most_input_tokens + 100), asked)


def test_refusal_of_too_large_input_suggests_shortening_it() -> None:
    with pytest.raises(BudgetError) as refused:
        reserve(budget(usd=0.0001), facts(system="x" * 5000))
    said = r"may cost more than .* of \$0\.0001 .*: its input of up to 5,\d+ tokens may need all of"
    assert re.search(said, str(refused.value))
    assert str(refused.value).endswith("Shorten it, or raise the budget")


@pytest.mark.parametrize("scope", ["run", "day"])
def test_refusal_of_a_call_beyond_the_number_has_a_remedy(scope: str) -> None:
    day = DailyBudget(
        Caps(calls=0) if scope == "day" else Caps(), lambda: DAY, MemorySpend().exchange
    )
    purse = RunBudget(Ledger("run", Caps(calls=0) if scope == "run" else Caps()), day)
    ends = {"run": "Raise the budget", "day": f"Raise the budget{_DAY}"}
    with pytest.raises(BudgetError) as refused:
        reserve(purse, facts())
    assert str(refused.value).endswith(f"all calls are used. {ends[scope]}")


@pytest.mark.parametrize("said", [{}, {"thinking": {"type": "adaptive"}}])
@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-unheard-of"])
@pytest.mark.parametrize("scope", ["run", "day"])
def test_stream_of_a_model_that_may_think_unseen_has_to_fit(
    said: dict[str, Any], model: str, scope: str
) -> None:
    caps, none = Caps(tokens=5_000), Caps()
    day = DailyBudget(caps if scope == "day" else none, lambda: DAY, MemorySpend().exchange)
    purse = RunBudget(Ledger("run", caps if scope == "run" else none), day)
    asked = facts(model=model, stream=True, max_tokens=60_000, **said)
    with pytest.raises(BudgetError, match="think without showing"):
        reserve(purse, asked)
    assert reserve(purse, facts(model=model, stream=True, max_tokens=1_000, **said)).cut_at is None


def test_stream_of_a_model_that_shows_all_it_writes_may_begin() -> None:
    for more in ({"model": PLAIN}, {"model": "claude-opus-5", "thinking": {"type": "disabled"}}):
        held = reserve(budget(tokens=5_000), facts(stream=True, max_tokens=60_000, **more))
        assert held.cut_at is not None
    own = facts(model="llama3.2", stream=True, max_tokens=60_000)
    assert reserve(RunBudget(Ledger("run", Caps(tokens=5_000))), own, free=True).cut_at is not None


@pytest.mark.parametrize(
    "late", [{"tools": [{"type": "function", "function": {"name": "f"}}]}, {"logit_bias": {"1": 5}}]
)
@pytest.mark.parametrize("free", [True, False])
def test_stream_that_may_delay_text_has_to_fit_on_any_server(
    late: dict[str, Any], free: bool
) -> None:
    with pytest.raises(BudgetError, match=r"can't be cut off there instead: it .*streamed"):
        budget(tokens=5_000).reserve_locally(HF, chat(stream=True, **late), DAY, free=free)
    fits = chat(stream=True, max_tokens=1_000, **late)
    assert budget(tokens=5_000).reserve_locally(HF, fits, DAY, free=free).cut_at is None


def test_odd_free_request_is_refused_only_under_a_token_cap() -> None:
    asked = facts(model="llama3.2", keep_alive="5m")
    reserve(budget(usd=0.01), asked, free=True)
    with pytest.raises(BudgetError, match="keep_alive"):
        reserve(budget(tokens=5_000), asked, free=True)


def test_large_picture_fits_where_its_tokens_do() -> None:
    data = base64.b64encode(random.Random(1).randbytes(1_500_000)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    parts = [{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}]
    asked = facts(messages=[{"role": "user", "content": parts}])
    assert asked.body_bytes > 2_000_000
    assert reserve(budget(tokens=6_000), asked).cut_at is None
    assert reserve(budget(usd=0.1), asked).cut_at is None


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_input_is_reserved_at_the_price_of_keeping_it_for_an_hour(ttl: str) -> None:
    asked = facts(model=PLAIN, system="x" * 10_000, cache_control={"type": "ephemeral", "ttl": ttl})
    held = reserve(budget(usd=1), asked)
    assert held.amount.nano >= 2 * 1_000 * asked.body_bytes  # twice $1 a million tokens


@given(st.text(max_size=200), st.integers(1, 1000), st.integers(0, 5))
def test_input_is_never_estimated_below_a_token_a_byte(text: str, most: int, images: int) -> None:
    content = [{"type": "text", "text": text}, *[{"type": "image", "source": {}}] * images]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": most}
    encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    found = facts_of(encoded)
    assert found.most_input_tokens >= len(encoded) + images * 5000
    assert found.most_output_tokens == most


# ---------------------------------------------------------------- a share of the day


def of_day(caps: Caps, **run: Any) -> RunBudget:
    return RunBudget(
        Ledger("run", Caps(**run)), DailyBudget(caps, lambda: DAY, MemorySpend().exchange)
    )


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (f"{PLAIN_HF}:groq", 131_072),  # their context window
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", 262_144),
        ("Qwen/Qwen2.5-7B-Instruct", MIN_SHARE),  # of 32,768, but cut by bytes
        ("meta-llama/Llama-3-unheard-of", MIN_SHARE),
    ],
)
@pytest.mark.parametrize("answers", [1, 3])
def test_stream_that_does_not_say_its_length_leaves_the_rest_of_the_day_to_others(
    model: str, most: int, answers: int
) -> None:
    purse, asked = of_day(Caps(tokens=10_000_000)), chat(model=model, stream=True, n=answers)
    held = purse.reserve_locally(HF, asked, DAY, free=False)
    assert held.amount.tokens == asked.most_input_tokens + most * answers
    assert held.cut_at is not None
    assert held.amount.tokens - asked.most_input_tokens - 100 < held.cut_at < most * answers
    assert "Set max_tokens" in str(held.cut_error)
    assert f"may use {most * answers:,} tokens of it" in str(held.cut_error)
    held.settle(None)
    assert reserve(purse, facts(max_tokens=5_000_000)).cut_at is None


def test_stream_that_does_not_say_its_length_takes_dollars_of_the_day_for_its_longest() -> None:
    purse = of_day(Caps(usd=5))
    held = purse.reserve_locally(HF, chat(stream=True), DAY, free=False)
    assert 0 < held.amount.nano < 300_000_000
    assert held.cut_error is not None
    assert held.cut_error.cap == "day_usd"


@pytest.mark.parametrize(
    ("day", "run", "more", "cap"),
    [
        ({"tokens": 5_000}, {}, {}, "day_tokens"),  # less is left than it would reserve
        ({"usd": 5}, {"tokens": 5_000}, {}, "run_tokens"),
        ({}, {"tokens": 1_000_000}, {}, "run_tokens"),  # the run's own, which is for itself
        ({"tokens": 400_000}, {}, {"max_tokens": 500_000}, "day_tokens"),  # it says its length
    ],
)
def test_stream_reserves_all_that_is_left_if_less(
    day: dict[str, Any], run: dict[str, Any], more: dict[str, Any], cap: str
) -> None:
    purse, asked = of_day(Caps(**day), **run), chat(stream=True, **more)
    held = purse.reserve_locally(HF, asked, DAY, free=False)
    assert held.amount.tokens == {**day, **run}["tokens"]
    assert held.cut_error is not None
    assert held.cut_error.cap == cap
    assert "because it is used up" in str(held.cut_error)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_completion_tokens": 16},
        {"stream": True, "tools": [{"type": "function", "function": {"name": "f"}}]},
    ],
)
@pytest.mark.parametrize("answers", [1, 3])
def test_call_that_can_not_be_cut_and_does_not_say_its_length_needs_its_models_longest_answer(
    more: dict[str, Any], answers: int
) -> None:
    asked = chat(n=answers, **more)
    needed = asked.most_input_tokens + 131_072 * answers
    held = budget(tokens=needed).reserve_locally(HF, asked, DAY, free=False)
    assert (held.amount.tokens, held.cut_at) == (needed, None)
    with pytest.raises(BudgetError, match="Set max_tokens"):
        budget(tokens=needed - 1).reserve_locally(HF, asked, DAY, free=False)


def test_limit_above_the_models_longest_answer_counts_though_some_servers_ignore_it() -> None:
    held = budget(tokens=10**6).reserve_locally(
        HF, chat(max_completion_tokens=500_000), DAY, free=False
    )
    assert held.amount.tokens > 500_000


@pytest.mark.parametrize(("model", "free"), [("Qwen/unheard-of", False), (PLAIN_HF, True)])
def test_call_of_unknown_length_is_refused(model: str, free: bool) -> None:
    with pytest.raises(BudgetError, match="sets no max_tokens"):
        budget(tokens=10_000_000).reserve_locally(HF, chat(model=model), DAY, free=free)


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


# ---------------------------------------------------------------- side by side


@given(st.integers(0, 2000), st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=60))
def test_calls_in_any_order_never_cross_a_cap(cap: int, steps: list[tuple[int, bool]]) -> None:
    purse = budget(tokens=cap)
    under_way: list[tuple[Reservation, int]] = []
    used = 0
    for most, ends in steps:
        asked = RequestFacts(model=MODEL, max_tokens=most)
        with suppress(BudgetError):
            under_way.append((reserve(purse, asked), asked.most_input_tokens + most))
        if ends and under_way:
            held, worst = under_way.pop(0)
            used += worst
            held.settle(Amount(0, worst, 1))
        assert used + sum(worst for _, worst in under_way) <= cap


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


# ---------------------------------------------------------------- what the agent sees


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
    chunks = message_events(*["word " * 4] * 500)
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
    assert 0 < words < 1000
    assert "budget of 1,000 tokens for this run" in text
    assert seen.calls[0]["error.type"] == "budget"
    assert upstream.broken_pipes or len(upstream.sent_at) < 500
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
            spent.append(purse.run.used.tokens)
        return spent

    with scripted(lambda _: next(answers)) as upstream:
        seen = through(upstream.url, client, budget=purse)
    assert seen.result[0] == 0
    assert seen.result[1] > 100
