"""`check`: what it finds in a file, and what `--fix` changes."""

from __future__ import annotations

import codecs
import random
import re
import subprocess
from datetime import date
from pathlib import Path

import pytest
from click.testing import Result

from llm_agent_builder import PROVIDERS, ProviderEnum
from tests.llm_agent_builder.support.command_line import RETIRED, greeter, in_process, invoke


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
