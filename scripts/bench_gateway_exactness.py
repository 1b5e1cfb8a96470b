"""Exactness, measured by the gateway's benchmark: caps of budgets and counted tokens."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

from bench_gateway_load import connection, pieces
from bench_gateway_targets import MESSAGES, MODEL, Target

from llm_agent_builder.metering.answer_readers import anthropic_reader, chat_completion_reader
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget, run_spend_writer
from server.budgets.ledger import Caps, Ledger
from server.budgets.run_budget import RunBudget
from server.budgets.spend_store import SpendStore
from server.gateway.gateway import Gateway, Grant, ModelCall, Upstream
from server.gateway.metering import today
from server.secret import Secret
from server.storage.store import Store

ODD = (-1, 0.5, 10**30, "7", True, [7], {"n": 7})
QUIET: tuple[Any, ...] = (
    None,
    {},
    {"output_tokens": 0, "completion_tokens": 0},
    {"output_tokens": None},
)


def fuzzed_stream(rng: random.Random) -> tuple[bytes, tuple[int, int] | None, bool]:
    """Return a stream, its usage (None: not countable), and whether it is Anthropic's.

    A third of the streams repeat their usage in an odd form: empty, smaller, or not a number.
    """
    text = "".join(rng.choice('word "\\é{}[]:,\nusage') for _ in range(rng.randint(1, 60)))
    read, written, cached = (rng.randint(1, 10**6) for _ in range(3))
    end = rng.choice(["\n", "\r\n", "\r"])
    is_anthropic = rng.random() < 0.5
    odd = rng.choice([*QUIET, *ODD]) if rng.random() < 0.3 else None
    if is_anthropic:
        started = {"input_tokens": read, "cache_read_input_tokens": cached}
        delta = {"type": "content_block_delta", "delta": {"text": text}}
        events: list[Any] = [{"type": "message_start", "message": {"usage": started}}]
        events += [delta] * rng.randint(0, 8)
        usages: list[Any] = [{"output_tokens": written}, odd_usage(odd, "output_tokens")]
        end_of = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
        events += [{**end_of, "usage": usage} for usage in usages]
        read += cached
    else:
        usage = {"prompt_tokens": read, "completion_tokens": written}
        chunk = {"choices": [{"delta": {"content": text}}], "usage": None}
        events = [chunk] * rng.randint(0, 8) + [{"choices": [], "usage": usage}]
        events += [{"choices": [], "usage": odd_usage(odd, "completion_tokens")}]
    lines = [f"data: {json.dumps(item, ensure_ascii=rng.random() < 0.5)}{end}" for item in events]
    reported = None if odd in ODD else (read, written)
    return (end.join(lines) + end).encode(), reported, is_anthropic


def odd_usage(odd: object, key: str) -> object:
    """Return a usage object with an odd number, or an empty one."""
    return odd if odd in QUIET else {key: odd}


def metering_errors(streams: int) -> int:
    """Return the number of fuzzed streams for which the counted tokens differ from the usage."""
    rng, wrong = random.Random(7), 0
    for _ in range(streams):
        data, reported, is_anthropic = fuzzed_stream(rng)
        make = anthropic_reader if is_anthropic else chat_completion_reader
        reader, start = make(stream=True), 0
        largest = rng.choice([1, 3, 50, 5000])
        while start < len(data):
            size = rng.randint(1, largest)
            reader.feed(data[start : start + size])
            start += size
        reader.finish()
        usage = reader.seen.usage
        wrong += (usage and (usage.input_tokens, usage.output_tokens)) != reported
    return wrong


@asynccontextmanager
async def budgets(caps: Caps, servers: int) -> AsyncIterator[list[RunBudget]]:
    """Yield budgets: one of a run, or those of several servers that share a database."""
    if servers == 1:
        yield [RunBudget(Ledger("run", caps))]
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
        stores = [open_.enter_context(closing(Store(Path(folder)))) for _ in range(servers)]
        days = [DailyBudget(caps, today, SpendStore(store.database).exchange) for store in stores]
        writers = [asyncio.create_task(run_spend_writer(day)) for day in days]
        yield [RunBudget(Ledger("run", Caps()), day) for day in days]
        for task in writers:
            task.cancel()
        await asyncio.gather(*writers, return_exceptions=True)


async def overspent(
    upstream: int, trials: int, streams: int, servers: int = 1
) -> tuple[int, int, int]:
    """Return the trials that exceeded a cap, the calls that succeeded, and those that did not.

    The upstream itself counts the spent tokens: all that it wrote. With several servers, the cap is
    that of the day, in a shared database.
    """
    url = f"http://127.0.0.1:{upstream}"
    rng, caps = random.Random(11), dict[str, int]()
    through = refused = 0

    async def policy(provider: ProviderEnum) -> Upstream:
        return Upstream("provider", url, Secret("bench"))

    gateway = Gateway(environ={})
    await gateway.start()
    for number in range(trials):
        calls: list[ModelCall] = []
        name, cap = f"{servers}-{number}", rng.randint(800, 12_000)
        caps[name] = cap
        async with budgets(Caps(tokens=cap), servers) as found:
            grants = [await gateway.open(policy, calls.append, budget=each) for each in found]
            each_one = [grants[index % servers] for index in range(streams)]
            await asyncio.gather(*(try_stream(grant, name, rng) for grant in each_one))
            for grant in grants:
                await grant.close()
        went = sum(call.status == 200 for call in calls)
        through, refused = through + went, refused + len(calls) - went
    await gateway.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream)
    writer.write(b"GET /spent HTTP/1.1\r\n\r\n")
    spent = json.loads(await anext(pieces(reader)))
    writer.close()
    over = sum(spent.get(name, 0) > cap for name, cap in caps.items())
    return over, through, refused


async def reservations(count: int) -> tuple[float, float]:
    """Return the seconds per reservation in a database: single, and for 50 at once."""
    asked = RequestFacts(model=MODEL, max_tokens=10)

    async def one(of: RunBudget) -> None:
        (await of.reserve(ProviderEnum.ANTHROPIC, asked, today(), free=False)).settle(None)

    async with budgets(Caps(calls=10**9), 2) as (budget, _):
        begun = time.perf_counter()
        for _ in range(count):
            await one(budget)
        alone = time.perf_counter()
        for _ in range(count // 50):
            await asyncio.gather(*(one(budget) for _ in range(50)))
        return (alone - begun) / count, (time.perf_counter() - alone) / (count // 50)


async def try_stream(grant: Grant, name: str, rng: random.Random) -> None:
    most = rng.choice([20, 40, 60, 60, 50_000])
    asked = {"model": MODEL, "max_tokens": most, "stream": True, "messages": MESSAGES}
    target = Target("ours", grant.port, grant.token.reveal())
    async with connection(target) as (reader, writer):
        writer.write(target.request(json.dumps(asked).encode(), x_trial=name))
        try:
            async for _ in pieces(reader):
                pass
        except (RuntimeError, asyncio.IncompleteReadError):
            return  # refused, or cut
