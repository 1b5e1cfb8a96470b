"""Catalog and generate, on a real server process."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.support.api_client import SPEC, fields

CANARY = "canary-key-" + "0123456789"


def test_catalog_lists_providers_models_backends_and_sandbox(client: httpx.Client) -> None:
    catalog = client.get("/api/catalog").json()
    providers = {provider["id"]: provider for provider in catalog["providers"]}
    assert set(providers) == {"anthropic", "huggingface"}
    assert providers["anthropic"]["key_env"] == "ANTHROPIC_API_KEY"
    assert providers["anthropic"]["key_configured"] is False
    models = {model["id"]: model for model in providers["anthropic"]["models"]}
    assert models["claude-3-5-haiku-20241022"]["lifecycle"] == "retired"
    assert models["claude-3-5-haiku-20241022"]["retires_on"] == "2026-02-19"
    assert set(models["claude-sonnet-5-5"]["price"]) == {"input_per_mtok", "output_per_mtok"}
    ids = {model["id"] for model in providers["huggingface"]["models"]}
    assert {"meta-llama/Meta-Llama-3-8B-Instruct", "mistralai/Mistral-7B-Instruct-v0.3"} <= ids
    backends = {backend["id"]: backend for backend in catalog["backends"]}
    assert backends["local"]["available"] is True
    assert backends["provider"]["available"] is False
    assert "ANTHROPIC_API_KEY" in backends["provider"]["reason"]
    layers = catalog["sandbox"]["layers"]
    assert all(layer["active"] or layer["reason"] for layer in layers)
    assert all(layer["summary"] for layer in layers)
    assert catalog["sandbox"]["summary"].startswith("Each run")
    tools = {tool["id"]: tool for tool in catalog["tools"]}
    assert tools["read_file"]["needs"] == "files"
    assert "def calculator(expression: str) -> str:" in tools["calculator"]["code"]


@pytest.mark.parametrize("provider", ["anthropic", "huggingface"])
def test_generated_file_is_returned_with_its_name(client: httpx.Client, provider: str) -> None:
    model = {"anthropic": "claude-sonnet-5-5", "huggingface": "openai/gpt-oss-20b"}[provider]
    answer = client.post("/api/generate", json={**SPEC, "provider": provider, "model": model})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["filename"]) == ("success", "geographer.py")
    assert "class Geographer:" in body["code"]
    assert body["warnings"] == []


def test_retired_model_is_written_with_a_warning(client: httpx.Client) -> None:
    body = client.post("/api/generate", json={**SPEC, "model": "claude-3-5-haiku-20241022"}).json()
    assert body["status"] == "success"
    assert "2026-02-19" in body["warnings"][0]


def test_model_of_another_provider_is_an_error_that_lists_the_allowed_ones(
    client: httpx.Client,
) -> None:
    answer = client.post("/api/generate", json={**SPEC, "model": "openai/gpt-oss-20b"})
    problem = fields(answer)["model"]
    assert "claude-sonnet-5-5" in problem
    assert "Hugging Face" in problem


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 3}, "name"),
        ({"prompt": ""}, "prompt"),
        ({"task": "x" * 102_401}, "task"),
        ({"provider": "openai"}, "provider"),
        ({"stream": "perhaps"}, "stream"),
        ({"temperature": 1}, "temperature"),
    ],
)
def test_value_that_can_not_be_used_is_named(
    client: httpx.Client, change: dict[str, Any], field: str
) -> None:
    assert field in fields(client.post("/api/generate", json={**SPEC, **change}))


def test_a_crowd_of_unknown_fields_is_refused_at_once(client: httpx.Client) -> None:
    crowd = {f"pr{number}": 1 for number in range(200_000)}
    assert "200,005 keys" in client.post("/api/generate", json={**SPEC, **crowd}).text
    assert "200,000 keys" in client.post("/api/read", json=crowd).text


def test_problems_are_shown_up_to_a_number(client: httpx.Client) -> None:
    crowd = {f"pr{number}" * 50: 1 for number in range(90)}
    answer = client.post("/api/generate", json={**SPEC, **crowd})
    assert len(answer.json()["detail"]) == 20


def test_a_schema_with_names_that_are_no_text_is_refused(client: httpx.Client) -> None:
    for schema in (
        {"type": "object", "properties": {"\ud800": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "string", "\ud800": 1}}},
    ):
        body = json.dumps({**SPEC, "answer": schema})
        answer = client.post(
            "/api/generate", content=body, headers={"Content-Type": "application/json"}
        )
        assert "\\ud800" in fields(answer)["answer"]


def test_errors_do_not_echo_the_request(client: httpx.Client) -> None:
    answer = client.post("/api/generate", json={**SPEC, "name": CANARY * 20})
    assert answer.status_code == 422
    assert CANARY not in answer.text


def test_lone_surrogates_and_nul_are_taken(client: httpx.Client) -> None:
    body = json.dumps({**SPEC, "prompt": "a\ud800\0b"})
    answer = client.post(
        "/api/generate", content=body, headers={"Content-Type": "application/json"}
    )
    assert "a\\ud800\\x00b" in answer.json()["code"]


_LAMBDAS = 'def tool(text: str) -> str:\n    """Do."""\n    x = [' + "lambda:0," * 7000 + "]\n"
_ENUM = {"enum": list(range(2000))}
_LONG = "n" * 2_000_000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tools": [_LAMBDAS] * 16}, "tools"),
        ({"tools": [_LAMBDAS]}, "tools.0.code"),
        ({"answer": {"$ref": f"#/$defs/{_LONG}", "$defs": {_LONG: {}}}}, "answer"),
        (
            {"answer": {"type": "object", "properties": {"a": _ENUM}}},
            "answer",
        ),
        ({f"key{number}": 1 for number in range(200_000)}, ""),
    ],
    ids=["tools", "tool", "name", "enum", "keys"],
)
def test_body_that_is_slow_to_parse_is_refused_unparsed(
    client: httpx.Client, change: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/generate", json={**SPEC, **change})
    problem = fields(answer)[field]
    assert "at most" in problem or "more than" in problem


def test_a_program_of_a_megabyte_is_taken_without_parsing_it(client: httpx.Client) -> None:
    code = "import anthropic\nx = [" + "a," * 500_000 + "]"
    answer = client.post("/api/runs", json={"code": code, "task": "t", "backend": "provider"})
    assert "ANTHROPIC_API_KEY" in answer.json()["detail"]
