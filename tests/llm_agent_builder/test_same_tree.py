"""`same_tree` agrees with `ast.dump`; a file that quotes its own tools is still told apart."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_agent_builder import AgentBuilder
from llm_agent_builder.agent_builder import file_code
from llm_agent_builder.errors import TemplateError
from llm_agent_builder.features import features_of
from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.same_tree import same_tree
from llm_agent_builder.shape import Made, check_shape
from llm_agent_builder.spec import make_spec

STATEMENTS = (
    *("x = 1", "x = 1.0", "x = True", "x = 'a'", "x = u'a'", "x = b'a'", "x: int = 1", "x: int"),
    *("f(a)", "f(*a)", "f(b=a)", "f(**a)", "del x", "x += 1", "x -= 1", "lambda a: a", "{**a}"),
    *("def f(a): pass", "def f(a, /): pass", "async def f(a): pass", "class A: pass", "{1: a}"),
    *("for a in b: pass", "while a: pass", "if a: pass\nelse: b", "with a as b: pass", "global x"),
    *("import a", "import a as b", "from a import b", "from . import b", "from .. import b"),
    *("f'{a}'", "f'{a!r}'", "f'{a:>3}'", "a < b", "a < b < c", "a[b]", "a[b:c]", "a.b", "not a"),
    *(
        "try: a\nexcept b: c",
        "try: a\nfinally: c",
        "match a:\n    case {'b': c}: pass",
        "1j",
        "...",
    ),
    *("match a:\n    case A(b=c): pass", "match a:\n    case [1, *c]: pass", "raise a from b"),
)
programs = st.lists(st.sampled_from(STATEMENTS), max_size=4).map("\n".join)


@given(programs, programs)
@example("global x", "global y")
@example("x = 1", "x = True")
def test_it_says_what_dumps_of_both_would(one: str, other: str) -> None:
    first, second = ast.parse(one), ast.parse(other)
    assert same_tree(first, second, {}) is (ast.dump(first) == ast.dump(second))
    assert same_tree(first, ast.parse(f"\n\n{one}"), {})


@pytest.mark.parametrize("one", STATEMENTS)
def test_each_statement_differs_from_every_other(one: str) -> None:
    same = [other for other in STATEMENTS if same_tree(ast.parse(one), ast.parse(other), {})]
    assert same == [one]


def test_a_name_may_be_another_where_that_is_said() -> None:
    found, expected = ast.parse("class A: b\nA()"), ast.parse("class Ref: b\nRef()")
    assert same_tree(found, expected, {"A": "Ref"})
    assert not same_tree(found, expected, {"A": "Other"})
    assert not same_tree(expected, found, {"A": "Ref"})


def made(**changes: str) -> Made:
    code = gallery_tool("calculator").code
    values = {"name": "A", "prompt": code, "task": "c", "provider": "anthropic", "model": "m"}
    spec = make_spec(values | {"tools": [{"code": code}]})
    return Made(
        AgentBuilder().build(spec), spec, features_of(spec), file_code(spec)[0], "A", "a.py"
    )


def test_a_prompt_that_quotes_the_tools_is_not_taken_for_them() -> None:
    check_shape(made())


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
def test_code_that_is_not_as_it_was_given_is_refused(there: str, instead: str) -> None:
    whole = made()
    before, _, last = whole.source.rpartition(there)
    assert before or last != whole.source, there
    with pytest.raises(TemplateError):
        check_shape(replace(whole, source=f"{before}{instead}{last}"))
