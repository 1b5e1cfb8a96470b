"""Calls that do not say their length reserve the longest answer, and leave the rest to others."""

from __future__ import annotations

from typing import Any

import pytest

from server.budgets.ledger import BudgetError, Caps
from server.budgets.run_budget import MIN_SHARE
from tests.support.run_budgets import DAY, HF, PLAIN_HF, budget, chat, facts, of_day, reserve


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
