"""What is seen of code that is still being typed."""

from __future__ import annotations

import pytest

from llm_agent_builder.gallery import gallery
from llm_agent_builder.user_code.outline import answer_name, tool_outline

HELPED = (
    'def _help() -> int:\n    """Inner."""\n\n\n'
    'def outer(a: int) -> int:\n    """Outer.\n    More."""'
)


def test_name_and_summary_are_those_of_the_public_function() -> None:
    outline = tool_outline(HELPED)
    assert (outline.name, outline.summary) == ("outer", "Outer.")
    empty = tool_outline("x = 1")
    assert (empty.name, empty.summary, empty.needs) == (None, None, None)


def test_code_that_does_not_parse_still_has_a_name() -> None:
    assert tool_outline("def half(text: str -> str:\n").name == "half"


@pytest.mark.parametrize(
    ("code", "needs"),
    [
        ("def load(a):\n    return open(a).read()", "files"),
        ("import httpx\n\n\ndef get(a): ...", "hosts"),
        ("def add(a, b): ...", None),
        ('def calculator(a):\n    open("x")', None),
    ],
)
def test_needs_are_the_ready_tools_own_or_found_in_the_code(code: str, needs: str | None) -> None:
    assert tool_outline(code).needs == needs


def test_hosts_are_those_that_a_constant_lists() -> None:
    code = 'FETCH_HOSTS: Final = ("Example.com", "b.example:8443")\n\n\ndef fetch_url(url): ...'
    assert tool_outline(code).hosts == ("example.com:443", "b.example:8443")
    assert tool_outline("import httpx\n\n\ndef get(a): ...").hosts == ()


def test_ready_tools_are_recognised() -> None:
    for tool in gallery():
        outline = tool_outline(tool.code)
        assert (outline.name, outline.needs) == (tool.id, tool.needs)
        assert outline.summary


def test_answer_is_named_by_its_last_class_or_its_title() -> None:
    assert answer_name("class A(BaseModel): ...\n\n\nclass City(BaseModel): ...") == "City"
    assert answer_name('{"type": "object", "title": "Town"}') == "Town"
    assert answer_name("{") is None
