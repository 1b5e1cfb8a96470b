"""A run's budget: the worst case of each call is reserved before the call is sent.

Afterwards the call's actual usage replaces the reservation; unknown usage counts as reserved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from llm_agent_builder.catalog.capabilities import longest_answer
from llm_agent_builder.metering.prices import highest_rates
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.requests.facts import RequestFacts
from server.budgets.daily_budget import DailyBudget
from server.budgets.ledger import (
    NANO,
    NOTHING,
    Amount,
    BudgetError,
    Ledger,
    Reservation,
    nano_dollars,
)

_MARGIN = 64
"""Tokens of a stream that may not have been counted yet: its end, and data in transit."""
_SHORTEST = 4 * _MARGIN
"""A stream is refused if fewer tokens than this remain."""
MIN_SHARE = 131_072
"""Tokens of a day's budget that a stream without max_tokens may reserve, or its model's longest
answer if that is more. A stream is cut by its bytes, at about a quarter of these tokens."""
_TRIES = 5
"""Attempts of a call to reserve from a daily budget that other servers use as well."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """How many tokens a call may write, and the cap that limits it."""

    tokens: float
    ledger: Ledger
    kind: str
    is_share: bool = False
    """Whether this is a share of the budget, and the rest stays available to other calls."""

    @property
    def cut_error(self) -> BudgetError:
        """The error with which a stream is cut."""
        why = f"the answer was cut off because it is used up. {_sentence(self.ledger.remedy)}"
        if self.is_share:
            why = (
                f"a call without max_tokens may use {self.tokens:,} tokens of it, and the answer "
                "was cut off there. Set max_tokens"
            )
        return self.ledger.refusal(self.kind, why)


@dataclass(slots=True)
class RunBudget:
    """The budgets of one run's calls."""

    run: Ledger
    day: DailyBudget | None = None
    """Shared by the paid calls of all runs."""

    async def reserve(
        self, provider: ProviderEnum, facts: RequestFacts, today: date, *, free: bool
    ) -> Reservation:
        """Reserve the worst case of a call; under a daily cap, among all servers of the database.

        Raises:
            BudgetError: it doesn't fit, or its worst case can't be known.
            StoreError: there is a daily cap, and the database can't be written.

        """
        if free or self.day is None or not self.day.caps:
            return self.reserve_locally(provider, facts, today, free=free)
        for attempt in range(_TRIES):
            try:
                reservation = self.reserve_locally(provider, facts, today, free=free)
            except BudgetError as error:
                if attempt or not _is_of_day(error):
                    raise
                await self.day.refresh(today)  # other servers may have released a reservation
                continue
            if not attempt and _is_of_day(reservation.cut_error):
                reservation.settle(NOTHING)
                await self.day.refresh(today)
            elif await self.day.reserve(today, reservation):
                return reservation
        ledger = self.day.ledger(today)
        raise ledger.refusal(
            next(iter(ledger.remaining)), "other servers are using the rest; try again"
        )

    def reserve_locally(
        self, provider: ProviderEnum, facts: RequestFacts, today: date, *, free: bool
    ) -> Reservation:
        """Reserve the worst case of a call in this server's ledgers.

        A stream whose worst case doesn't fit may still start; it is cut when the budget is used up.

        Raises:
            BudgetError: it doesn't fit, or its worst case can't be known.

        """
        ledgers = (self.run,) if free or self.day is None else (self.run, self.day.ledger(today))
        for ledger in ledgers:
            if ledger.caps.calls is not None and ledger.remaining["calls"] < 1:
                raise ledger.refusal("calls", f"all calls are used. {_sentence(ledger.remedy)}")
        worst, limit = self._worst_case(provider, facts, today, ledgers, free=free)
        worst = worst.for_one_call()
        for ledger in ledgers:
            ledger.reserved += worst
        if limit is None:
            return Reservation(worst, ledgers)
        return Reservation(worst, ledgers, int(limit.tokens) - _MARGIN, limit.cut_error)

    def _worst_case(
        self,
        provider: ProviderEnum,
        facts: RequestFacts,
        today: date,
        ledgers: tuple[Ledger, ...],
        *,
        free: bool,
    ) -> tuple[Amount, _Limit | None]:
        # A cap on dollars does not limit free calls.
        limiting = [
            ledger
            for ledger in ledgers
            if ledger.caps.tokens is not None or (ledger.caps.usd is not None and not free)
        ]
        # The price is computed only if a cap needs it: that takes longer than everything else here.
        counts_money = any(ledger.caps.usd is not None for ledger in limiting)
        price = _Price(provider, facts, today, free=free or not (counts_money and facts.is_paid))
        if not limiting:
            return price.amount(facts.most_output_tokens or 0), None
        limit = _narrowest(limiting, price, facts)
        longest = None if free else longest_answer(provider, facts.model or "", today)
        # The user's own servers send the thinking text; a provider may hide it.
        hidden = facts.hides if free else facts.thinks or facts.hides
        can_cut = facts.stream and hidden is None and limit.tokens >= _SHORTEST
        wanted = facts.most_output_tokens
        if wanted is None and longest is not None and not can_cut:
            wanted = max(longest, facts.max_completion_tokens or 0) * facts.answers
        if limit.tokens == math.inf or (wanted is not None and wanted <= limit.tokens):
            return price.amount(wanted or 0), None
        if not can_cut:
            raise _too_large(facts, limit, hidden)
        limit = _shared(limit, limiting, facts, longest or 0)
        return price.amount(int(limit.tokens)), limit


