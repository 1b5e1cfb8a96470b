"""Computes what model calls cost, in US dollars, from the price table in `genai-prices`.

Unknown costs are None, never 0. Callers pass the date, as prices change.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version

from genai_prices import Usage as PricedUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from llm_agent_builder.metering.usage import Usage
from llm_agent_builder.providers import PROVIDERS, ProviderEnum

_ANY_ROUTE = {"", "auto", "fastest", "cheapest", "preferred"}
"""Routing policies that can replace a partner's name at Hugging Face.
Source: https://huggingface.co/docs/inference-providers/index (provider selection)."""
_STANDARD = {None, "standard", "auto", "standard_only", "default", "global", "not_available"}
"""Values in a request or a usage with which the table's price applies."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The price table in use: its package's version, and the date of its newest price."""

    version: str
    newest: date | None


@cache
def price_table(today: date) -> PriceTable:
    """Return the price table as of `today`."""
    starts = [
        entry.constraint.start_date
        for provider in get_snapshot().providers
        for model in provider.models
        for entry in (model.prices if isinstance(model.prices, list) else ())
        if isinstance(entry, ConditionalPrice) and isinstance(entry.constraint, StartDateConstraint)
    ]
    newest = max((start for start in starts if start <= today), default=None)
    return PriceTable(version("genai-prices"), newest)


@lru_cache(maxsize=512)
def _priced(provider: ProviderEnum, model: str) -> tuple[tuple[Provider, ModelInfo], ...]:
    """Return the price table's entries for `model`: the provider's own, or one for each partner.

    Hugging Face's models name their partner after a colon, as in `meta-llama/X:together`.
    """
    name, _, route = model.partition(":")
    wanted, prefix = [provider.value], PROVIDERS[provider].price_prefix
    if prefix is not None:
        every = [entry.id for entry in get_snapshot().providers if entry.id.startswith(prefix)]
        wanted = every if route in _ANY_ROUTE else [prefix + route]
    found = [
        (entry, priced)
        for entry in get_snapshot().providers
        if entry.id in wanted and (priced := entry.find_model(name)) is not None
    ]
    return tuple(found)


def is_standard(*settings: object) -> bool:
    """Return whether the table's prices apply to a call's tier, speed and region."""
    return all(isinstance(value, str | None) and value in _STANDARD for value in settings)


_SAMPLE = 1000
_COUNTS: Mapping[str, Mapping[str, int]] = {
    "input": {"input_tokens": 1},
    "cache_read": {"input_tokens": 1, "cache_read_tokens": 1},
    "cache_write": {"input_tokens": 1, "cache_write_tokens": 1},
    "cache_write_1h": {"input_tokens": 1, "cache_write_tokens": 1, "cache_write_1h_tokens": 1},
    "output": {"output_tokens": 1},
    "web_search": {"web_searches": 1},
}


@dataclass(frozen=True, slots=True)
class _Offer:
    """One model of one seller on one day; prices may rise with the length of the input."""

    seller: Provider
    model: ModelInfo
    today: date
    steps: tuple[int, ...]
    """Input lengths above which other prices apply."""
    rates: dict[tuple[int, str], Decimal] = field(default_factory=dict, compare=False)
    """Price of one unit, by step and kind; filled on demand."""

    def cost(self, usage: Usage) -> Decimal:
        """Return the cost of a call in US dollars."""
        step = bisect_left(self.steps, usage.input_tokens)
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        counts = (
            ("input", max(0, plain)),
            ("cache_read", usage.cached_tokens),
            ("cache_write", usage.cache_write_tokens - usage.cache_write_1h_tokens),
            ("cache_write_1h", usage.cache_write_1h_tokens),
            ("output", usage.output_tokens),
            ("web_search", usage.web_searches),
        )
        return sum((self.rate(step, kind) * count for kind, count in counts if count), Decimal(0))

    def rate(self, step: int, kind: str) -> Decimal:
        """Return the price of one unit of a kind, for input lengths of that step."""
        found = self.rates.get((step, kind))
        if found is None:
            found = self.rates[step, kind] = self._ask_rate(step, kind)
        return found

    def _ask_rate(self, step: int, kind: str) -> Decimal:
        start = {"input_tokens": self.steps[step - 1] + 1 if step else 0, "output_tokens": 0}
        more = {key: start.get(key, 0) + _SAMPLE * count for key, count in _COUNTS[kind].items()}
        difference = self.by_table(**(start | more)) - self.by_table(**start)
        return difference / _SAMPLE

    def by_table(self, **counts: int) -> Decimal:
        """Return the price that genai-prices computes; slow, so called once for each rate."""
        when = datetime.combine(self.today, time(12), UTC)
        usage = PricedUsage(**counts)
        price = self.model.calc_price(usage, self.seller, genai_request_timestamp=when)
        return price.total_price


