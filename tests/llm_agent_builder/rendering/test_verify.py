"""Verification of files that contain the user's code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_agent_builder import AgentBuilder
from llm_agent_builder.agent_builder import file_code
from llm_agent_builder.errors import TemplateError
from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.rendering.features import features_of
from llm_agent_builder.rendering.verify import RenderedFile, verify
from llm_agent_builder.spec.agent_spec import make_spec


def made() -> RenderedFile:
    code = gallery_tool("calculator").code
    values = {"name": "A", "prompt": code, "task": "c", "provider": "anthropic", "model": "m"}
    spec = make_spec(values | {"tools": [{"code": code}]})
    return RenderedFile(
        AgentBuilder().build(spec), spec, features_of(spec), file_code(spec)[0], "A", "a.py"
    )


def test_a_prompt_that_quotes_the_tools_is_accepted() -> None:
    verify(made())


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("\n    return f", "\n    return  f"),
        ("\n\n\nTOOLS", "\nopen('x')\n\n\nTOOLS"),
        ("\n\n\nCALCULATOR_LONGEST", "\n\n\nif True:\n  CALCULATOR_LONGEST"),
        ("beta_tool(calculator)", "beta_tool(_power)"),
        ("import ast\n", "import ast\nimport pty\n"),
    ],
)
def test_changed_code_is_refused(there: str, instead: str) -> None:
    whole = made()
    before, _, last = whole.source.rpartition(there)
    assert before or last != whole.source, there
    with pytest.raises(TemplateError):
        verify(replace(whole, source=f"{before}{instead}{last}"))
