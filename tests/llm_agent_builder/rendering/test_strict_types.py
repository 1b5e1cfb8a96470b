"""What `mypy --strict` says of files: of all in one run, as most of it is reading the SDKs."""

from __future__ import annotations

from pathlib import Path

from llm_agent_builder import AgentBuilder
from tests.llm_agent_builder.rendering.test_generated_files import CASES, spec_of
from tests.llm_agent_builder.support.combinations import combinations
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.user_code.test_answer_code import sample_files


def test_mypy_strict_finds_nothing_in_agents_and_answer_types(tmp_path: Path) -> None:
    specs = [*combinations(), *(spec_of(*case) for case in CASES)]
    agents = {f"agent{number}.py": AgentBuilder().build(spec) for number, spec in enumerate(specs)}
    files = agents | sample_files()
    folder = tmp_path / "files"
    folder.mkdir()
    for name, source in files.items():
        (folder / name).write_text(source, "utf-8", newline="")
    options = ("--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache"))
    done = run_python("-m", "mypy", *options, *files, home=tmp_path, cwd=folder)
    assert done.stdout == f"Success: no issues found in {len(files)} source files\n"
    assert done.returncode == 0
