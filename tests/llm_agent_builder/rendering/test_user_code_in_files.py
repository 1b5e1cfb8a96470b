"""Verification of files that contain a user's code and all other features."""

from __future__ import annotations

from typing import Any

import pytest

from llm_agent_builder.errors import TemplateError
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.combinations import ADD, CITY, HTTP, NOW, STDIO
from tests.llm_agent_builder.test_agent_builder import ANOTHER, build, check

ABLE: dict[str, Any] = {
    **ANOTHER,
    "provider": "anthropic",
    "tools": [ADD, NOW],
    "answer": CITY,
    "mcp_servers": [STDIO, HTTP],
    "effort": "high",
    "max_turns": 3,
    "token_budget": 5000,
    "timeout_s": 2.5,
    "retries": 5,
    "cache_prompt": True,
}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import os\n", "import os\nimport pickle\n"),
        ("from mcp import ClientSession, Std", "from mcp import Std"),
        ("return str(first + second)", "return str(first - second)"),
        ("return str(first + second)\n", "return str(first + second)\n\n\nprint()\n"),
        ('    """A city."""\n', '    """A town."""\n'),
        ("[beta_tool(add), beta_tool(now)]", "[beta_tool(now), beta_tool(add)]"),
        ("beta_tool(add)", "beta_tool(print)"),
        ("MAX_TURNS = 3", "MAX_TURNS = 4"),
        ("TOKEN_BUDGET = 5000", "TOKEN_BUDGET = 5000.0"),
        ("TIMEOUT_S = 2.5", "TIMEOUT_S = 2.5 or 3"),
        ('Final = "high"', 'Final = "low"'),
        ('["server", "--root", "."]', '["server", "--root", "/"]'),
        ('["server", "--root", "."]', '["server", "--root", *"."]'),
        ('"env": ["HOME"]', '"env": ["HOME"], **{}'),
        ("-> City:", "-> Mayor:"),
        ("uv run quite_another.py", "uv run quite_other.py"),
    ],
)
def test_a_file_with_a_users_code_is_compared_with_that_code(old: str, new: str) -> None:
    spec = make_spec(ABLE)
    source = build(spec)
    check(source, spec)
    assert old in source
    with pytest.raises(TemplateError, match="rendered file"):
        check(source.replace(old, new, 1), spec)


def test_an_agent_named_like_its_users_code_gets_another_class() -> None:
    source = build(make_spec({**ABLE, "name": "City"}))
    assert "class CityAgent:" in source
