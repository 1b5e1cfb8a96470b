"""Parses the answers to `GET /v1/models`, in Anthropic's and in OpenAI's format.

The answers are not trusted: each value is checked, and invalid ones count as unknown.

Sources: `anthropic/types/model_info.py` in the SDK; https://huggingface.co/docs/inference-providers
(Hub API) for the router; vLLM's `max_model_len` and llama.cpp's `meta` beside the plain form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from llm_agent_builder.catalog.capabilities import EFFORTS, THINKING
from llm_agent_builder.catalog.model import Lifecycle, Price, is_line
from llm_agent_builder.providers import PROVIDERS, Protocol, ProviderEnum

MAX_MODELS = 2000
"""Limit of the models read from one list; no provider has a tenth of that."""
_MOST_TOKENS = 10**9
_MOST_DOLLARS = 10**6
_LIFECYCLES = {"active": Lifecycle.CURRENT} | {
    state.value: state for state in (Lifecycle.DEPRECATED, Lifecycle.RETIRED)
}


class ModelListError(ValueError):
    """An answer is not a list of models; `str()` says why."""


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A provider's data about one model; None means not reported."""

    id: str
    label: str | None = None
    lifecycle: Lifecycle | None = None
    retires_on: date | None = None
    context_window: int | None = None
    price: Price | None = None
    max_output_tokens: int | None = None
    thinking: tuple[str, ...] | None = None
    effort: tuple[str, ...] | None = None
    typed_answers: bool | None = None
    tools: bool | None = None
    served: bool = True
    """Whether any partner serves it now."""


@dataclass(frozen=True, slots=True)
class LiveList:
    """A provider's list of models, with its URL and the day it was fetched."""

    provider: ProviderEnum
    url: str
    fetched_on: date
    models: Sequence[LiveModel] = field(repr=False)
    base_url: str | None = None
    """The base URL for agents, if it is a user's own server."""


def read_page(provider: ProviderEnum, page: object) -> list[LiveModel]:
    """Return the models of one page; invalid entries are skipped.

    Raises:
        ModelListError: the page has no list of models.

    """
    entries = page.get("data") if isinstance(page, Mapping) else None
    if not isinstance(entries, list):
        raise ModelListError("the answer has no list of models")
    read = ENTRY_READERS[PROVIDERS[provider].protocol]
    found = {
        entry["id"]: read(entry)
        for entry in entries[:MAX_MODELS]
        if isinstance(entry, Mapping) and is_line(entry.get("id"))
    }
    if entries and not found:
        raise ModelListError("no entry of the answer is a model")
    return list(found.values())


def next_page(page: object) -> str | None:
    """Return the `after_id` of the page after one of Anthropic's, or None."""
    if not isinstance(page, Mapping) or page.get("has_more") is not True:
        return None
    last = page.get("last_id")
    return last if isinstance(last, str) and is_line(last) else None


# ---------------------------------------------------------------- Anthropic


def _anthropic_model(entry: Mapping[str, Any]) -> LiveModel:
    can = _mapping(entry.get("capabilities"))
    thinking = _mapping(_mapping(can.get("thinking")).get("types"))
    return LiveModel(
        id=entry["id"],
        label=_label(entry.get("display_name")),
        lifecycle=_LIFECYCLES.get(_text(entry.get("lifecycle"))),
        retires_on=_day(entry.get("retires_at")),
        context_window=_count(entry.get("max_input_tokens")),
        max_output_tokens=_count(entry.get("max_tokens")),
        thinking=_supported(thinking, THINKING),
        effort=_efforts(_mapping(can.get("effort"))),
        typed_answers=_flag(_mapping(can.get("structured_outputs")).get("supported")),
    )


def _supported(options: Mapping[str, Any], known: Sequence[str]) -> tuple[str, ...] | None:
    """Return the supported ones of `known`, or None if nothing is reported about any."""
    flags = {name: _flag(_mapping(options.get(name)).get("supported")) for name in known}
    if all(flag is None for flag in flags.values()):
        return None
    return tuple(name for name, flag in flags.items() if flag)


def _efforts(effort: Mapping[str, Any]) -> tuple[str, ...] | None:
    return () if effort.get("supported") is False else _supported(effort, EFFORTS)


# ---------------------------------------------------------------- OpenAI's format


def _openai_model(entry: Mapping[str, Any]) -> LiveModel:
    partners = entry.get("providers")
    if isinstance(partners, list):
        return _routed_model(entry["id"], [_mapping(partner) for partner in partners[:100]])
    meta = _mapping(entry.get("meta"))
    reported = (entry.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train"))
    context = next((count for value in reported if (count := _count(value))), None)
    return LiveModel(id=entry["id"], context_window=context)


def _routed_model(model_id: str, partners: Sequence[Mapping[str, Any]]) -> LiveModel:
    """Return a model of Hugging Face's router, combined from the partners that serve it now."""
    live = [partner for partner in partners if partner.get("status") == "live"]
    windows = [count for partner in live if (count := _count(partner.get("context_length")))]
    prices = {_price(partner.get("pricing")) for partner in live}
    price = prices.pop() if len(prices) == 1 else None
    return LiveModel(
        id=model_id,
        context_window=max(windows, default=None),
        price=price,
        tools=_any(live, "supports_tools"),
        typed_answers=_any(live, "supports_structured_output"),
        served=bool(live),
    )


def _any(partners: Sequence[Mapping[str, Any]], name: str) -> bool | None:
    """Return whether any partner has a feature; None if none reports it."""
    reported = [flag for partner in partners if (flag := _flag(partner.get(name))) is not None]
    return any(reported) if reported else None


def _price(value: object) -> Price | None:
    pricing = _mapping(value)
    rates = [_dollars(pricing.get(name)) for name in ("input", "output")]
    return Price(rates[0], rates[1]) if rates[0] and rates[1] else None


# ---------------------------------------------------------------- values


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _label(value: object) -> str | None:
    return value if isinstance(value, str) and is_line(value, 100) else None


def _count(value: object) -> int | None:
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value if plain and isinstance(value, int) and 0 < value <= _MOST_TOKENS else None


def _dollars(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 < value < _MOST_DOLLARS else None


def _day(value: object) -> date | None:
    try:
        when = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    if when.tzinfo is None:
        return when.date()
    try:
        return when.astimezone(UTC).date()
    except OverflowError:  # year 1 or 9999, shifted out of range by the time zone
        return None


ENTRY_READERS: Mapping[Protocol, Callable[[Mapping[str, Any]], LiveModel]] = {
    Protocol.MESSAGES: _anthropic_model,
    Protocol.CHAT: _openai_model,
}
"""The reader of one entry of each protocol's list of models."""
