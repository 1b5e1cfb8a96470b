"""Prices: by the table and the day; what isn't known is None."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder.metering.prices import (
    context_window,
    cost,
    highest_rates,
    is_standard,
    price_table,
)
from llm_agent_builder.metering.usage import Usage
from llm_agent_builder.providers import ProviderEnum

A, HF = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
DAY = date(2026, 11, 26)
LLAMA = "meta-llama/Llama-3.3-70B-Instruct"


def test_each_kind_of_token_has_its_own_price() -> None:
    # $3 in, $0.30 read from the cache, $3.75 and $6 written to it, $15 out, per million.
    usage = Usage(1_000, 100, cached_tokens=300, cache_write_tokens=200, cache_write_1h_tokens=50)
    by_hand = (500 * 3 + 300 * 0.3 + 150 * 3.75 + 50 * 6 + 100 * 15) / 1e6
    assert cost(A, "claude-sonnet-4-5", usage, DAY) == pytest.approx(Decimal(by_hand))


@given(
    *(st.integers(0, 400_000) for _ in range(4)),
    st.sampled_from(["claude-sonnet-4-5", "claude-haiku-4-5", "claude-sonnet-5-5"]),
)
def test_cost_equals_that_of_genai_prices(
    plain: int, read: int, written: int, output: int, model: str
) -> None:
    hour = written // 3
    usage = Usage(plain + read + written, output, read, written, hour)
    table = calc_price(
        PricedUsage(
            input_tokens=usage.input_tokens,
            output_tokens=output,
            cache_read_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=hour,
        ),
        model,
        provider_id="anthropic",
        genai_request_timestamp=datetime(2026, 11, 26, 12, tzinfo=UTC),
    )
    assert cost(A, model, usage, DAY) == pytest.approx(table.total_price)


def test_web_searches_are_paid_for() -> None:
    assert cost(A, "claude-sonnet-4-5", Usage(web_searches=1), DAY) == Decimal("0.01")


def test_model_without_a_price_is_unknown_and_not_free() -> None:
    assert cost(A, "claude-unheard-of", Usage(10, 10), DAY) is None
    assert highest_rates(A, "claude-unheard-of", 10, DAY) is None


def test_a_hugging_face_model_has_a_price_once_its_partner_is_known() -> None:
    usage = Usage(1_000_000, 0)
    assert cost(HF, LLAMA, usage, DAY) is None
    assert cost(HF, f"{LLAMA}:groq", usage, DAY) == Decimal("0.59")
    for model in (LLAMA, f"{LLAMA}:fastest"):
        assert cost(HF, model, usage, DAY, route="groq") == Decimal("0.59")


def test_hugging_face_partner_that_the_table_does_not_know_has_no_price() -> None:
    assert cost(HF, LLAMA, Usage(10, 10), DAY, route="somebody") is None
    assert highest_rates(HF, f"{LLAMA}:somebody", 10, DAY) is None
    assert highest_rates(HF, f"{LLAMA}:cheapest", 10, DAY) == highest_rates(HF, LLAMA, 10, DAY)


def test_price_is_that_of_the_day() -> None:
    usage = Usage(1_000_000, 0)
    before = cost(HF, f"{LLAMA}:together", usage, date(2026, 10, 1))
    assert before is not None
    assert before != cost(HF, f"{LLAMA}:together", usage, DAY)


sizes = st.integers(0, 1_000_000)


def bound_of(provider: ProviderEnum, model: str, usage: Usage, *, most_input: int) -> Decimal:
    rates = highest_rates(provider, model, most_input, DAY)
    assert rates is not None
    return rates.input * most_input + rates.output * usage.output_tokens


@given(*[sizes] * 5, st.sampled_from(["claude-sonnet-4-5", "claude-haiku-4-5"]))
def test_no_split_of_the_input_costs_more_than_the_highest_rates(
    plain: int, read: int, written: int, output: int, unused: int, model: str
) -> None:
    usage = Usage(plain + read + written, output, read, written, written // 2)
    real = cost(A, model, usage, DAY)
    assert real is not None
    assert real <= bound_of(A, model, usage, most_input=usage.input_tokens + unused)


def test_no_route_costs_more_than_the_highest_rates() -> None:
    usage = Usage(1000, 1000)
    bound = bound_of(HF, LLAMA, usage, most_input=1000)
    for route in ("groq", "together", "novita", "nebius"):
        assert (cost(HF, LLAMA, usage, DAY, route=route) or 0) <= bound


def test_table_names_its_version_and_its_newest_price() -> None:
    table = price_table(DAY)
    assert table.version[0].isdigit()
    assert table.newest is not None
    assert table.newest <= DAY


@pytest.mark.parametrize(
    ("value", "standard"), [(None, True), ("standard", True), ("priority", False), ([], False)]
)
def test_other_tiers_are_not_priced(value: object, standard: bool) -> None:
    assert is_standard(value) is standard


@pytest.mark.parametrize(
    ("provider", "model", "window"),
    [
        (A, "claude-haiku-4-5", 200_000),
        (HF, "meta-llama/Llama-3.3-70B-Instruct:groq", 131_072),
        (HF, "meta-llama/Llama-3.3-70B-Instruct", 131_072),
        (HF, "unheard/of", None),
        (A, "", None),
    ],
)
def test_context_window_is_that_of_the_largest_partner(
    provider: ProviderEnum, model: str, window: int | None
) -> None:
    assert context_window(provider, model) == window
