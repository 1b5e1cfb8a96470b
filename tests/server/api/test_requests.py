"""Requests through the gateway: refusals, budgets, and forwarded headers."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import anthropic
import huggingface_hub
import pytest
from anthropic import beta_async_tool

from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.gateway.cassette import Cassette
from server.gateway.gateway import Grant
from server.gateway.metering import today
from server.gateway.request_reader import LARGE, OpenRequests, RequestReader
from server.gateway.timeouts import Timeouts
from server.settings import PROVIDER_TOOLS, grantable
from tests.support.gateway_client import Seen, ask, asking, bearer, through
from tests.support.memory_spend import MemorySpend
from tests.support.upstream import Answer, Received, message, message_events, scripted

PLAIN = "claude-haiku-4-5"
CHAT = {"model": "meta-llama/Llama-3.3-70B-Instruct:groq", "max_tokens": 5, "messages": []}
JSON = {"Content-Type": "application/json"}
SSE = {"Content-Type": "text/event-stream"}
URL = "https://attacker.example/?secret"
PICTURE = {"type": "image", "source": {"type": "url", "url": URL}}


def day(**caps: Any) -> RunBudget:
    return RunBudget(
        Ledger("run", Caps()), DailyBudget(Caps(**caps), today, MemorySpend().exchange)
    )


def run(**caps: Any) -> RunBudget:
    return RunBudget(Ledger("run", Caps(**caps)))


BUDGETS: dict[str, Callable[[], RunBudget]] = {
    "none": run,
    "calls": lambda: run(calls=100),
    "run_usd": lambda: run(usd=100),
    "run_tokens": lambda: run(tokens=10**7),
    "day_usd": lambda: day(usd=100),
    "day_tokens": lambda: day(tokens=10**7),
}
BOUNDS_SIZE = {"run_usd", "run_tokens", "day_usd", "day_tokens"}


def sending(
    *requests: tuple[str, dict[str, Any]], budget: RunBudget | None = None, **options: Any
) -> tuple[list[int], list[Received], Seen]:
    """Send requests through the gateway; return the statuses, and what came out."""

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        statuses = []
        for path, more in requests:
            headers = [*bearer(grant).items(), *more.pop("headers", ())]
            async with session.post(path, headers=headers, **more) as answer:
                statuses.append(answer.status)
                await answer.read()
        return statuses

    with scripted(lambda _: Answer(headers=JSON, body=message("hi"))) as upstream:
        seen = through(upstream.url, client, budget=budget or run(), **options)
        return seen.result, upstream.received, seen


def to(provider: str, **more: Any) -> tuple[str, dict[str, Any]]:
    if provider == "anthropic":
        return "/v1/messages", {"json": asking(model=PLAIN) | more}
    return "/v1/chat/completions", {"json": CHAT | more}


def raw(body: bytes, *headers: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    kinds = {name for name, _ in headers}
    more = () if "Content-Type" in kinds else JSON.items()
    return "/v1/messages", {"data": body, "headers": [*headers, *more]}


# ---------------------------------------------------------------- by budget

SMALL = json.dumps(asking(model=PLAIN)).encode()
ODD: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
    "float": lambda: to("anthropic", max_tokens=16.0),
    "float of chat": lambda: to("huggingface", max_completion_tokens=1e5),
    "text": lambda: to("huggingface", n="1000"),
    "huge": lambda: to("anthropic", max_tokens=10**30),
    "unknown field": lambda: to("anthropic", extra={"a": 1}),
    "unknown part": lambda: to(
        "huggingface", messages=[{"role": "user", "content": [{"type": "audio", "audio": "x"}]}]
    ),
    "part without a type": lambda: to(
        "anthropic", messages=[{"role": "user", "content": [{"video": "x"}]}]
    ),
    "doubled": lambda: raw(SMALL.replace(b"{", b'{"max_tokens": 1, ', 1)),
    "doubled, escaped": lambda: raw(SMALL.replace(b"{", b'{"max\\u005ftokens": 1, ', 1)),
    "compaction": lambda: to("anthropic", compaction={"type": "x"}),
    "fallbacks": lambda: to("anthropic", fallbacks="default"),
    "compressed": lambda: raw(gzip.compress(SMALL), ("Content-Encoding", "gzip")),
    "as a form": lambda: raw(SMALL, ("Content-Type", "application/x-www-form-urlencoded")),
    "beta": lambda: raw(
        SMALL, ("anthropic-beta", "prompt-caching-2024-07-31,fast-mode-2026-02-01")
    ),
    "two betas": lambda: raw(
        SMALL, ("anthropic-beta", "pdfs-2024-09-25"), ("anthropic-beta", "compact-2026-01-12")
    ),
    "query": lambda: ("/v1/messages?beta=true&tier=fast", {"json": asking(model=PLAIN)}),
}


@pytest.mark.parametrize("budget", list(BUDGETS))
def test_unknown_request_is_refused_only_under_a_budget(
    budget: str,
) -> None:
    statuses, received, seen = sending(*(make() for make in ODD.values()), budget=BUDGETS[budget]())
    found = dict(zip(ODD, statuses, strict=True))
    assert found == dict.fromkeys(ODD, 402 if budget in BOUNDS_SIZE else 200)
    assert len(received) == (0 if budget in BOUNDS_SIZE else len(ODD))
    assert all(call["cost_usd"] is None for call in seen.calls)
    for data in (data for kind, data in seen.events if kind == "limit"):
        assert data["cap"] == budget
        assert "can't be determined in advance" in data["message"]


UNREADABLE: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
    "empty": lambda: raw(b""),
    "no JSON": lambda: raw(b"max_tokens=1"),
    "two values": lambda: raw(SMALL + SMALL),
    "a byte order mark": lambda: raw(b"\xef\xbb\xbf" + SMALL),
    "UTF-16": lambda: raw(SMALL.decode().encode("utf-16"), ("Content-Type", "application/json")),
    "no UTF-8": lambda: raw(SMALL.replace(b"hi", b"\xc0\xa2")),
    "NaN": lambda: raw(SMALL.replace(b"{", b'{"top_p": NaN, ', 1)),
    "a charset": lambda: raw(SMALL, ("Content-Type", "application/json; charset=utf-7")),
    "two encodings": lambda: raw(
        SMALL, ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")
    ),
    "encodings in one": lambda: raw(SMALL, ("Content-Encoding", "identity, gzip")),
    "an unknown encoding": lambda: raw(SMALL, ("Content-Encoding", "br")),
    "gzip in name only": lambda: raw(SMALL, ("Content-Encoding", "gzip")),
    "two packed": lambda: raw(gzip.compress(SMALL) * 2, ("Content-Encoding", "gzip")),
    "cut off": lambda: raw(gzip.compress(SMALL)[:-9], ("Content-Encoding", "gzip")),
}


@pytest.mark.parametrize("budget", list(BUDGETS))
def test_unreadable_request_is_refused(budget: str) -> None:
    requests = [make() for make in UNREADABLE.values()]
    statuses, received, _ = sending(*requests, budget=BUDGETS[budget]())
    found = dict(zip(UNREADABLE, statuses, strict=True))
    assert found == dict.fromkeys(UNREADABLE, 402 if budget in BOUNDS_SIZE else 400)
    assert received == []


@pytest.mark.parametrize("budget", list(BUDGETS))
def test_sdk_requests_pass_under_every_budget(budget: str) -> None:
    @beta_async_tool
    async def add(first: int, second: int) -> str:
        """Add two numbers."""
        return str(first + second)

    async def client(session: aiohttp.ClientSession, grant: Grant) -> None:
        base, key = f"http://127.0.0.1:{grant.port}", grant.token.reveal()
        async with anthropic.AsyncAnthropic(base_url=base, api_key=key) as sdk:
            asked: dict[str, Any] = asking(model=PLAIN)
            first = await sdk.messages.create(**asked, extra_body={"temperature": 0.5, "top_k": 9})
            again = [*asked["messages"], {"role": "assistant", "content": first.content}]
            await sdk.messages.create(**asked | {"messages": [*again, *asked["messages"]]})
            await sdk.messages.count_tokens(model=PLAIN, messages=asked["messages"])
            await sdk.beta.messages.tool_runner(**asked, tools=[add], thread=False).until_done()
            await sdk.beta.messages.create(**asked, betas=["structured-outputs-2025-11-13"])
            edits: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}
            betas: Any = ["context-management-2025-06-27"]
            await sdk.beta.messages.create(**asked, betas=betas, context_management=edits)
            schema = anthropic.transform_schema({"type": "object", "properties": {}})
            config: Any = {"format": {"type": "json_schema", "schema": schema}}
            await sdk.messages.create(**asked, output_config=config)
            async with sdk.messages.stream(**asked) as stream:
                await stream.get_final_message()
        async with huggingface_hub.AsyncInferenceClient(base_url=f"{base}/v1", api_key=key) as hf:
            await hf.chat_completion(
                [{"role": "user", "content": "hi"}],
                model=CHAT["model"],
                max_tokens=5,
                temperature=0.1,
                stop=["."],
                extra_body={"stream_options": {"include_usage": True}},
            )

    def answer(request: Received) -> Answer:
        if request.path.startswith("/v1/chat"):
            said = {"role": "assistant", "content": "hi"}
            choices = [{"index": 0, "message": said, "finish_reason": "stop"}]
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            named = {"id": "c", "model": "m", "created": 1, "object": "o"}
            body = {**named, "choices": choices, "usage": usage, "system_fingerprint": ""}
            return Answer(headers=JSON, body=json.dumps(body).encode())
        if "count_tokens" in request.path:
            return Answer(headers=JSON, body=b'{"input_tokens": 1}')
        if json.loads(request.body).get("stream"):
            return Answer(headers=SSE, chunks=message_events("hi"))
        return Answer(headers=JSON, body=message("hi"))

    with scripted(answer) as upstream:
        seen = through(upstream.url, client, budget=BUDGETS[budget]())
    assert {call["http.response.status_code"] for call in seen.calls} == {200}
    assert len(seen.calls) == 9


# ---------------------------------------------------------------- headers

SWITCHES = [
    "X-HF-Bill-To",
    "x-hf-bill-to",
    "X_HF_Bill_To",
    "x_api_key",
    "content_encoding",
    "anthropic_beta",
    "anthropic-workspace-id",
    "anthropic-user-profile-id",
    "OpenAI-Organization",
    "OpenAI-Project",
    "api-key",
    "x-goog-api-key",
    "x-amz-security-token",
    "X-HTTP-Method-Override",
    "X-Original-URL",
    "X-Service-Tier",
]


@pytest.mark.parametrize(("budget", "status"), [("none", 403), ("calls", 403), ("run_usd", 402)])
def test_header_that_chooses_account_or_payer_is_refused(budget: str, status: int) -> None:
    requests = [
        (path, {**more, "headers": [(name, "other")]})
        for name in SWITCHES
        for path, more in (to("anthropic"), to("huggingface"))
    ]
    statuses, received, _ = sending(*requests, budget=BUDGETS[budget]())
    assert (set(statuses), received) == ({status}, [])


def test_sdk_trace_and_unknown_headers_are_forwarded_and_client_headers_are_not() -> None:
    forwarded = {"x-stainless-lang": "python", "traceparent": "00-1-2-01", "x-script": "late"}
    forwarded |= {
        "user-agent": "x",
        "idempotency-key": "k",
        "x-amzn-trace-id": "t",
        "accept": "*/*",
    }
    dropped = {"cookie": "a=b", "x-forwarded-user": "a", "via": "x", "forwarded": "for=x"}
    path, more = to("anthropic")
    headers = list((forwarded | dropped).items())
    _, [received], _ = sending((path, {**more, "headers": headers}), budget=run(usd=1))
    assert forwarded.items() <= received.headers.items()
    assert not dropped.keys() & received.headers.keys()


PAYERS: list[dict[str, Any]] = [
    {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}},
    {"bill_to": "other"},
    {"workspace_id": "other"},
]


@pytest.mark.parametrize(("budget", "status"), [("none", 403), ("calls", 403), ("run_usd", 402)])
@pytest.mark.parametrize("doubled", [False, True])
def test_field_that_charges_another_account_is_refused(
    budget: str, status: int, doubled: bool
) -> None:
    bodies = [json.dumps(asking(model=PLAIN) | more) for more in PAYERS]
    if doubled:
        names = [name for fields in PAYERS for name in fields]
        pairs = zip(bodies, names, strict=True)
        bodies = [f'{body[:-1]}, "{name}": null}}' for body, name in pairs]
    requests = [("/v1/messages", {"data": body, "headers": [*JSON.items()]}) for body in bodies]
    statuses, received, _ = sending(*requests, budget=BUDGETS[budget](), provider_tools=True)
    assert (set(statuses), received) == ({status}, [])


@pytest.mark.parametrize("budget", BUDGETS)
def test_calls_that_cost_nothing_need_no_price(budget: str) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        body = {"model": "claude-unheard-of", "messages": []}
        counted = session.post("/v1/messages/count_tokens", json=body, headers=bearer(grant))
        listed = session.get("/v1/models", headers=bearer(grant))
        async with counted as first, listed as second:
            return [first.status, second.status]

    with scripted(lambda _: Answer(headers=JSON, body=b'{"data": []}')) as upstream:
        assert through(upstream.url, client, budget=BUDGETS[budget]()).result == [200, 200]


# ---------------------------------------------------------------- the provider as a network

REACHING: dict[str, dict[str, Any]] = {
    "a picture": {"messages": [{"role": "user", "content": [PICTURE]}]},
    "a server": {"mcp_servers": [{"type": "url", "url": URL, "name": "m"}]},
    "a tool": {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
    "something unknown": {"hook": {"url": URL}},
}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("compressed", [False, True])
def test_provider_tools_are_denied_unless_granted(path: str, compressed: bool) -> None:
    def requests() -> list[tuple[str, dict[str, Any]]]:
        bodies = [json.dumps(asking() | more).encode() for more in REACHING.values()]
        packed = [("Content-Encoding", "gzip")] if compressed else []
        return [
            (path, {"data": gzip.compress(body) if compressed else body, "headers": packed})
            for body in bodies
        ]

    statuses, received, seen = sending(*requests())
    assert (set(statuses), received) == ({403}, [])
    assert len({data["message"] for kind, data in seen.events if kind == "denied"}) == 4
    statuses, received, seen = sending(*requests(), provider_tools=True)
    assert (set(statuses), len(received), seen.events) == ({200}, 4, [])


def test_picture_by_address_counts_under_a_budget_and_is_denied_without_the_grant() -> None:
    asked = to("anthropic", messages=[{"role": "user", "content": [PICTURE]}])
    purse = run(usd=1)
    statuses, _, _ = sending(asked, budget=purse)
    assert (statuses, purse.run.taken.nano, purse.run.taken.calls) == ([403], 0, 0)
    asked = to("anthropic", messages=[{"role": "user", "content": [PICTURE]}])
    assert sending(asked, budget=run(usd=1), provider_tools=True)[0] == [200]
    asked = to("anthropic", messages=[{"role": "user", "content": [PICTURE]}])
    assert sending(asked, budget=run(tokens=5_000), provider_tools=True)[0] == [402]


def test_grant_is_written_like_a_host() -> None:
    assert grantable(" Provider-Tools ") == PROVIDER_TOOLS
    assert grantable("Example.com:443") == "example.com:443"
    with pytest.raises(ValueError, match="HOST:PORT"):
        grantable("provider-tool")


# ---------------------------------------------------------------- cost

NESTED = b"[" * 200_000
MANY = b"[" + b"{}," * 200_000 + b"{}]"


@pytest.mark.parametrize("budget", ["none", "run_usd"])
@pytest.mark.parametrize("body", [NESTED, MANY], ids=["nested", "many"])
def test_request_of_brackets_is_refused_in_the_providers_own_form(budget: str, body: bytes) -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> tuple[int, bytes]:
        return await ask(session, grant, json=None, data=body)

    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client, budget=BUDGETS[budget]())
    status, answer = seen.result
    assert (status, upstream.received) == (400, [])
    assert json.loads(answer)["error"]["type"] == "invalid_request_error"
    assert "nested" in str(answer) or "values" in str(answer)


def test_refused_request_is_also_refused_in_a_replay() -> None:
    replay = Cassette()
    requests = [raw(NESTED), raw(b"x"), to("anthropic", hook={"url": URL})]
    statuses, _, _ = sending(*requests, replay=replay)
    assert statuses == [400, 400, 403]


def in_a_loop(inside: Callable[[], Awaitable[Any]]) -> Any:
    async def run_it() -> Any:
        return await inside()

    return asyncio.run(run_it())


def test_readers_of_all_runs_take_turns_and_a_run_has_one() -> None:
    reader, steps = RequestReader(), 40
    order: list[str] = []

    def work(name: str) -> Any:
        for _ in range(steps):
            order.append(name)
            time.sleep(0.005)  # what a turn may take
            yield

    async def inside() -> None:
        greedy, modest = OpenRequests(), OpenRequests()
        many = [reader._in_turns(greedy, work("greedy")) for _ in range(10)]
        ticks = 0

        async def others() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        first = [asyncio.create_task(each) for each in many]
        await asyncio.sleep(0)
        await reader._in_turns(modest, work("modest"))
        for task in first:
            task.cancel()
        other.cancel()
        assert ticks >= steps  # the loop's other work went on between turns

    in_a_loop(inside)
    assert order.count("greedy") <= order.count("modest") + 2


@pytest.mark.parametrize("most", [2 * LARGE, 2**30])
def test_requests_of_all_runs_are_limited_and_small_ones_always_pass(most: int) -> None:
    big = json.dumps(asking(system="x" * 3 * LARGE)).encode()

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[Any]:
        found = []
        for body in (big, SMALL):
            async with session.post("/v1/messages", headers=bearer(grant), data=body) as answer:
                found += [answer.status, answer.headers.get("Retry-After")]
        return found

    reader = RequestReader(most)
    reader._large_bytes = most - 1
    with scripted(lambda _: Answer(body=message("hi"))) as upstream:
        seen = through(upstream.url, client, reader=reader)
    assert seen.result == ([429, "5", 200, None])
    assert reader._large_bytes == most - 1  # given back


def test_client_that_never_sends_its_body_is_not_waited_for() -> None:
    async def client(session: aiohttp.ClientSession, grant: Grant) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", grant.port)
        head = f"POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {grant.token.reveal()}\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        answer = await asyncio.wait_for(reader.read(200), 20)
        writer.close()
        return answer

    with scripted(lambda _: Answer()) as upstream:
        seen = through(upstream.url, client, timeouts=Timeouts(body=0.2))
    assert seen.result.startswith(b"HTTP/1.1 408")
