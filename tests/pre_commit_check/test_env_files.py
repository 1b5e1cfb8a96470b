"""pre-commit-check.sh: .env files with values are blocked."""

import pytest

from tests.support.hooked_repository import ANTHROPIC, ANTHROPIC_KEY, Repository, findings


@pytest.mark.matrix(keep=4)
@pytest.mark.parametrize("name", [".env", ".env.local", "server/.env", ".env.prod/x/.env.a b"])
@pytest.mark.parametrize("key", ["ANTHROPIC_API_KEY", "HUGGINGFACEHUB_API_TOKEN", "HF_TOKEN"])
def test_staged_env_file_with_a_value_is_blocked(started: Repository, name: str, key: str) -> None:
    started.stage(name, f"# mine\n{key}=anything\n")
    assert findings(started.blocked()) == [f"{name}:2: a .env file with a value for {key}"]


@pytest.mark.parametrize(
    "line",
    [
        "export HF_TOKEN=x",
        "  HF_TOKEN = x",
        'HF_TOKEN="x"',
        "HF_TOKEN='x' # mine",
        "HF_TOKEN=#x",
        "HF_TOKEN=x\r",
        "\ufeffHF_TOKEN=x",
        "HF_TOKEN=''x",
    ],
)
def test_value_in_an_env_file_is_found_however_it_is_written(
    started: Repository, line: str
) -> None:
    started.stage(".env", line)
    assert findings(started.blocked()) == [".env:1: a .env file with a value for HF_TOKEN"]


@pytest.mark.parametrize(
    "content",
    [
        "HF_TOKEN=\nANTHROPIC_API_KEY=\r\nHUGGINGFACEHUB_API_TOKEN=",
        "HF_TOKEN=\"\"\nANTHROPIC_API_KEY=''\r\n",
        'HF_TOKEN=  \nANTHROPIC_API_KEY= # none\nHUGGINGFACEHUB_API_TOKEN=""  # none\n',
        "# HF_TOKEN=x\nMY_HF_TOKEN=x\nHF_TOKEN_FILE=x\nPORT=8000\n",
        "",
    ],
)
def test_staged_env_file_without_a_value_passes(started: Repository, content: str) -> None:
    started.stage(".env", content)
    started.commit()


def test_env_example_passes_with_placeholders_and_is_blocked_with_a_key(
    started: Repository,
) -> None:
    started.stage(".env.example", "ANTHROPIC_API_KEY=your_key\nHF_TOKEN=hf_xxxxxxxx\n")
    started.commit()
    started.stage(".env.example", f"ANTHROPIC_API_KEY={ANTHROPIC_KEY}\n")
    assert findings(started.blocked()) == [f".env.example:1: {ANTHROPIC}"]


def test_value_in_a_file_that_is_no_env_file_passes(started: Repository) -> None:
    started.stage("env.md", "HF_TOKEN=your_token\n")
    started.stage(".environment", "HF_TOKEN=your_token\n")
    started.commit()
