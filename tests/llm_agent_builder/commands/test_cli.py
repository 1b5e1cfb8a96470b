"""The pure half of the command line. Exit codes: 0 done, 1 it failed, 2 wrong usage."""

from __future__ import annotations

import codecs
import json
import random
import re
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llm_agent_builder import PROVIDERS, AgentBuilder, AgentSpec, ProviderEnum
from llm_agent_builder.catalog import catalog
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.cli import cli
from tests.llm_agent_builder.support.processes import Done, run_python

GREETER = ("--name", "Greeter", "--prompt", "You greet people.", "--task", "Say hello.")
SPEC = {
    "name": "Spec Agent",
    "prompt": 'First line.\nSecond "line".\tTab, 😀.\n',
    "task": "Do it.",
    "provider": "huggingface",
    "model": "Qwen/Qwen3-32B",
    "stream": True,
}
RETIRED = "claude-3-5-haiku-20241022"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str | Path, today: date | None = None) -> Result:
    """Run a command in this process, with the same effects on files and streams."""
    catalog = None if today is None else lambda: Catalog(today)
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=catalog)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def in_process(*arguments: str, folder: Path, environ: dict[str, str] | None = None) -> Done:
    """Run a command as a process of its own."""
    program = "from llm_agent_builder.cli import cli; cli(prog_name='agents')"
    return run_python("-c", program, *arguments, home=folder, cwd=folder, **(environ or {}))


def source_of(**values: Any) -> str:
    return AgentBuilder().build(AgentSpec.model_validate(SPEC | values))


def greeter(model: str = "claude-sonnet-5-5", **values: Any) -> str:
    return AgentBuilder().build_agent(
        "Greeter", "You greet people.", "Say hello.", model=model, **values
    )


# --- generate


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
        ("s.yaml", "name: 2026-13-45", "month must be in 1..12"),
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


# --- models


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


# --- check


def check(tmp_path: Path, source: str | bytes, *options: str, today: date | None = None) -> Result:
    (tmp_path / "agent.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    return invoke("check", "agent.py", *options, today=today)


@pytest.mark.parametrize("provider", list(ProviderEnum))
@pytest.mark.parametrize("stream", [False, True])
def test_check_finds_a_generated_file_ok(
    tmp_path: Path, provider: ProviderEnum, stream: bool
) -> None:
    model = PROVIDERS[provider].default_model
    result = check(tmp_path, greeter(model, provider=provider.value, stream=stream))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "agent.py: ok\n", "")


def test_check_does_not_run_the_file(tmp_path: Path) -> None:
    result = check(tmp_path, "open('proof', 'w')\n" + greeter())
    assert result.exit_code == 0
    assert not (tmp_path / "proof").exists()


def test_check_as_a_process_names_successors_and_writes_the_change_as_a_diff(
    tmp_path: Path,
) -> None:
    (tmp_path / "old.py").write_text(greeter(RETIRED))
    done = in_process("check", "old.py", folder=tmp_path)
    assert done.returncode == 1
    offer, *listed, reason = done.stderr.splitlines()
    assert offer == "switch with --fix, or --fix --to MODEL:"
    assert listed[0] == "  claude-haiku-5-5   1,000,000 tokens, $0.1 / $0.5 per Mtok"
    assert reason == f"old.py: {RETIRED} was retired by its provider on 2026-02-19: calls will fail"
    assert (tmp_path / "old.py").read_text() == greeter(RETIRED)
    subprocess.run(["git", "apply", "-"], input=done.stdout, text=True, cwd=tmp_path, check=True)
    assert (tmp_path / "old.py").read_text() == greeter("claude-haiku-5-5")


@pytest.mark.parametrize(
    ("today", "exit_code", "message"),
    [
        (date(2026, 2, 18), 0, "warning: .* is deprecated: its provider retires it on 2026-02-19"),
        (date(2026, 2, 19), 1, "was retired by its provider on 2026-02-19"),
    ],
)
def test_check_fails_only_from_the_day_the_model_ends(
    tmp_path: Path, today: date, exit_code: int, message: str
) -> None:
    result = check(tmp_path, greeter(RETIRED), today=today)
    assert result.exit_code == exit_code
    assert result.stdout.endswith("agent.py: ok\n") == (exit_code == 0)
    assert '\n+MODEL = "claude-haiku-5-5"\n' in result.stdout
    assert re.search(message, result.stderr)


def test_check_in_strict_fails_for_a_deprecated_model_with_its_day_and_successor(
    tmp_path: Path,
) -> None:
    result = check(tmp_path, greeter(RETIRED), "--strict", today=date(2026, 2, 18))
    assert result.exit_code == 1
    assert "ok" not in result.stdout
    assert '\n+MODEL = "claude-haiku-5-5"\n' in result.stdout
    reason = f"agent.py: {RETIRED} is deprecated: its provider retires it on 2026-02-19"
    assert reason in result.stderr.splitlines()


def test_check_in_strict_passes_a_model_that_stays(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(), "--strict")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "agent.py: ok\n", "")


