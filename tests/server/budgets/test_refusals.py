"""Refused calls: the reason says what would fit, and a stream that cannot be cut has to fit."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import BudgetError, Caps, Ledger
from server.budgets.run_budget import RunBudget
from tests.support.gateway_client import asking, facts_of
from tests.support.memory_spend import MemorySpend
from tests.support.run_budgets import DAY, HF, PLAIN, A, budget, chat, facts, reserve

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
