"""Budgets of a run, and requests that reserve from them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import Caps, Ledger, Reservation
from server.budgets.run_budget import RunBudget
from tests.support.gateway_client import asking, facts_of
from tests.support.memory_spend import MemorySpend

A, HF = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
DAY = date(2026, 11, 26)
PLAIN, PLAIN_HF = "claude-haiku-4-5", "meta-llama/Llama-3.3-70B-Instruct"
"""Models that are known not to think."""


def facts(**body: Any) -> RequestFacts:
    """Return the facts about a small call of Anthropic."""
    return facts_of(json.dumps(asking(**body)).encode())


def chat(**more: Any) -> RequestFacts:
    """Return the facts about a chat completion without a length."""
    body = {"model": PLAIN_HF, "messages": [{"role": "user", "content": "hi"}], **more}
    return facts_of(json.dumps(body).encode(), HF)


def budget(**caps: Any) -> RunBudget:
    return RunBudget(Ledger("run", Caps(**caps)))


def of_day(caps: Caps, **run: Any) -> RunBudget:
    """Return the budget of a run on a day with caps."""
    return RunBudget(
        Ledger("run", Caps(**run)), DailyBudget(caps, lambda: DAY, MemorySpend().exchange)
    )


def reserve(of: RunBudget, asked: RequestFacts, *, free: bool = False) -> Reservation:
    return of.reserve_locally(A, asked, DAY, free=free)
