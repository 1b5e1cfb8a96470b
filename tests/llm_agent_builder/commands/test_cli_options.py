"""`generate`: the options that give a spec's simple fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from llm_agent_builder import AgentBuilder
from llm_agent_builder.cli import cli
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.combinations import ADD, CITY

GREETER: dict[str, Any] = {
    "name": "Greeter",
    "prompt": "Greet.",
    "task": "Say hello.",
    "provider": "anthropic",
    "model": "claude-sonnet-5-5",
}


def generate(*arguments: str | Path) -> Result:
    named = [f"--{name}={value}" for name, value in GREETER.items()]
    return CliRunner().invoke(cli, ["generate", *named, "-o", "-", *map(str, arguments)])


def expected(**values: Any) -> str:
    return AgentBuilder().build(make_spec(GREETER | values))


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ((), {}),
        (("--chat", "--usage"), {"chat": True, "usage": True}),
        (("--max-tokens", "30000", "--retries", "0"), {"max_tokens": 30_000, "retries": 0}),
        (("--thinking", "adaptive", "--effort", "max"), {"thinking": "adaptive", "effort": "max"}),
        (
            ("--stop-sequence", "a", "--stop-sequence", "b", "--timeout", "2.5"),
            {"stop_sequences": ["a", "b"], "timeout_s": 2.5},
        ),
        (
            ("--tool", "calculator", "--max-turns", "3", "--token-budget", "900"),
            {"tools": [{"gallery": "calculator"}], "max_turns": 3, "token_budget": 900},
        ),
        (("--cache-prompt",), {"cache_prompt": True}),
    ],
)
def test_options_give_the_fields_of_their_names(
    arguments: tuple[str, ...], values: dict[str, Any]
) -> None:
    result = generate(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == expected(**values)


def test_tools_and_the_answers_type_are_read_from_files(tmp_path: Path) -> None:
    tool, city = tmp_path / "add.py", tmp_path / "city.py"
    tool.write_text(ADD, "utf-8-sig", newline="\r\n")
    city.write_text(CITY, "utf-8")
    result = generate("--tool", tool, "--tool", "calculator", "--answer", city)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == expected(tools=[ADD, {"gallery": "calculator"}], answer=CITY)


def test_white_space_of_a_json_schema_does_not_count(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    file = tmp_path / "city.json"
    file.write_text("{" + " " * 100_000 + json.dumps(schema)[1:])
    result = generate("--answer", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == expected(answer=schema)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tool", "not/there.py"), "Error: not/there.py: can't be read: No such file"),
        (("--tool", "calcultor"), "tools.0: "),
        (("--answer", "not-there.py"), "does not exist"),
        (("--max-turns", "3"), "max_turns: is for agents with tools"),
        (("--effort", "utmost"), "'utmost'"),
    ],
)
def test_an_option_that_cannot_be_used_is_wrong_usage(
    arguments: tuple[str, ...], message: str
) -> None:
    result = generate(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("option", "name", "text", "message"),
    [
        ("--tool", "t_var.py", "def f(*a: str) -> str:\n    return ''\n", "t_var.py: line 1: "),
        ("--answer", "s.json", '{"type": "object",', "s.json: is not JSON: Expecting"),
        ("--answer", "s.json", "[1]", "s.json: must be a JSON Schema"),
        ("--answer", "s.json", "{".ljust(300_000), "s.json: is 262,145 bytes long; at most"),
    ],
)
def test_a_problem_in_an_options_file_names_that_file(
    tmp_path: Path, option: str, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    result = generate(option, tmp_path / name)
    assert result.exit_code == 2
    assert f"Error: {tmp_path}/{message}" in result.stderr


def test_several_problems_are_on_separate_lines() -> None:
    result = generate("--max-tokens", "0", "--retries", "11")
    assert result.stderr.splitlines()[-3:] == [
        "Error: 2 values can't be used:",
        "max_tokens: must be at least 1",
        "retries: must be at most 10",
    ]


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "tool.py"
    file.write_bytes(b"\xff\xfe\x00")
    result = generate("--tool", file)
    assert result.exit_code == 2
    assert "it is not UTF-8 text" in result.stderr
