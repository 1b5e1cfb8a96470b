"""Thousands of odd requests: no interpretation of one costs more than its reservation."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import random
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from llm_agent_builder.metering.prices import highest_rates
from llm_agent_builder.providers import PROVIDERS, ProviderEnum
from llm_agent_builder.requests.facts import TooComplexError
from server.budgets.ledger import Amount, BudgetError, Caps, Ledger, nano_dollars
from server.budgets.run_budget import RunBudget
from server.gateway.gateway import Grant
from tests.support.gateway_client import bearer, facts_of, through
from tests.support.upstream import Answer, Received, scripted

A, HF = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
DAY = date(2026, 11, 26)
MODELS = {
    A: ["claude-haiku-4-5", "claude-opus-5", "claude-fable-5", "claude-sonnet-5-5"],
    HF: ["meta-llama/Llama-3.3-70B-Instruct:groq", "openai/gpt-oss-120b:groq", "Qwen/Qwen3-32B"],
}
COUNTS = ["max_tokens", "max_completion_tokens", "n", "best_of"]
NUMBERS: list[Any] = [
    1,
    2,
    16,
    1000,
    100_000,
    10**7,
    10**30,
    0,
    -5,
    True,
    None,
    "5",
    "100000",
    "1e5",
]
NUMBERS += ["1e5", 1.0, 1e5, 16.5, "\u0661", [7], {"value": 9}]
FREE_FIELDS: dict[str, list[Any]] = {
    "stream": [True, False, None, 1, "true"],
    "thinking": [{"type": "adaptive"}, {"type": "enabled", "budget_tokens": 50_000}, None, "x"],
    "speed": ["fast", "standard", None],
    "service_tier": ["auto", "priority", "flex", None],
    "temperature": [0, 1.0, "1"],
    "tools": [[], [{"type": "web_search_20250305", "name": "web_search"}], [{"name": "x"}], {}],
    "container": ["c", None],
    "stop": ["x", ["x"]],
    "extra": [1],
}


def _written(rng: random.Random, key: str) -> str:
    """Return a key as JSON, perhaps with escapes that no person would write."""
    letters = (f"\\u{ord(x):04x}" if rng.random() < 0.1 else x for x in key)
    return f'"{"".join(letters)}"' if rng.random() < 0.3 else json.dumps(key)


def odd_body(rng: random.Random, provider: ProviderEnum) -> bytes:
    """Return a nearly valid request."""
    pairs: list[tuple[str, Any]] = [("model", rng.choice(MODELS[provider]))]
    pairs += [("messages", [{"role": "user", "content": "hi"}]), ("max_tokens", 16)]
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        kind = rng.random()
        if kind < 0.55:
            pairs.append((rng.choice(COUNTS), rng.choice(NUMBERS)))
        elif kind < 0.7:
            pairs.append(("model", rng.choice([*MODELS[provider], 5, None, "unheard/of"])))
        else:
            name = rng.choice(list(FREE_FIELDS))
            pairs.append((name, rng.choice(FREE_FIELDS[name])))
    if rng.random() < 0.3:
        rng.shuffle(pairs)
    if rng.random() < 0.6:  # each name once
        pairs = list(dict(pairs).items())
    inner = ",".join(f"{_written(rng, key)}:{json.dumps(value)}" for key, value in pairs)
    body = "{" + inner + "}"
    if rng.random() < 0.1:
        body = rng.choice([body + body, body + " x", "\ufeff" + body, body[:-1], f"[{body}]"])
    return body.encode(rng.choice(["utf-8"] * 20 + ["utf-16"]))


# ---------------------------------------------------------------- the dearest reading


def _values(body: bytes, *names: str) -> Iterator[Any]:
    """Yield every value that some parser might take for one of these, wherever it is."""
    found: list[tuple[str, Any]] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found.extend(pairs)
        return dict(pairs)

    for encoding in ("utf-8-sig", "utf-16"):
        with suppress(ValueError):
            text = body.decode(encoding)
            json.JSONDecoder(object_pairs_hook=collect).raw_decode(text.lstrip("["))
    for name, value in found:
        if name in names:
            yield from value if isinstance(value, list) else [value]


def _as_count(value: Any) -> int:
    """Return the largest count that a provider could read from a value."""
    if isinstance(value, dict):
        return max(map(_as_count, value.values()), default=0)
    try:
        count = float(value)
    except (TypeError, ValueError):
        return 0
    return int(count) if math.isfinite(count) else 10**30


def dearest(provider: ProviderEnum, body: bytes) -> tuple[Decimal, int]:
    """Return the dollars and tokens of the most expensive interpretation of a request."""
    most = max(map(_as_count, _values(body, "max_tokens", "max_completion_tokens")), default=0)
    times = max(1, *map(_as_count, _values(body, "n", "best_of")), 1)
    thinking = max(map(_as_count, _values(body, "budget_tokens")), default=0)
    models = [model for model in _values(body, "model") if isinstance(model, str)]
    written = (most + thinking * (thinking >= most)) * times
    rates = [highest_rates(provider, model, len(body), DAY) for model in models]
    known = [rate for rate in rates if rate is not None]
    search = Decimal("0.01") if b"web_search" in body else Decimal(0)
    cost = max((len(body) * rate.input + written * rate.output for rate in known), default=0)
    return Decimal(cost) + search, written


# ---------------------------------------------------------------- one by one


@pytest.mark.parametrize("provider", [A, HF])
def test_no_forwarded_request_costs_more_than_its_reservation(provider: ProviderEnum) -> None:
    rng, let_go = random.Random(20261128), 0
    for _ in range(3000):
        body = odd_body(rng, provider)
        purse = RunBudget(Ledger("run", Caps(usd=20)))
        try:
            held = purse.reserve_locally(provider, facts_of(body, provider), DAY, free=False)
        except (BudgetError, TooComplexError):
            continue
        let_go += 1
        cost, written = dearest(provider, body)
        if held.cut_at is None:
            assert nano_dollars(cost) <= held.amount.nano, body
            assert written <= held.amount.tokens, body
    assert let_go > 300  # the fuzz still reaches what it is about


# ---------------------------------------------------------------- side by side


def _charging(request: Received) -> Answer:
    """Answer like a provider that charges for the most expensive interpretation."""
    provider = A if request.path == PROVIDERS[A].api_path else HF
    body = request.body
    if "gzip" in request.headers.get("content-encoding", ""):
        body = gzip.decompress(body)
    cost, written = dearest(provider, body)
    charged.append(cost)
    size = len(request.body)
    if provider is A:  # all of it is put into the dearest cache
        usage: dict[str, Any] = {"input_tokens": 0, "output_tokens": written}
        usage["cache_creation"] = {"ephemeral_1h_input_tokens": size}
    else:
        usage = {"prompt_tokens": size, "completion_tokens": written}
    text = json.dumps({"id": "x", "model": "m", "usage": usage, "end": 1})
    return Answer(headers={"Content-Type": "application/json"}, body=text.encode())


charged: list[Decimal] = []


@pytest.mark.parametrize("cap", [0.001, 0.5])
def test_provider_that_charges_for_the_dearest_reading_gets_no_more_than_the_budget(
    cap: float,
) -> None:
    rng = random.Random(7)
    purse = RunBudget(Ledger("run", Caps(usd=cap)))

    async def one(session: aiohttp.ClientSession, grant: Grant) -> int:
        provider = rng.choice([A, HF])
        body = odd_body(rng, provider)
        headers = [*bearer(grant).items(), ("Content-Type", "application/json")]
        if rng.random() < 0.1:
            body = gzip.compress(body)
            said = rng.choice([["gzip"], ["identity", "gzip"], ["gzip", "identity"], ["x, gzip"]])
            headers += [("Content-Encoding", each) for each in said]
        path = PROVIDERS[provider].api_path
        async with session.post(path, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def client(session: aiohttp.ClientSession, grant: Grant) -> list[int]:
        found: list[int] = []
        for _ in range(25):
            found += await asyncio.gather(*(one(session, grant) for _ in range(12)))
        return found

    charged.clear()
    with scripted(_charging) as upstream:
        seen = through(upstream.url, client, budget=purse)
    assert set(seen.result) <= {200, 400, 402, 403}
    assert {200, 402} <= set(seen.result)
    assert sum(charged) <= Decimal(str(cap))
    assert purse.run.reserved == Amount()
    assert purse.run.used.nano <= nano_dollars(Decimal(str(cap)))
