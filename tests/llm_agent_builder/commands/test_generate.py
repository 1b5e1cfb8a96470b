"""`generate`: from options or a spec file to an agent file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_agent_builder import PROVIDERS, AgentBuilder, AgentSpec, ProviderEnum
from llm_agent_builder.catalog import catalog
from tests.llm_agent_builder.support.command_line import (
    GREETER,
    RETIRED,
    greeter,
    in_process,
    invoke,
)

SPEC = {
    "name": "Spec Agent",
    "prompt": 'First line.\nSecond "line".\tTab, 😀.\n',
    "task": "Do it.",
    "provider": "huggingface",
    "model": "Qwen/Qwen3-32B",
    "stream": True,
}


def source_of(**values: Any) -> str:
    return AgentBuilder().build(AgentSpec.model_validate(SPEC | values))


def test_generate_writes_the_file_and_says_so(tmp_path: Path) -> None:
    done = in_process("generate", *GREETER, folder=tmp_path)
    file = tmp_path / "greeter.py"
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"wrote greeter.py ({len(greeter().splitlines())} lines)\n"
    assert file.read_text("utf-8") == greeter()


def test_generate_replaces_a_file_only_with_force(tmp_path: Path) -> None:
    file = tmp_path / "greeter.py"
    file.write_text("mine")
    refused = in_process("generate", *GREETER, folder=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: greeter.py already exists; use --force to replace it\n"
    assert file.read_text() == "mine"
    assert invoke("generate", *GREETER, "--force").exit_code == 0
    assert file.read_text("utf-8") == greeter()


def test_generate_to_a_dash_writes_the_source_alone_to_standard_output(tmp_path: Path) -> None:
    done = in_process(
        *("generate", "--name", "Grüße 😀", "--prompt", "é\r\n", "--task", "日本", "-o", "-"),
        folder=tmp_path,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout == AgentBuilder().build_agent("Grüße 😀", "é\r\n", "日本")
    assert list(tmp_path.glob("*.py")) == []


def test_generate_into_a_folder_names_the_file_after_the_agent(tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    assert invoke("generate", *GREETER, "-o", folder).exit_code == 0
    assert (folder / "greeter.py").read_text("utf-8") == greeter()


def test_generate_to_a_named_file(tmp_path: Path) -> None:
    assert invoke("generate", *GREETER, "--output", tmp_path / "x.py").exit_code == 0
    assert (tmp_path / "x.py").read_text("utf-8") == greeter()


def test_generate_into_a_missing_folder_fails_in_one_line(tmp_path: Path) -> None:
    result = invoke("generate", *GREETER, "-o", "no/such/x.py")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: can't write no/such/x.py: No such file or directory\n"


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_generate_takes_the_providers_default_model(provider: ProviderEnum) -> None:
    result = invoke("generate", *GREETER, "--provider", provider.value, "-o", "-")
    model = PROVIDERS[provider].default_model
    assert result.stdout == greeter(provider=provider.value, model=model)


def test_generate_streams_with_the_option() -> None:
    assert invoke("generate", *GREETER, "--stream", "-o", "-").stdout == greeter(stream=True)
    assert invoke("generate", *GREETER, "--no-stream", "-o", "-").stdout == greeter()


def _yaml(values: dict[str, Any]) -> str:
    return "".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()
    )


def _yaml_by_hand(values: dict[str, Any]) -> str:
    text = values["prompt"].replace("\n", "\n  ").rstrip(" ")
    rest = "".join(f"{key}: {value}\n" for key, value in values.items() if key != "prompt")
    return f"# an agent\nprompt: |\n  {text}{rest}".replace("True", "true")


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("spec.yaml", _yaml),
        ("spec.yml", _yaml_by_hand),
        ("spec.json", json.dumps),
        ("spec.json", lambda v: json.dumps(v, ensure_ascii=False, indent="\t")),
        ("spec.json", lambda v: "\ufeff" + json.dumps(v)),
    ],
    ids=["yaml", "yaml block", "json", "json with tabs", "json with a byte order mark"],
)
def test_generate_reads_a_spec_file(
    tmp_path: Path, file: str, write: Callable[[dict[str, Any]], str]
) -> None:
    (tmp_path / file).write_text(write(SPEC), "utf-8")
    result = invoke("generate", "--spec", file, "-o", "-")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == source_of()


def test_options_win_over_the_spec_file(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SPEC))
    result = invoke(
        *("generate", "--spec", "s.json", "--name", "Other", "--no-stream", "-o", "-"),
        *("--model", "openai/gpt-oss-20b"),
    )
    assert result.stdout == source_of(name="Other", stream=False, model="openai/gpt-oss-20b")


def test_a_spec_file_without_provider_and_model_gets_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("name: Greeter\nprompt: You greet people.\ntask: Say hello.\n")
    assert invoke("generate", "--spec", "s.yaml", "-o", "-").stdout == greeter()


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("s.yaml", "name: [", "s.yaml"),
        ("s.yaml", "- name\n- prompt\n", "must be a mapping"),
        ("s.yaml", "", "must be a mapping"),
        ("s.yaml", "name: 2026-13-45", "'2026-13-45' is not a valid timestamp; put text in quotes"),
        ("s.yaml", "name: !!python/object/apply:os.system [true]", "python/object"),
        ("s.yaml", "[" * 5000, "s.yaml"),
        ("s.yaml", b"name: \xff\xfe", "s.yaml"),
        ("s.json", "{'name': 1}", "s.json"),
        ("s.json", "[" * 50_000, "s.json"),
        ("s.json", "[]", "must be a mapping"),
        ("s.yaml", _yaml(SPEC | {"flavour": "mint"}), "flavour: unknown field"),
        ("s.yaml", _yaml(SPEC | {"provider": ["huggingface"]}), "provider: "),
        ("s.yaml", _yaml(SPEC | {"provider": "gemini"}), "'anthropic' or 'huggingface'"),
        ("s.yaml", _yaml(SPEC | {"name": None}), "name: must be text"),
        ("s.yaml", _yaml(SPEC | {"task": 5}), "task: must be text"),
        ("s.yaml", _yaml(SPEC | {"stream": "perhaps"}), "stream: "),
        ("s.yaml", "provider: anthropic\n", "name: missing"),
    ],
)
def test_a_spec_file_that_cannot_be_used_is_wrong_usage(
    tmp_path: Path, file: str, text: str | bytes, named: str
) -> None:
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    result = invoke("generate", "--spec", file, "-o", "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_model_is_refused_with_the_list_of_those_allowed(tmp_path: Path) -> None:
    done = in_process("generate", *GREETER, "--model", "claude-99", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "model: 'claude-99' is not a model of Anthropic" in done.stderr
    for model_id in catalog.allowed_model_ids(ProviderEnum.ANTHROPIC):
        assert model_id in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_the_other_provider_is_refused_by_naming_that_one() -> None:
    result = invoke("generate", *GREETER, "--model", "Qwen/Qwen3-32B", "-o", "-")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "offered by Hugging Face" in result.stderr


def test_a_retired_model_is_warned_about_and_written() -> None:
    result = invoke("generate", *GREETER, "--model", RETIRED, "-o", "-")
    assert result.exit_code == 0
    assert result.stdout == greeter(RETIRED)
    assert result.stderr == (
        f"warning: {RETIRED} was retired by its provider on 2026-02-19: calls will fail\n"
    )
