"""What model calls cost, in US dollars, by the price table that `genai-prices` carries.

What isn't known is None, never 0. Dates are passed in: prices change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version

from genai_prices import Usage as PricedUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, Provider, StartDateConstraint

from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.usage import Usage

_ROUTES = "huggingface_"
"""How the table's ids of Hugging Face's inference partners begin."""
_STANDARD = {None, "standard", "auto", "standard_only", "default", "global", "not_available"}
"""Values of a request or a usage that leave the price as the table has it."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Which table of prices is used: its package's version, and its newest price's date."""

    version: str
    newest: date | None


@cache
def price_table(today: date) -> PriceTable:
    """Return which prices are used on `today`."""
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
    """Return who serves `model` at which price: one for Anthropic, any number for Hugging Face.

    Hugging Face's models name their partner after a colon, as in `meta-llama/X:together`.
    """
    name, _, route = model.partition(":")
    wanted = [provider.value]
    if provider is ProviderEnum.HUGGINGFACE:
        every = [entry.id for entry in get_snapshot().providers if entry.id.startswith(_ROUTES)]
        named = _ROUTES + route
        wanted = [named] if named in every else every
    found = [
        (entry, priced)
        for entry in get_snapshot().providers
        if entry.id in wanted and (priced := entry.find_model(name)) is not None
    ]
    return tuple(found)


def is_standard(*settings: object) -> bool:
    """Say whether a call's tier, speed and place are those that the table's prices are for."""
    return all(isinstance(value, str | None) and value in _STANDARD for value in settings)


def _cost(offer: tuple[Provider, ModelInfo], usage: Usage, today: date) -> Decimal:
    provider, model = offer
    counts: dict[str, int] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cached_tokens:
        counts["cache_read_tokens"] = usage.cached_tokens
    if usage.cache_write_tokens:
        counts["cache_write_tokens"] = usage.cache_write_tokens
        if usage.cache_write_1h_tokens:
            counts["cache_write_1h_tokens"] = usage.cache_write_1h_tokens
    if usage.web_searches:
        counts["web_searches"] = usage.web_searches
    when = datetime.combine(today, time(12), UTC)
    price = model.calc_price(PricedUsage(**counts), provider, genai_request_timestamp=when)
    return price.total_price


def cost(
    provider: ProviderEnum, model: str, usage: Usage, today: date, *, route: str | None = None
) -> Decimal | None:
    """Return what a call cost, or None where that isn't known.

    `route` names Hugging Face's partner that served it; without one the price is known only where
    all partners ask the same.
    """
    if route:
        model = f"{model.partition(':')[0]}:{route}"
    prices = set(_costs(_priced(provider, model), usage, today))
    return prices.pop() if len(prices) == 1 else None


def highest_cost(provider: ProviderEnum, model: str, usage: Usage, today: date) -> Decimal | None:
    """Return the most a call of this size can cost, caches written included; None: not known."""
    tokens = usage.input_tokens
    ways = [Usage(tokens, usage.output_tokens)]
    if provider is ProviderEnum.ANTHROPIC:
        ways += [Usage(tokens, usage.output_tokens, 0, tokens, hour) for hour in (0, tokens)]
    offers = _priced(provider, model)
    return max((price for way in ways for price in _costs(offers, way, today)), default=None)


def _costs(
    offers: Iterable[tuple[Provider, ModelInfo]], usage: Usage, today: date
) -> list[Decimal]:
    return [_cost(offer, usage, today) for offer in offers]
