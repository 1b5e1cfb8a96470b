"""The pure half of the command line: wrong usage, help, and the models that it lists.

Exit codes: 0 done, 1 it failed, 2 wrong usage.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_agent_builder import ProviderEnum
from llm_agent_builder.catalog import catalog
from tests.llm_agent_builder.support.command_line import (
    GREETER,
    RETIRED,
    greeter,
    in_process,
    invoke,
)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("generate",), "name: missing"),
        (("generate", *GREETER, "--name", ""), "name: must not be blank"),
        (("generate", *GREETER, "--name", "a\nb"), "U+000A at character 2"),
        (("generate", *GREETER, "--task", " "), "task: must not be blank"),
        (("generate", *GREETER, "--provider", "gemini"), "'gemini' is not one of"),
        (("generate", *GREETER, "--flavour", "mint"), "--flavour"),
        (("generate", "--spec", "missing.yaml"), "missing.yaml"),
        (("check",), "FILE"),
        (("check", "missing.py"), "missing.py"),
        (("check", "."), "is a directory"),
        (("models", "--provider", "gemini"), "'gemini' is not one of"),
        (("bake",), "bake"),
    ],
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(
    tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_models_lists_both_providers_with_known_facts() -> None:
    result = invoke("models")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == ["Anthropic", "Hugging Face"]
    for provider in ProviderEnum:
        for model_id in catalog.allowed_model_ids(provider):
            assert any(line.split()[0] == model_id for line in lines)
    (retired,) = [line for line in lines if RETIRED in line]
    assert "retired (2026-02-19)" in retired
    assert [line for line in lines if line != line.rstrip()] == []
    assert "$0 " not in result.stdout


def test_models_of_one_provider() -> None:
    result = invoke("models", "--provider", "huggingface")
    assert result.exit_code == 0
    assert "claude" not in result.stdout
    assert "Qwen/Qwen3-32B" in result.stdout


def test_models_as_json_is_json_alone(tmp_path: Path) -> None:
    done = in_process("models", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    reported = json.loads(done.stdout)
    assert list(reported) == ["anthropic", "huggingface"]
    for provider in ProviderEnum:
        ids = tuple(model["id"] for model in reported[provider.value])
        assert sorted(ids) == sorted(catalog.allowed_model_ids(provider))
    (retired,) = [model for model in reported["anthropic"] if model["id"] == RETIRED]
    assert retired["lifecycle"] == "retired"
    assert retired["retires_on"] == "2026-02-19"
    assert all(model["price"] is None for model in reported["huggingface"])
    assert retired["successors"][0] == "claude-haiku-5-5"
    assert retired["capabilities"]["max_output_tokens"] == 8192
    assert (retired["origin"], retired["checked"]) == ("shipped", "2026-11-22")


def test_models_of_the_setting_are_listed_and_can_be_generated(tmp_path: Path) -> None:
    extra = "anthropic:claude-next=Claude Next\nhuggingface:llama3.2:3b@http://localhost:11434"
    environ = {"AGENT_BUILDER_EXTRA_MODELS": extra}
    done = in_process("models", folder=tmp_path, environ=environ)
    assert done.stdout.splitlines()[1].split() == ["claude-next", "added", "by", "setting"]
    assert "llama3.2:3b " in done.stdout
    assert "at http://localhost:11434/v1" in done.stdout
    options = ("--model", "claude-next", "-o", "-")
    written = in_process("generate", *GREETER, *options, folder=tmp_path, environ=environ)
    assert (written.returncode, written.stdout) == (0, greeter("claude-next"))


def test_an_agent_of_ones_own_server_needs_no_setting(tmp_path: Path) -> None:
    options = ("--provider", "huggingface", "--model", "llama3.2:3b")
    written = invoke("generate", *GREETER, *options, "--base-url", "http://localhost:11434")
    assert written.exit_code == 0
    assert 'or "http://localhost:11434/v1"' in (tmp_path / "greeter.py").read_text()
    assert invoke("check", "greeter.py").stdout == "greeter.py: ok\n"
    refused = invoke("generate", *GREETER, *options, "-o", "-")
    assert refused.exit_code == 2
    assert "AGENT_BUILDER_EXTRA_MODELS adds others" in refused.stderr


def test_a_setting_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    environ = {"AGENT_BUILDER_EXTRA_MODELS": "claude-next"}
    done = in_process("models", folder=tmp_path, environ=environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "Error: AGENT_BUILDER_EXTRA_MODELS: 'claude-next' is not PROVIDER"
    )


def test_the_version_and_the_help_are_there() -> None:
    assert "version" in invoke("--version").stdout
    reported = invoke("--help").stdout
    for command in ("generate", "models", "check"):
        assert command in reported
        assert invoke(command, "--help").exit_code == 0
