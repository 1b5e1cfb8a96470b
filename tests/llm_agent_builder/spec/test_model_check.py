"""Checks of a spec against the catalog: available models, capabilities and base URLs."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder import AgentBuilder, AgentSpec, SpecError
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.extra import parse_models
from llm_agent_builder.catalog.live import LiveList, LiveModel
from llm_agent_builder.errors import UnknownModelError
from llm_agent_builder.providers import ProviderEnum
from llm_agent_builder.reading.constants import own_base_url
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import make_spec
from llm_agent_builder.spec.model_check import checked_spec

TODAY = date(2026, 11, 26)
CATALOG = Catalog(TODAY)
OLLAMA = "http://localhost:11434/v1"
TOOL = 'def shout(text: str) -> str:\n    """Return it in capitals."""\n    return text.upper()\n'


def spec(**values: Any) -> AgentSpec:
    plain = {"name": "A", "prompt": "b", "task": "c", "provider": "anthropic"}
    return make_spec({**plain, "model": "claude-sonnet-5-5", **values})


def own(**values: Any) -> AgentSpec:
    return spec(provider="huggingface", model="llama3.2:3b", base_url=OLLAMA, **values)


def test_a_supported_spec_passes_unchanged() -> None:
    for asked in (
        spec(),
        spec(max_tokens=128_000, thinking="adaptive", effort="max"),
        spec(model="claude-haiku-5-5", thinking="disabled", effort="high"),
        spec(tools=[TOOL]),
        spec(provider="huggingface", model="openai/gpt-oss-20b", tools=[TOOL]),
    ):
        assert checked_spec(asked, CATALOG) is asked


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"max_tokens": 128_001}, "max_tokens", "the model's limit is 128,000 (claude-sonnet-5-5)"),
        ({"thinking": "disabled"}, "thinking", "the model takes adaptive, between_tools"),
        ({"model": "claude-sonnet-4-5", "effort": "low"}, "effort", "doesn't support it"),
        (
            {"model": "claude-haiku-5-5", "thinking": "disabled", "effort": "max"},
            "effort",
            "the model takes low, medium, high (thinking is disabled)",
        ),
        (
            {"model": "claude-haiku-4-5", "max_tokens": 100_000, "effort": "low"},
            "max_tokens",
            "; effort: 'low' is not offered",
        ),
    ],
)
def test_an_unsupported_setting_is_refused_at_its_field(
    values: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(SpecError) as refused:
        checked_spec(spec(**values), CATALOG)
    assert refused.value.field == field
    assert message in str(refused.value)


def test_a_model_that_calls_no_tools_gets_none() -> None:
    reported = LiveModel("org/plain", tools=False, typed_answers=False)
    live = LiveList(ProviderEnum.HUGGINGFACE, "https://x.example/v1/models", TODAY, [reported])
    asked = spec(provider="huggingface", model="org/plain", tools=[TOOL])
    with pytest.raises(SpecError, match="tools: the model can't call tools"):
        checked_spec(asked, Catalog(TODAY, [live]))


def test_a_model_that_is_not_offered_is_refused_unless_it_is_ones_own() -> None:
    with pytest.raises(UnknownModelError):
        checked_spec(spec(model="llama3.2:3b"), CATALOG)
    assert checked_spec(own(), CATALOG) == own()


def test_a_model_of_ones_own_server_gets_its_address_from_the_catalog() -> None:
    catalog = Catalog(TODAY, extra=parse_models(f"huggingface:llama3.2:3b@{OLLAMA}"))
    asked = spec(provider="huggingface", model="llama3.2:3b")
    assert checked_spec(asked, catalog) == own()


@pytest.mark.parametrize("url", ["localhost:11434", "http://u:pw@h", 3, "", "http://h/v1?x=1"])
def test_an_address_that_is_none_is_refused(url: object) -> None:
    with pytest.raises(SpecError) as refused:
        spec(provider="huggingface", base_url=url)
    assert refused.value.field == "base_url"
    assert "pw" not in str(refused.value).replace("password", "")


def test_only_hugging_face_agents_have_a_server_of_ones_own() -> None:
    with pytest.raises(SpecError, match="base_url: is for huggingface agents"):
        spec(base_url=OLLAMA)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "url", [OLLAMA, "https://host.example/" + "x" * 25, "http://h/" + "x" * 200]
)
def test_the_file_calls_that_server_and_reads_back_as_it_was(
    url: str, stream: bool, tmp_path: Path
) -> None:
    asked = spec(provider="huggingface", model="m", base_url=url, stream=stream)
    source = AgentBuilder().build(asked)
    assert own_base_url(ast.parse(source)) == asked.base_url
    reading = read_agent(source)
    assert (reading.spec, reading.exact) == (asked, True)
    (tmp_path / "a.py").write_text(source)
    for command in (("check",), ("format", "--check")):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_providers_own_api_is_nobodys_own_server() -> None:
    source = AgentBuilder().build(spec(provider="huggingface", model="openai/gpt-oss-20b"))
    assert own_base_url(ast.parse(source)) is None
    assert read_agent(source).spec.base_url is None


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_any_address_stays_a_literal(path: str) -> None:
    try:
        asked = spec(provider="huggingface", model="m", base_url=f"http://host/{path}")
    except SpecError:
        return
    source = AgentBuilder().build(asked)  # which compares the file's shape with its reference
    assert own_base_url(ast.parse(source)) == asked.base_url
