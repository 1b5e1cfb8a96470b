"""The catalog: the models, their lifecycle on a date, and the allowed ones."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder import PROVIDERS, ProviderEnum, SpecError
from llm_agent_builder.catalog import catalog
from llm_agent_builder.catalog.catalog import CURATED, Lifecycle, Model
from llm_agent_builder.catalog.offline import whole_price
from llm_agent_builder.errors import UnknownModelError
from tests.llm_agent_builder.conftest import InstalledSdks
from tests.llm_agent_builder.support.processes import run_python

TODAY = date(2026, 11, 22)
ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
HAIKU_3_5 = "claude-3-5-haiku-20241022"
ENDING = [model for model in catalog.models(ANTHROPIC, TODAY) if model.retires_on]


def find(provider: ProviderEnum, model_id: str, today: date = TODAY) -> Model:
    (found,) = [model for model in catalog.models(provider, today) if model.id == model_id]
    return found


def test_every_model_the_installed_sdk_knows_is_in_the_catalog(
    installed_sdks: InstalledSdks,
) -> None:
    assert len(installed_sdks.model_ids) >= 10
    listed = [model.id for model in catalog.models(ANTHROPIC, TODAY)]
    assert [id_ for id_ in installed_sdks.model_ids if id_ not in listed] == []
    current = [id_ for id_ in installed_sdks.model_ids if not find(ANTHROPIC, id_).retires_on]
    assert listed[: len(current)] == current, "the SDK's order"


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_models_that_end_or_have_ended_come_last(provider: ProviderEnum) -> None:
    order = {lifecycle: rank for rank, lifecycle in enumerate(Lifecycle)}
    ranks = [order[model.lifecycle] for model in catalog.models(provider, TODAY)]
    assert ranks == sorted(ranks)


def test_the_installed_sdks_retirement_dates_are_the_catalogs(
    installed_sdks: InstalledSdks,
) -> None:
    assert installed_sdks.retirements
    assert catalog.sdk_retirements() == installed_sdks.retirements
    for model_id, retires_on in installed_sdks.retirements.items():
        if model_id in installed_sdks.model_ids:
            assert find(ANTHROPIC, model_id).retires_on == retires_on


def test_claude_haiku_3_5_is_retired_from_2026_02_19_on() -> None:
    before = find(ANTHROPIC, HAIKU_3_5, date(2026, 2, 18))
    assert (before.lifecycle, before.retires_on) == (Lifecycle.DEPRECATED, date(2026, 2, 19))
    assert find(ANTHROPIC, HAIKU_3_5, date(2026, 2, 19)).lifecycle is Lifecycle.RETIRED
    assert find(ANTHROPIC, HAIKU_3_5).lifecycle is Lifecycle.RETIRED


def test_some_models_are_on_their_way_out() -> None:
    assert {model.id for model in ENDING} >= {HAIKU_3_5}


@given(st.sampled_from(ENDING), st.integers(min_value=-1000, max_value=1000))
def test_a_model_is_deprecated_until_its_day_and_retired_from_it_on(
    model: Model, days: int
) -> None:
    assert model.retires_on is not None
    today = model.retires_on + timedelta(days=days)
    expected = Lifecycle.DEPRECATED if days < 0 else Lifecycle.RETIRED
    assert find(ANTHROPIC, model.id, today).lifecycle is expected


@pytest.mark.parametrize("model", ENDING, ids=lambda model: str(model.id))
def test_the_warning_agrees_with_the_lifecycle(model: Model) -> None:
    assert model.retires_on is not None
    before = catalog.lifecycle_warning(ANTHROPIC, model.id, model.retires_on - timedelta(days=1))
    assert before == f"{model.id} is deprecated: its provider retires it on {model.retires_on}"
    after = catalog.lifecycle_warning(ANTHROPIC, model.id, model.retires_on)
    assert after
    assert f"retired by its provider on {model.retires_on}" in after


def test_a_current_or_unknown_model_has_no_warning() -> None:
    assert catalog.lifecycle_warning(ANTHROPIC, "claude-sonnet-5-5", TODAY) is None
    assert catalog.lifecycle_warning(HUGGINGFACE, "no/such-model", TODAY) is None


def test_every_curated_entry_has_a_source_and_a_date() -> None:
    for entries in CURATED.values():
        for entry in entries:
            assert entry.source.strip()
            assert entry.checked
            assert date(2026, 1, 1) <= entry.checked <= TODAY
            assert entry.id.isprintable()


def test_the_planned_hugging_face_models_and_six_more_are_there() -> None:
    planned = {"meta-llama/Meta-Llama-3-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3"}
    listed = {model.id for model in catalog.models(HUGGINGFACE, TODAY)}
    assert planned <= listed
    assert len(listed - planned) >= 6
    assert all(id_.count("/") == 1 for id_ in listed)


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_the_default_model_is_current_and_allowed(provider: ProviderEnum) -> None:
    default = PROVIDERS[provider].default_model
    assert find(provider, default).lifecycle is Lifecycle.CURRENT
    catalog.require_allowed(provider, default)


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_the_allow_list_is_the_catalog_retired_models_included(provider: ProviderEnum) -> None:
    listed = tuple(model.id for model in catalog.models(provider, TODAY))
    assert sorted(catalog.allowed_model_ids(provider)) == sorted(listed)
    assert len(set(listed)) == len(listed)
    for model_id in listed:
        catalog.require_allowed(provider, model_id)


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_a_model_that_is_not_allowed_is_answered_with_those_that_are(
    provider: ProviderEnum,
) -> None:
    with pytest.raises(UnknownModelError) as refused:
        catalog.require_allowed(provider, "claude-99\n")
    assert isinstance(refused.value, SpecError)
    assert refused.value.field == "model"
    message = str(refused.value)
    assert message.startswith(
        f"model: 'claude-99\\n' is not a model of {PROVIDERS[provider].label}"
    )
    assert "offered by" not in message
    for model_id in catalog.allowed_model_ids(provider):
        assert model_id in message


@pytest.mark.parametrize(
    ("provider", "other"), [(ANTHROPIC, HUGGINGFACE), (HUGGINGFACE, ANTHROPIC)]
)
def test_a_model_of_the_other_provider_is_refused_by_naming_that_one(
    provider: ProviderEnum, other: ProviderEnum
) -> None:
    with pytest.raises(UnknownModelError) as refused:
        catalog.require_allowed(provider, PROVIDERS[other].default_model)
    assert f"offered by {PROVIDERS[other].label}" in str(refused.value)


@pytest.mark.parametrize(
    ("provider", "written", "meant"),
    [
        (ANTHROPIC, "claude-sonet-5-5", "claude-sonnet-5-5"),
        (ANTHROPIC, "claude-sonnet-5.5", "claude-sonnet-5-5"),
        (ANTHROPIC, "Claude-Sonnet-5-5", "claude-sonnet-5-5"),
        (HUGGINGFACE, "qwen3-32b", "Qwen/Qwen3-32B"),
        (HUGGINGFACE, "llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct"),
    ],
)
def test_a_model_that_is_not_known_is_answered_with_the_nearest_that_is(
    provider: ProviderEnum, written: str, meant: str
) -> None:
    with pytest.raises(UnknownModelError, match=re.escape(f"(did you mean {meant}?); allowed")):
        catalog.require_allowed(provider, written)


def test_the_nearest_model_is_not_one_that_is_retired_and_of_unlike_names_none_is() -> None:
    for written in ("claude-3-5-haiku", "claude-3-5-haiku-20241023"):
        with pytest.raises(UnknownModelError) as refused:
            catalog.offline_catalog(TODAY).require_allowed(ANTHROPIC, written)
        assert "did you mean claude-3-5" not in str(refused.value)
    with pytest.raises(UnknownModelError) as refused:
        catalog.require_allowed(ANTHROPIC, "gpt-4o")
    assert "did you mean" not in str(refused.value)


def test_an_id_in_other_letters_is_not_allowed() -> None:
    for model_id in ("Claude-Sonnet-5-5", " claude-sonnet-5-5", ""):
        with pytest.raises(UnknownModelError):
            catalog.require_allowed(ANTHROPIC, model_id)


def test_labels_are_readable_and_unlike_each_other() -> None:
    models = [model for provider in ProviderEnum for model in catalog.models(provider, TODAY)]
    labels = [model.label.casefold() for model in models]
    assert len(set(labels)) == len(labels)
    for model in models:
        assert model.label != model.id, "no label was made for it"
        assert model.label.isprintable()
        assert len(model.label) <= 40
        assert "/" not in model.label
    for model in catalog.models(ANTHROPIC, TODAY):
        assert model.label.startswith("Claude ")


@pytest.mark.parametrize(
    ("model_id", "label"),
    [
        ("claude-sonnet-5-5", "Claude Sonnet 5.5"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5 (2025-10-01)"),
        ("claude-mythos-preview", "Claude Mythos preview"),
        (HAIKU_3_5, "Claude Haiku 3.5 (2024-10-22)"),
    ],
)
def test_label(model_id: str, label: str) -> None:
    assert find(ANTHROPIC, model_id).label == label


@given(st.dates(date(2024, 1, 1), date(2030, 1, 1)), st.sampled_from(list(ProviderEnum)))
def test_a_price_is_above_zero_or_unknown(today: date, provider: ProviderEnum) -> None:
    for model in catalog.models(provider, today):
        if model.price is not None:
            assert 0 < model.price.input_per_mtok <= model.price.output_per_mtok
        assert model.context_window is None or model.context_window > 1000


def test_unknown_values_are_none_and_never_zero() -> None:
    unknown = find(ANTHROPIC, "claude-mythos-5-1")
    assert (unknown.price, unknown.context_window) == (None, None)
    assert all(model.price is None for model in catalog.models(HUGGINGFACE, TODAY))
    assert all(model.context_window for model in catalog.models(HUGGINGFACE, TODAY))


@pytest.mark.parametrize("known", [{}, {"input_mtok": Decimal(3)}, {"output_mtok": Decimal(3)}])
def test_half_a_price_is_unknown(known: dict[str, Decimal]) -> None:
    half = ModelInfo(id="m", match=ClauseEquals("m"), prices=ModelPrice(**known))
    assert whole_price(half, TODAY) is None


def test_most_anthropic_models_have_a_price() -> None:
    default = find(ANTHROPIC, PROVIDERS[ANTHROPIC].default_model)
    assert default.price is not None
    assert default.context_window
    priced = [model for model in catalog.models(ANTHROPIC, TODAY) if model.price]
    assert len(priced) >= len(catalog.models(ANTHROPIC, TODAY)) - 4


def test_the_catalog_is_made_without_importing_an_sdk(tmp_path: Path) -> None:
    script = (
        "import sys, datetime\n"
        "from llm_agent_builder import PROVIDERS\n"
        "from llm_agent_builder.catalog import catalog\n"
        "assert all(catalog.models(p, datetime.date(2026, 11, 22)) for p in PROVIDERS)\n"
        "print(*sorted({'anthropic', 'huggingface_hub'} & sys.modules.keys()))\n"
    )
    done = run_python("-c", script, home=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")
