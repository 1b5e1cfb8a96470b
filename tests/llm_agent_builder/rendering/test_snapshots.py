"""Generated files equal the reviewed snapshots."""

from __future__ import annotations

import pytest

from tests.llm_agent_builder.support.snapshot_specs import AGENTS, FOLDER, source_of

PLAIN_LINES = {"anthropic_plain": 89, "huggingface_plain": 119}


@pytest.mark.parametrize("name", list(AGENTS))
def test_a_generated_file_equals_its_snapshot(name: str) -> None:
    snapshot = (FOLDER / f"{name}.py").read_text("utf-8")
    assert source_of(name) == snapshot, (
        "meant? python -m tests.llm_agent_builder.support.snapshot_specs"
    )


def test_every_snapshot_has_its_agent() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} - {"__init__"} == set(AGENTS)


@pytest.mark.parametrize("name", list(PLAIN_LINES))
def test_a_plain_agent_stays_short(name: str) -> None:
    assert len(source_of(name).splitlines()) <= PLAIN_LINES[name]
