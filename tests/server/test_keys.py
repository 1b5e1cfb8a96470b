"""Keys from the environment and from `.env`."""

from __future__ import annotations

import os
from pathlib import Path

from llm_agent_builder.providers import ProviderEnum
from server.keys import KeySource

A, H = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE


def key(source: KeySource, provider: ProviderEnum) -> str | None:
    found = source.key(provider)
    return found.reveal() if found else None


def test_environment_wins_over_the_file_and_first_variable_wins(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text("ANTHROPIC_API_KEY=file\nHF_TOKEN=second\n")
    assert key(KeySource({"ANTHROPIC_API_KEY": "environment"}, env), A) == "environment"
    assert key(KeySource({"ANTHROPIC_API_KEY": " "}, env), A) == "file"
    assert key(KeySource({}, env), H) == "second"
    assert key(KeySource({"HUGGINGFACEHUB_API_TOKEN": "first"}, env), H) == "first"


def test_key_added_changed_or_removed_in_the_file_is_taken_up_at_once(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    source = KeySource({}, env)
    assert key(source, A) is None
    env.write_text("ANTHROPIC_API_KEY='one'\n")
    assert key(source, A) == "one"
    replacement = tmp_path / "new"
    replacement.write_text("ANTHROPIC_API_KEY=two\n")
    os.replace(replacement, env)
    assert key(source, A) == "two"
    env.unlink()
    assert key(source, A) is None


def test_file_that_is_not_text_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_bytes(b"\xff\xfe\x00")
    assert key(KeySource({}, env), A) is None
    env.unlink()
    env.mkdir()
    assert key(KeySource({}, env), A) is None
