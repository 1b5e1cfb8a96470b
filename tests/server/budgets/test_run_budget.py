"""Budget of a run: what a call reserves, what it costs in the end, and the caps it meets."""

from __future__ import annotations

import base64
import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Amount, BudgetError, Caps, Ledger, Reservation
from server.budgets.run_budget import RunBudget
from tests.support.gateway_client import MODEL, facts_of
from tests.support.memory_spend import MemorySpend
from tests.support.run_budgets import DAY, PLAIN, budget, chat, facts, reserve


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


@pytest.mark.parametrize("limits", [(16, 2000), (2000, 16)])
def test_larger_of_two_limits_counts(limits: tuple[int, int]) -> None:
    asked = chat(max_tokens=limits[0], max_completion_tokens=limits[1])
    assert asked.most_output_tokens == 2000
    assert chat(max_tokens=16).most_output_tokens == 16


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
