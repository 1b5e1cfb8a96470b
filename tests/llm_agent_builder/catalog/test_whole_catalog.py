"""The catalog of all its sources: offline data, providers' answers, and settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from llm_agent_builder import ProviderEnum
from llm_agent_builder.catalog.catalog import Catalog, Model
from llm_agent_builder.catalog.extra import parse_models
from llm_agent_builder.catalog.live import LiveList, LiveModel
from llm_agent_builder.catalog.model import Lifecycle, Origin, Price
from llm_agent_builder.errors import UnknownModelError

TODAY = date(2026, 11, 26)
ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
SHIPPED = Catalog(TODAY)
OLLAMA = "http://localhost:11434/v1"


def answered(*models: LiveModel, provider: ProviderEnum = ANTHROPIC) -> LiveList:
    return LiveList(provider, "https://provider.example/v1/models", TODAY, models)


def find(catalog: Catalog, model_id: str, provider: ProviderEnum = ANTHROPIC) -> Model:
    model = catalog.find(provider, model_id)
    assert model is not None
    return model


def test_a_model_that_only_the_provider_knows_is_listed_first_and_allowed() -> None:
    new = LiveModel("claude-sonnet-6", "Claude Sonnet 6", Lifecycle.CURRENT, thinking=("adaptive",))
    catalog = Catalog(TODAY, [answered(new)])
    first = catalog.models(ANTHROPIC)[0]
    assert (first.id, first.origin, first.checked) == ("claude-sonnet-6", Origin.LIVE, TODAY)
    assert first.source == "https://provider.example/v1/models"
    assert first.capabilities.thinking == ("adaptive",)
    catalog.require_allowed(ANTHROPIC, "claude-sonnet-6")
    with pytest.raises(UnknownModelError):
        SHIPPED.require_allowed(ANTHROPIC, "claude-sonnet-6")


def test_a_providers_answer_takes_precedence_and_unknown_values_change_nothing() -> None:
    shipped = find(SHIPPED, "claude-sonnet-5-5")
    reported = LiveModel("claude-sonnet-5-5", context_window=500_000, effort=("high",))
    found = find(Catalog(TODAY, [answered(reported)]), "claude-sonnet-5-5")
    assert (found.context_window, found.capabilities.effort) == (500_000, ("high",))
    assert found.capabilities.thinking == shipped.capabilities.thinking
    assert (found.price, found.label) == (shipped.price, shipped.label)
    assert found.origin is Origin.LIVE


def test_models_of_anthropic_that_this_key_does_not_see_stay() -> None:
    catalog = Catalog(TODAY, [answered(LiveModel("claude-sonnet-5-5"))])
    assert find(catalog, "claude-mythos-5-2") == find(SHIPPED, "claude-mythos-5-2")


@pytest.mark.parametrize(
    ("reported", "ends", "days", "expected"),
    [
        (Lifecycle.CURRENT, None, 0, Lifecycle.CURRENT),
        (Lifecycle.DEPRECATED, 30, 0, Lifecycle.DEPRECATED),
        (Lifecycle.DEPRECATED, 30, 30, Lifecycle.RETIRED),  # the date passed after the report
        (Lifecycle.DEPRECATED, -3, 0, Lifecycle.DEPRECATED),  # overdue: the provider still serves
        (Lifecycle.DEPRECATED, None, 0, Lifecycle.DEPRECATED),
        (Lifecycle.RETIRED, -3, 0, Lifecycle.RETIRED),
    ],
)
def test_the_lifecycle_is_the_reported_one_updated_by_date(
    reported: Lifecycle, ends: int | None, days: int, expected: Lifecycle
) -> None:
    retires_on = None if ends is None else TODAY + timedelta(days=ends)
    live = answered(LiveModel("claude-sonnet-5-5", lifecycle=reported, retires_on=retires_on))
    found = find(Catalog(TODAY + timedelta(days=days), [live]), "claude-sonnet-5-5")
    assert (found.lifecycle, found.retires_on) == (expected, retires_on)


def test_a_deprecation_without_a_date_is_shown_without_one() -> None:
    live = answered(LiveModel("claude-sonnet-5-5", lifecycle=Lifecycle.DEPRECATED))
    warning = Catalog(TODAY, [live]).warning(ANTHROPIC, "claude-sonnet-5-5")
    assert warning == "claude-sonnet-5-5 is deprecated"


def test_models_that_no_partner_serves_have_a_note() -> None:
    served = LiveModel("openai/gpt-oss-20b", tools=True, price=Price(1, 2))
    down = LiveModel("openai/gpt-oss-120b", served=False)
    gone = LiveModel("some/model-nobody-serves", served=False)
    catalog = Catalog(TODAY, [answered(served, down, gone, provider=HUGGINGFACE)])
    assert find(catalog, "openai/gpt-oss-20b", HUGGINGFACE).note is None
    assert find(catalog, "openai/gpt-oss-20b", HUGGINGFACE).capabilities.tools is True
    for model_id in ("openai/gpt-oss-120b", "zai-org/GLM-5.3"):
        note = catalog.warning(HUGGINGFACE, model_id)
        assert note
        assert "isn't served at" in note
        assert find(catalog, model_id, HUGGINGFACE).origin is Origin.SHIPPED
    assert find(catalog, "openai/gpt-oss-120b", HUGGINGFACE).successors[0] == "openai/gpt-oss-20b"
    assert catalog.find(HUGGINGFACE, gone.id) is None


def test_models_of_ones_own_server_come_first_with_its_address() -> None:
    own = LiveList(HUGGINGFACE, f"{OLLAMA}/models", TODAY, [LiveModel("llama3.2:3b")], OLLAMA)
    first = Catalog(TODAY, [own]).models(HUGGINGFACE)[0]
    assert (first.id, first.base_url, first.origin) == ("llama3.2:3b", OLLAMA, Origin.SETTING)
    assert first.price is None


def test_models_added_by_setting_keep_their_known_values() -> None:
    extra = parse_models(
        "anthropic:claude-next=Next, anthropic:claude-sonnet-5-5=My favourite,"
        f"huggingface:openai/gpt-oss-20b@{OLLAMA}"
    )
    catalog = Catalog(TODAY, extra=extra)
    assert [model.label for model in catalog.models(ANTHROPIC)][:2] == ["Next", "My favourite"]
    known = find(catalog, "claude-sonnet-5-5")
    assert known.price == find(SHIPPED, "claude-sonnet-5-5").price
    assert known.origin is Origin.SETTING
    assert find(catalog, "openai/gpt-oss-20b", HUGGINGFACE).base_url == OLLAMA
    catalog.require_allowed(ANTHROPIC, "claude-next")
    assert catalog.capabilities(ANTHROPIC, "claude-next").thinking is None


def test_no_id_is_listed_twice() -> None:
    own = LiveList(HUGGINGFACE, OLLAMA, TODAY, [LiveModel("openai/gpt-oss-20b")], OLLAMA)
    live = answered(LiveModel("openai/gpt-oss-20b"), provider=HUGGINGFACE)
    extra = parse_models("huggingface:openai/gpt-oss-20b")
    ids = [model.id for model in Catalog(TODAY, [live, own], extra).models(HUGGINGFACE)]
    assert len(ids) == len(set(ids))


def test_of_a_long_list_a_refusal_names_the_nearest_and_how_many_there_are() -> None:
    many = [LiveModel(f"org/model-{number}") for number in range(300)]
    catalog = Catalog(TODAY, [answered(*many, provider=HUGGINGFACE)])
    with pytest.raises(UnknownModelError) as refused:
        catalog.require_allowed(HUGGINGFACE, "org/model-299x")
    message = str(refused.value)
    assert "allowed are 311, such as: org/model-299," in message
    assert "AGENT_BUILDER_EXTRA_MODELS" in message
    assert len(message) < 2000


# ---------------------------------------------------------------- successors


def test_models_that_end_name_their_successors_and_current_ones_none() -> None:
    for model in SHIPPED.models(ANTHROPIC):
        assert bool(model.successors) == (model.lifecycle is not Lifecycle.CURRENT)
        for id_ in model.successors:
            assert find(SHIPPED, id_).lifecycle is Lifecycle.CURRENT


@pytest.mark.parametrize(
    ("model_id", "first"),
    [
        ("claude-3-5-haiku-20241022", ["claude-haiku-5-5", "claude-haiku-4-5"]),
        ("claude-sonnet-4-5-20250929", ["claude-sonnet-5-5", "claude-sonnet-5"]),
        ("claude-opus-4-5", ["claude-opus-5-5", "claude-opus-5"]),
        ("claude-mythos-preview", ["claude-mythos-5-2", "claude-mythos-5-1"]),
    ],
)
def test_the_newest_of_the_family_is_the_first_successor(model_id: str, first: list[str]) -> None:
    assert list(find(SHIPPED, model_id).successors[:2]) == first


def test_snapshots_and_models_by_invitation_are_suggested_to_nobody_else() -> None:
    for model in SHIPPED.models(ANTHROPIC):
        for id_ in model.successors:
            assert "2025" not in id_
            assert "mythos" not in id_ or "mythos" in model.id


def test_after_the_family_the_nearest_price_comes_first() -> None:
    opus = find(SHIPPED, "claude-opus-4-5")  # $25 a million written
    prices = [find(SHIPPED, id_).price for id_ in opus.successors[2:]]
    written = [price.output_per_mtok for price in prices if price]
    assert written == sorted(written, key=lambda price: max(price / 25, 25 / price))
    assert len(written) == 2


def test_a_successor_is_served_where_the_model_is() -> None:
    end = date(2026, 11, 1)
    reported = LiveModel("org/old", lifecycle=Lifecycle.RETIRED, retires_on=end)
    live = answered(reported, LiveModel("org/new"), provider=HUGGINGFACE)
    own = LiveList(HUGGINGFACE, OLLAMA, TODAY, [LiveModel("org/mine")], OLLAMA)
    found = find(Catalog(TODAY, [live, own]), "org/old", HUGGINGFACE).successors
    assert found[0] == "org/new"
    assert "org/mine" not in found


def test_a_live_list_without_models_changes_little() -> None:
    catalog = Catalog(TODAY, [answered()])
    assert catalog.models(ANTHROPIC) == SHIPPED.models(ANTHROPIC)
    assert replace(catalog.models(ANTHROPIC)[0]) == SHIPPED.models(ANTHROPIC)[0]
