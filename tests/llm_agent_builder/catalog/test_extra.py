"""Models and servers that users add: their syntax, and errors that say how to fix it."""

from __future__ import annotations

import pytest

from llm_agent_builder import ProviderEnum
from llm_agent_builder.catalog.extra import (
    MAX_EXTRA,
    ExtraModel,
    ModelServer,
    parse_endpoints,
    parse_models,
)
from llm_agent_builder.validation.base_urls import check_base_url

ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
OLLAMA = "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("anthropic:claude-next", ExtraModel(ANTHROPIC, "claude-next")),
        ("huggingface:org/m:together", ExtraModel(HUGGINGFACE, "org/m:together")),
        ("huggingface:llama3.2:3b=Mine", ExtraModel(HUGGINGFACE, "llama3.2:3b", "Mine")),
        (f"huggingface:a@{OLLAMA}", ExtraModel(HUGGINGFACE, "a", None, OLLAMA)),
        (
            f" huggingface:llama3.2:3b = Llama 3.2, mine @ {OLLAMA}/ ".replace(",", ""),
            ExtraModel(HUGGINGFACE, "llama3.2:3b", "Llama 3.2 mine", OLLAMA),
        ),
        ("huggingface:we@rd", ExtraModel(HUGGINGFACE, "we@rd")),
    ],
)
def test_a_model_is_read(text: str, expected: ExtraModel) -> None:
    assert parse_models(text) == (expected,)


def test_several_are_parted_by_commas_or_lines_and_named_once() -> None:
    text = "anthropic:a, anthropic:b\nhuggingface:c\r\n,,anthropic:a\n"
    assert [model.id for model in parse_models(text)] == ["a", "b", "c"]
    assert parse_models("") == parse_models(" ,\n") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claude-next", "must start with anthropic or huggingface"),
        ("openai:gpt", "must start with anthropic or huggingface"),
        ("anthropic:", "an id is one line"),
        ("anthropic:" + "x" * 201, "at most 200"),
        ("anthropic:a=" + "x" * 101, "a label of 100"),
        ("huggingface:a\u202eb", "one line"),
        (f"anthropic:a@{OLLAMA}", "only huggingface models have a base URL"),
        ("huggingface:a@http://", "names a host"),
        ("huggingface:a@https://me:pw@host/v1", "contain a password"),
    ],
)
def test_an_invalid_model_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        parse_models(text)
    assert len(str(refused.value)) < 300
    assert "pw" not in str(refused.value).replace("password", "")


def test_hundreds_are_too_many() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_EXTRA}"):
        parse_models(",".join(f"anthropic:m{number}" for number in range(MAX_EXTRA + 1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost:11434/v1", OLLAMA),
        ("http://localhost:11434", OLLAMA),
        ("http://localhost:11434/v1/", OLLAMA),
        ("http://localhost:11434/v1/chat/completions", OLLAMA),
        ("https://x.endpoints.huggingface.cloud", "https://x.endpoints.huggingface.cloud/v1"),
        ("https://host/openai/v1", "https://host/openai/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_a_base_url_ends_as_the_sdk_completes_it(text: str, expected: str) -> None:
    assert check_base_url(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "localhost:11434", "ftp://host", "http:///v1", "http://host:99999", "http://a b/v1",
     "http://host/v1?key=1", "http://host/v1#x", "http://u:p@host", "http://h\nost", "http://[::1"],
)  # fmt: skip
def test_an_invalid_base_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        check_base_url(text)


def test_servers_are_read_with_the_variable_of_their_key() -> None:
    found = parse_endpoints(f"{OLLAMA}, https://mine.example/v1 VLLM_KEY\n{OLLAMA}")
    assert found == (ModelServer(OLLAMA), ModelServer("https://mine.example/v1", "VLLM_KEY"))


@pytest.mark.parametrize("text", [f"{OLLAMA} a b", f"{OLLAMA} sk-ant-1234", f"{OLLAMA} 1X"])
def test_a_key_is_refused_in_place_of_its_variable(text: str) -> None:
    with pytest.raises(ValueError, match="variable with its key") as refused:
        parse_endpoints(text)
    assert "sk-ant" not in str(refused.value)
