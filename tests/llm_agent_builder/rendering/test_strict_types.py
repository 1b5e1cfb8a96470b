"""What `mypy --strict` says of files: of all in one run, as most of it is reading the SDKs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from llm_agent_builder import AgentBuilder, AgentSpec, ProviderEnum
from tests.llm_agent_builder.rendering.test_generated_files import CASES, spec_of
from tests.llm_agent_builder.support.combinations import combinations
from tests.llm_agent_builder.support.processes import Done, run_python
from tests.llm_agent_builder.user_code.test_answer_code import sample_files


def check_types(folder: Path, files: Mapping[str, str], *options: str) -> Done:
    for name, source in files.items():
        (folder / name).write_text(source, "utf-8", newline="")
    options = ("--strict", "--config-file=", "--cache-dir", str(folder / "cache"), *options)
    return run_python("-m", "mypy", *options, *files, home=folder, cwd=folder)


def built(specs: Iterable[AgentSpec]) -> dict[str, str]:
    return {f"agent{number}.py": AgentBuilder().build(spec) for number, spec in enumerate(specs)}


@pytest.mark.matrix
def test_mypy_strict_finds_nothing_in_agents_and_answer_types(tmp_path: Path) -> None:
    files = built([*combinations(pairs=True), *(spec_of(*case) for case in CASES)])
    files |= sample_files()
    done = check_types(tmp_path, files)
    assert done.stdout == f"Success: no issues found in {len(files)} source files\n"
    assert done.returncode == 0


@pytest.mark.matrix
def test_mypy_strict_finds_nothing_where_every_choice_occurs(tmp_path: Path) -> None:
    """Try Hugging Face's alone: reading Anthropic's SDK takes three times as long."""
    specs = [
        spec for spec in combinations(pairs=False) if spec.provider is ProviderEnum.HUGGINGFACE
    ]
    files = built(specs) | dict(list(sample_files().items())[:10])
    done = check_types(tmp_path, files)
    assert done.stdout == f"Success: no issues found in {len(files)} source files\n"
    assert done.returncode == 0
