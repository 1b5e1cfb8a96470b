"""Retirement help over HTTP, on a real server process."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.api_client import SPEC, fields

RETIRED = "claude-3-5-haiku-20241022"


@pytest.fixture(scope="module")
def agent(server: Any) -> str:
    with server.client() as client:
        answer = client.post("/api/generate", json={**SPEC, "model": RETIRED})
    code: str = answer.json()["code"]
    return code


def test_an_agent_whose_model_is_retired_is_shown_where_it_can_move(
    client: httpx.Client, agent: str
) -> None:
    upgrade = client.post("/api/upgrade", json={"code": agent, "filename": "geographer.py"}).json()
    assert (upgrade["provider"], upgrade["model"]) == ("anthropic", RETIRED)
    assert (upgrade["lifecycle"], upgrade["retires_on"]) == ("retired", "2026-02-19")
    first = upgrade["successors"][0]
    assert set(first) == {"id", "label", "price", "context_window", "problems", "diff", "code"}
    assert first["code"] == agent.replace(RETIRED, "claude-haiku-5-5")
    assert first["diff"].startswith("--- a/geographer.py\n+++ b/geographer.py\n@@ ")
    assert set(first["price"]) == {"input_per_mtok", "output_per_mtok"}
    listed = client.get("/api/catalog").json()["providers"][0]["models"]
    (model,) = [model for model in listed if model["id"] == RETIRED]
    assert [successor["id"] for successor in upgrade["successors"]] == model["successors"]


def test_a_file_can_be_moved_to_one_model(client: httpx.Client, agent: str) -> None:
    answer = client.post("/api/upgrade", json={"code": agent, "to": "claude-opus-5-5"})
    assert [successor["id"] for successor in answer.json()["successors"]] == ["claude-opus-5-5"]
    refused = client.post("/api/upgrade", json={"code": agent, "to": "claude-99"})
    assert "'claude-99' is not a model" in refused.json()["detail"][0]["msg"]
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("print(1)", "imports neither anthropic nor huggingface_hub"),
        ("import anthropic\nMODEL = 'a' 'b'", "change it by hand"),
        ("def", "is not Python"),
        ("(" * 70_000, "characters of code"),
    ],
)
def test_file_that_can_not_be_moved_is_reported(client: httpx.Client, code: str, said: str) -> None:
    answer = client.post("/api/upgrade", json={"code": code})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_ours")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "code"),
        ({"code": 3}, "code"),
        ({"code": "x" * (1024 * 1024 + 1)}, "code"),
        ({"code": "", "filename": "a\nb"}, "filename"),
        ({"code": "", "to": ""}, "to"),
        ({"code": "", "model": "x"}, "model"),
    ],
)
def test_values_that_can_not_be_used_are_named(
    client: httpx.Client, body: dict[str, Any], field: str
) -> None:
    assert field in fields(client.post("/api/upgrade", json=body))