def test_check_in_strict_passes_a_deprecated_model_that_it_fixes(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(RETIRED), "--strict", "--fix", today=date(2026, 2, 18))
    assert result.exit_code == 0
    assert (tmp_path / "agent.py").read_text() == greeter("claude-haiku-5-5")


def test_fix_changes_the_one_line_and_keeps_everything_else(tmp_path: Path) -> None:
    before = codecs.BOM_UTF8 + greeter(RETIRED).replace("\n", "\r\n").encode() + b"# mine: \xc3\xbc"
    (tmp_path / "real.py").write_bytes(before)
    (tmp_path / "real.py").chmod(0o750)
    (tmp_path / "agent.py").symlink_to("real.py")
    result = invoke("check", "agent.py", "--fix")
    assert (result.exit_code, result.stderr) == (0, "agent.py: switched to claude-haiku-5-5\n")
    assert result.stdout.endswith("agent.py: ok\n")
    assert (tmp_path / "real.py").read_bytes() == before.replace(
        RETIRED.encode(), b"claude-haiku-5-5"
    )
    assert (tmp_path / "real.py").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "agent.py").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agent.py", "real.py"]


def test_fix_moves_to_the_model_asked_for(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(), "--fix", "--to", "claude-opus-5-5")
    assert result.exit_code == 0
    assert (tmp_path / "agent.py").read_text() == greeter("claude-opus-5-5")


def test_without_fix_a_model_asked_for_is_only_shown(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(), "--to", "claude-opus-5-5")
    reported = "nothing was changed; use --fix to apply the change\n"
    assert (result.exit_code, result.stderr) == (0, reported)
    assert '\n+MODEL = "claude-opus-5-5"\n' in result.stdout
    assert (tmp_path / "agent.py").read_text() == greeter()


def test_fix_leaves_a_file_whose_model_is_current(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(), "--fix")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "agent.py: ok\n", "")
    assert (tmp_path / "agent.py").read_text() == greeter()


def test_a_model_to_move_to_that_is_not_allowed_is_wrong_usage(tmp_path: Path) -> None:
    result = check(tmp_path, greeter(RETIRED), "--fix", "--to", "claude-99")
    assert result.exit_code == 2
    assert "'claude-99' is not a model of Anthropic" in result.stderr
    assert (tmp_path / "agent.py").read_text() == greeter(RETIRED)


def test_settings_that_the_new_model_would_refuse_are_listed(tmp_path: Path) -> None:
    source = greeter(RETIRED).replace("MAX_TOKENS = 4096", "MAX_TOKENS = 200_000")
    result = check(tmp_path, source, "--fix")
    assert "MAX_TOKENS is 200,000; the model's limit is 128,000" in result.stderr


# --- models that are added


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


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print('hello')\n", "contains no agent: it imports neither anthropic nor huggingface_hub"),
        ("", "contains no agent"),
        ("import anthropic_extras\n", "contains no agent"),
        ("import anthropic\n", "has no MODEL = ... line"),
        ("import anthropic\nMODEL = f'{x}'\n", 'has a MODEL that is not a plain "..." literal'),
        (b"import anthropic\nMODEL = 'a'\n# coding: latin-1", "no class with a run(task) method"),
        (b"# coding: latin-1\nimport anthropic\n# \xff", "is not written in UTF-8"),
        (greeter("claude-99"), "'claude-99' is not a model of Anthropic"),
        (greeter("claude-sonet-5"), "(did you mean claude-sonnet-5?); allowed are: claude-"),
        (greeter("claude-99").replace("def run(", "def walk("), "no class with a run(task) method"),
        (greeter().replace("def run(", "def walk("), "has no class with a run(task) method"),
        ("def f(:\n", "is not Python: invalid syntax (line 1)"),
        ("x = 1\n  y = 2\n", "is not Python: unexpected indent (line 2)"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not written in UTF-8"),
        (random.Random(1).randbytes(5000), "is not written in UTF-8"),
        (b"\0", "is not Python"),
        (b"x = '\xff'\n", "is not written in UTF-8"),
        ("-" * 60_000 + "1", "nested too deeply"),
        ("x" + ".a" * 30_000 + " = 1", "nested too deeply"),
        ("(" * 60_000, "is not Python: too many nested parentheses"),
        ("(" * 90_000, "has 90,000 characters of code"),
        (greeter() + "#" * 5_000_000, "has more than 4,194,304 bytes"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) and len(value) < 200 else "file",
)
def test_check_prints_problems_with_the_files_name(
    tmp_path: Path, source: str | bytes, message: str
) -> None:
    result = check(tmp_path, source)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert all(line.startswith("agent.py: ") for line in result.stderr.splitlines())


def test_check_of_an_endless_file_ends() -> None:
    result = invoke("check", "/dev/zero")
    assert result.exit_code == 1
    assert "has more than 4,194,304 bytes" in result.stderr


def test_the_version_and_the_help_are_there() -> None:
    assert "version" in invoke("--version").stdout
    reported = invoke("--help").stdout
    for command in ("generate", "models", "check"):
        assert command in reported
        assert invoke(command, "--help").exit_code == 0