def _is_of_day(error: BudgetError | None) -> bool:
    return error is not None and error.cap.startswith("day_")


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


class _Price:
    """The most that one call can cost, as a function of its output tokens."""

    def __init__(
        self, provider: ProviderEnum, facts: RequestFacts, today: date, *, free: bool
    ) -> None:
        self.input_tokens = facts.most_input_tokens
        self.known = free
        self._input = self._output = Decimal(0)
        if free or facts.model is None or not facts.standard_price:
            return
        rates = highest_rates(provider, facts.model, self.input_tokens, today)
        if rates is not None:
            self.known = True
            self._input, self._output = rates.input * self.input_tokens, rates.output

    def amount(self, output_tokens: int) -> Amount:
        """Return the amount of a call that writes this many tokens."""
        cost = self._input + self._output * output_tokens
        return Amount(nano_dollars(cost), self.input_tokens + output_tokens, 1)

    def max_output(self, nano: int) -> float:
        """Return the output tokens that the money buys after the input; negative: too little."""
        left = Decimal(nano) / NANO - self._input
        if self._output == 0:
            return math.inf if left >= 0 else -1
        return math.floor(left / self._output)


def _narrowest(ledgers: list[Ledger], price: _Price, facts: RequestFacts) -> _Limit:
    """Return the limit of the cap with the fewest remaining tokens."""
    limits: list[_Limit] = []
    for ledger in ledgers:
        left = ledger.remaining
        if facts.unbounded:
            why = f"the usage of a call can't be determined in advance: {facts.unbounded}"
            raise ledger.refusal("usd" if "usd" in left else "tokens", why)
        if "usd" in left:
            if not price.known:
                raise ledger.refusal("usd", _unpriced(facts))
            limits.append(_Limit(price.max_output(left["usd"]), ledger, "usd"))
        if "tokens" in left:
            limits.append(_Limit(left["tokens"] - price.input_tokens, ledger, "tokens"))
    return min(limits, key=lambda limit: limit.tokens)


def _shared(limit: _Limit, limiting: list[Ledger], facts: RequestFacts, longest: int) -> _Limit:
    """Limit a stream without max_tokens to a share of the daily budget; the rest is for others."""
    most = max(longest, MIN_SHARE) * facts.answers
    days = [ledger for ledger in limiting if ledger.scope == "day"]
    if not days or facts.max_tokens is not None or most >= limit.tokens:
        return limit
    kind = "usd" if days[0].caps.usd is not None else "tokens"
    return _Limit(most, days[0], kind, is_share=True)


def _unpriced(facts: RequestFacts) -> str:
    what = facts.model if facts.model and facts.standard_price else "this kind of call"
    return f"no price is known for {what}; use a token budget instead"


def _too_large(facts: RequestFacts, limit: _Limit, hidden: str | None) -> BudgetError:
    """Return the error, with a remedy, for a call that may write more than is left."""
    left, wanted = int(limit.tokens), facts.most_output_tokens
    if left < 1:
        why = f"its input of up to {facts.most_input_tokens:,} tokens may need all of that"
        return limit.ledger.too_large(limit.kind, f"{why}. Shorten it, or {limit.ledger.remedy}")
    if wanted is None:
        only = "max_completion_tokens alone, which some servers ignore"
        setting = only if facts.max_completion_tokens else "no max_tokens"
        why = f"it sets {setting}, and {left:,} tokens are left"
    else:
        why = f"it may write {wanted:,} tokens, and {left:,} are left"
    most = left // facts.answers  # each answer may have max_tokens
    less = f"Set max_tokens to {most:,} or less" if most else "Ask for fewer answers"
    why += f". {less}, or {limit.ledger.remedy}"
    if facts.stream and hidden is not None:
        why += f". Its stream can't be cut off there instead: {hidden}"
    return limit.ledger.too_large(limit.kind, why)