@lru_cache(maxsize=512)
def _offers(provider: ProviderEnum, model: str, today: date) -> tuple[_Offer, ...]:
    return tuple(
        _Offer(seller, priced, today, _steps(priced, today))
        for seller, priced in _priced(provider, model)
    )


def _steps(model: ModelInfo, today: date) -> tuple[int, ...]:
    prices = model.get_prices(datetime.combine(today, time(12), UTC))
    found: set[int] = set()
    for value in vars(prices).values():
        if isinstance(value, TieredPrices):
            found.update(tier.start for tier in value.tiers)
    return tuple(sorted(found))


def cost(
    provider: ProviderEnum, model: str, usage: Usage, today: date, *, route: str | None = None
) -> Decimal | None:
    """Return the cost of a call in US dollars, or None if it is unknown.

    `route` is the Hugging Face partner that served the call; without it, the cost is known only if
    all partners have the same price.
    """
    if route:
        model = f"{model.partition(':')[0]}:{route}"
    costs = [offer.cost(usage) for offer in _offers(provider, model, today)]
    return costs[0] if costs and all(other == costs[0] for other in costs[1:]) else None


@dataclass(frozen=True, slots=True)
class HighestRates:
    """The highest price of a token in US dollars: of input, including cache writes, and output."""

    input: Decimal
    output: Decimal


def highest_rates(
    provider: ProviderEnum, model: str, input_tokens: int, today: date
) -> HighestRates | None:
    """Return the highest rates of a call with at most that much input; None if unknown.

    If partners differ, each of the two rates is the highest among them.
    """
    steps, rates = _highest(provider, model, today)
    return rates[bisect_left(steps, input_tokens)] if rates else None


@lru_cache(maxsize=512)
def _highest(
    provider: ProviderEnum, model: str, today: date
) -> tuple[tuple[int, ...], tuple[HighestRates, ...]]:
    """Return the input lengths above which the rates change, and the highest rates up to each."""
    offers = _offers(provider, model, today)
    steps = tuple(sorted({step for offer in offers for step in offer.steps}))
    kinds = ["input"]
    if PROVIDERS[provider].caches_prompts:
        kinds += ["cache_write", "cache_write_1h"]
    rates = []
    for most in (*steps, math.inf) if offers else ():
        # The input may turn out to be shorter, so lower steps count too.
        reached = [(offer, step) for offer in offers for step in _steps_below(offer, most)]
        read = max(offer.rate(step, kind) for offer, step in reached for kind in kinds)
        rates.append(HighestRates(read, max(offer.rate(step, "output") for offer, step in reached)))
    return steps, tuple(rates)


def _steps_below(offer: _Offer, most: float) -> range:
    return range(bisect_left(offer.steps, most) + 1)


@lru_cache(maxsize=512)
def context_window(provider: ProviderEnum, model: str) -> int | None:
    """Return a model's largest context window at any seller, in tokens.

    Returns None if the window of any seller is unknown.
    """
    name = model.partition(":")[0]  # the route is ignored: a partner may raise its window
    windows = [priced.context_window for _, priced in _priced(provider, name)]
    known = [window for window in windows if window is not None]
    return max(known) if known and len(known) == len(windows) else None


def has_cache_price(provider: ProviderEnum, model: str, today: date) -> bool:
    """Return whether the table has a price for prompt cache reads."""
    when = datetime.combine(today, time(12), UTC)
    offers = (priced for _, priced in _priced(provider, model))
    return any(priced.get_prices(when).cache_read_mtok is not None for priced in offers)
