"""What providers answer to GET /v1/models: read where it can be, never trusted."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder import ProviderEnum
from llm_agent_builder.catalog.live import (
    MAX_MODELS,
    LiveModel,
    ModelListError,
    next_page,
    read_page,
)
from llm_agent_builder.catalog.model import Lifecycle, Price

ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE


def supported(*names: str, of: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"supported": name in names} for name in of}


SONNET: dict[str, Any] = {
    "type": "model",
    "id": "claude-sonnet-6",
    "display_name": "Claude Sonnet 6",
    "created_at": "2026-12-01T00:00:00Z",
    "lifecycle": "deprecated",
    "retires_at": "2027-06-30T23:30:00-05:00",
    "max_input_tokens": 2_000_000,
    "max_tokens": 256_000,
    "line": "sonnet",
    "capabilities": {
        "structured_outputs": {"supported": True},
        "effort": {
            "supported": True,
            **supported("low", "high", of=("low", "medium", "high", "xhigh", "max")),
        },
        "thinking": {
            "supported": True,
            "types": supported(
                "adaptive", "between_tools", of=("adaptive", "between_tools", "disabled", "enabled")
            ),
        },
    },
}


def one(provider: ProviderEnum, entry: dict[str, Any]) -> LiveModel:
    (model,) = read_page(provider, {"data": [entry]})
    return model


def test_anthropics_entry_of_a_model_is_read() -> None:
    assert one(ANTHROPIC, SONNET) == LiveModel(
        id="claude-sonnet-6",
        label="Claude Sonnet 6",
        lifecycle=Lifecycle.DEPRECATED,
        retires_on=date(2027, 7, 1),
        context_window=2_000_000,
        max_output_tokens=256_000,
        thinking=("adaptive", "between_tools"),
        effort=("low", "high"),
        typed_answers=True,
    )


def test_values_missing_in_anthropics_entry_are_unknown() -> None:
    assert one(ANTHROPIC, {"id": "claude-bare"}) == LiveModel(id="claude-bare")
    silent = {"id": "m", "capabilities": {"effort": {"supported": False}, "thinking": None}}
    assert one(ANTHROPIC, silent) == LiveModel(id="m", effort=())


def test_the_routers_partners_are_combined() -> None:
    entry = {
        "id": "org/model",
        "providers": [
            {
                "provider": "one",
                "status": "live",
                "context_length": 32_768,
                "pricing": {"input": 1, "output": 2.5},
                "supports_tools": False,
                "supports_structured_output": False,
            },
            {
                "provider": "two",
                "status": "live",
                "context_length": 131_072,
                "pricing": {"input": 1, "output": 2.5},
                "supports_tools": True,
            },
            {"provider": "down", "status": "error", "context_length": 10**6, "pricing": {}},
        ],
    }
    assert one(HUGGINGFACE, entry) == LiveModel(
        id="org/model",
        context_window=131_072,
        price=Price(1.0, 2.5),
        tools=True,
        typed_answers=False,
    )


def test_a_price_is_known_only_where_all_partners_ask_the_same() -> None:
    partners = [{"status": "live", "pricing": {"input": 1, "output": out}} for out in (2, 3)]
    assert one(HUGGINGFACE, {"id": "m", "providers": partners}).price is None


def test_a_model_whose_partners_are_all_down_is_not_served() -> None:
    entry = {"id": "m", "providers": [{"status": "error"}]}
    assert one(HUGGINGFACE, entry).served is False


@pytest.mark.parametrize(
    ("entry", "context"),
    [
        ({"id": "llama3.2:3b", "object": "model", "owned_by": "library"}, None),  # Ollama
        ({"id": "qwen", "max_model_len": 32_768}, 32_768),  # vLLM
        ({"id": "/models/a.gguf", "meta": {"n_ctx_train": 8192}}, 8192),  # llama.cpp
    ],
)
def test_servers_of_ones_own_are_read(entry: dict[str, Any], context: int | None) -> None:
    model = one(HUGGINGFACE, entry)
    assert (model.id, model.context_window, model.served) == (entry["id"], context, True)


@pytest.mark.parametrize("page", [None, [], "x", 3, {}, {"data": None}, {"data": {"id": "m"}}])
@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_an_answer_without_a_list_is_refused(provider: ProviderEnum, page: object) -> None:
    with pytest.raises(ModelListError, match="no list of models"):
        read_page(provider, page)


def test_a_list_of_nothing_that_could_be_a_model_is_refused() -> None:
    with pytest.raises(ModelListError, match="no entry"):
        read_page(ANTHROPIC, {"data": [None, {"id": 3}, {"id": ""}, {"id": "a\nb"}]})
    assert read_page(ANTHROPIC, {"data": []}) == []


@pytest.mark.parametrize(
    "id_", ["", " x", "a\nb", "x" * 201, "a\u202eb", "a\0b", "\ud800", 7, None, True, ["x"]]
)
def test_ids_that_can_not_be_shown_are_left_out(id_: object) -> None:
    found = read_page(HUGGINGFACE, {"data": [{"id": id_}, {"id": "fine"}]})
    assert [model.id for model in found] == ["fine"]


def test_no_more_than_so_many_are_read() -> None:
    page = {"data": [{"id": f"m{number}"} for number in range(MAX_MODELS + 5)]}
    assert len(read_page(ANTHROPIC, page)) == MAX_MODELS


@pytest.mark.parametrize(
    "value", [-1, 0, True, 1e6, "128000", 10**30, float("inf"), float("nan"), None, {}]
)
def test_numbers_that_can_not_be_meant_are_unknown(value: object) -> None:
    assert one(ANTHROPIC, {"id": "m", "max_tokens": value}).max_output_tokens is None
    partner = {"status": "live", "context_length": value, "pricing": {"input": 1, "output": value}}
    model = one(HUGGINGFACE, {"id": "m", "providers": [partner]})
    assert model.context_window is None
    assert model.price is None or model.price == Price(1.0, float(str(value)))


@pytest.mark.parametrize("value", ["soon", "2026-13-01", 5, "9999-12-31T23:59:59-23:00", None])
def test_days_that_are_none_are_unknown(value: object) -> None:
    assert one(ANTHROPIC, {"id": "m", "retires_at": value}).retires_on is None


def test_the_next_page_is_asked_for_by_the_last_id() -> None:
    assert next_page({"has_more": True, "last_id": "b"}) == "b"


@pytest.mark.parametrize(
    "page",
    [
        {"has_more": False, "last_id": "b"},
        {"has_more": 1, "last_id": "b"},
        {"has_more": True},
        {"has_more": True, "last_id": "b\nc"},
        None,
        [],
    ],
)
def test_there_is_no_next_page_where_none_is_named(page: object) -> None:
    assert next_page(page) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "capabilities",
                    "thinking",
                    "types",
                    "adaptive",
                    "effort",
                    "supported",
                    "providers",
                    "status",
                    "pricing",
                    "input",
                    "output",
                    "meta",
                    "n_ctx",
                    "retires_at",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(st.sampled_from(list(ProviderEnum)), _JSON)
def test_any_answer_is_read_or_refused(provider: ProviderEnum, value: Any) -> None:
    partners = {"id": "m", "providers": [value], "meta": value}
    entries = [value, {"id": "m", "capabilities": value}, partners]
    for page in (value, *({"data": [entry]} for entry in entries)):
        try:
            found = read_page(provider, page)
        except ModelListError:
            continue
        json.dumps([model.id for model in found])
