"""Moving to another model changes one literal; everything else stays byte for byte."""

from __future__ import annotations

import ast
import subprocess
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_agent_builder import AgentBuilder, ProviderEnum
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.catalog.extra import ExtraModel
from llm_agent_builder.catalog.live import LiveList, LiveModel
from llm_agent_builder.catalog.model import Lifecycle
from llm_agent_builder.editing.upgrade import Upgrade, find_upgrade
from llm_agent_builder.errors import NotOursError, UnknownModelError

TODAY = date(2026, 11, 26)
CATALOG = Catalog(TODAY)
OLD = "claude-3-5-haiku-20241022"
NEW = "claude-haiku-5-5"
AGENT = AgentBuilder().build_agent("Geographer", "Be ütterly 🦉 brief.", "Hi", model=OLD)


def upgrade(code: str, **options: str) -> Upgrade:
    return find_upgrade(code, CATALOG, **options)


def test_a_retired_model_is_named_with_its_successors_price_and_context() -> None:
    found = upgrade(AGENT)
    assert (found.model, found.lifecycle) == (OLD, Lifecycle.RETIRED)
    assert found.retires_on == date(2026, 2, 19)
    assert "calls will fail" in (found.note or "")
    first = found.successors[0]
    assert (first.id, first.label, first.context_window) == (NEW, "Claude Haiku 5.5", 1_000_000)
    assert first.price is not None
    assert first.problems == ()


def test_the_only_change_is_the_model() -> None:
    for successor in upgrade(AGENT).successors:
        assert successor.code == AGENT.replace(f'"{OLD}"', f'"{successor.id}"')
        assert AGENT.count(OLD) == 1


def test_the_diff_is_one_line_for_another_and_applies(tmp_path: Path) -> None:
    successor = upgrade(AGENT, filename="geographer.py").successors[0]
    changed = [line for line in successor.diff.splitlines() if line[:1] in "+-"]
    assert changed[2:] == [f'-MODEL = "{OLD}"', f'+MODEL = "{NEW}"']
    (tmp_path / "geographer.py").write_bytes(AGENT.encode())
    subprocess.run(["git", "apply", "-"], input=successor.diff.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "geographer.py").read_bytes() == successor.code.encode()


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_every_kind_of_line_end_stays(end: str, tmp_path: Path) -> None:
    code = f"import anthropic{end or chr(10)}# ü\x0c\u2028{end}" + f'\nMODEL = "{OLD}"' + end
    successor = upgrade(code, filename="a.py").successors[0]
    assert successor.code == code.replace(OLD, NEW)
    (tmp_path / "a.py").write_bytes(code.encode())
    subprocess.run(["git", "apply", "-"], input=successor.diff.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / "a.py").read_bytes() == successor.code.encode()


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("MODEL = 'OLD'", "MODEL = 'NEW'"),
        ("MODEL: str = 'OLD'  # 'OLD'", "MODEL: str = 'NEW'  # 'OLD'"),
        ("x = 'é🦉'; MODEL = r'OLD'; y = 2", "x = 'é🦉'; MODEL = 'NEW'; y = 2"),
        ('MODEL = """OLD"""', 'MODEL = "NEW"'),
        ('MODEL = (\n    "OLD"  # why\n)', 'MODEL = (\n    "NEW"  # why\n)'),
        ('MODEL \\\n  = "OLD"', 'MODEL \\\n  = "NEW"'),
    ],
)
def test_a_plain_literal_is_changed_in_any_statement(line: str, changed: str) -> None:
    code = "import anthropic\n" + line.replace("OLD", OLD) + "\n"
    expected = "import anthropic\n" + changed.replace("OLD", OLD).replace("NEW", NEW) + "\n"
    assert upgrade(code).successors[0].code == expected


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("MODEL = 'x'", "it imports neither anthropic nor huggingface_hub"),
        ("import anthropic", "has no MODEL"),
        ("import anthropic\nMODEL = f'{1}'", "not a plain"),
        ("import anthropic\nMODEL = 'a' + 'b'", "not a plain"),
        ("import anthropic\nMODEL = b'a'", "not a plain"),
        ("import anthropic\nMODEL = 5", "not a plain"),
        ("import anthropic, os\nMODEL = os.environ['MODEL']", "not a plain"),
        ("import anthropic\nA = MODEL = 'a'", "not a plain"),
        ("import anthropic\nMODEL, B = 'a', 'b'", "not a plain"),
        ("import anthropic\nif True:\n    MODEL = 'a'", "not a plain"),
        ("import anthropic\nMODEL = 'a' 'b'", "put together from pieces"),
        ("import anthropic\nMODEL = ('a'\n  # because\n  'b')", "put together from pieces"),
        ("import anthropic\nMODEL = 'a'\nMODEL = 'b'", "more than once"),
        ("import anthropic\nMODEL = 'a'\ndef f():\n    global MODEL\n    MODEL = 'b'", "once"),
        ("import anthropic\nMODEL =", "is not Python"),
        ("import anthropic\nMODEL = '\ud800'", "lone surrogates"),
        ("(" * 2000, "Python|nested"),
        ("", "contains no agent"),
    ],
)
def test_a_file_that_can_not_be_changed_safely_is_refused(code: str, message: str) -> None:
    with pytest.raises(NotOursError, match=message):
        upgrade(code)


def test_a_current_model_has_no_successors_unless_one_is_named() -> None:
    code = AgentBuilder().build_agent("A", "b", "c", model="claude-sonnet-5-5")
    assert upgrade(code).successors == ()
    (asked,) = upgrade(code, to="claude-opus-5-5").successors
    assert '"claude-opus-5-5"' in asked.code


def test_an_unknown_model_has_no_lifecycle() -> None:
    code = AGENT.replace(OLD, "claude-of-mine")
    found = upgrade(code)
    assert (found.lifecycle, found.successors, found.note) == (None, (), None)
    assert upgrade(code, to=NEW).successors[0].code == code.replace("claude-of-mine", NEW)


def test_a_file_that_calls_the_users_own_server_has_no_successors() -> None:
    plain = AgentBuilder().build_agent("A", "b", "c", "org/old", provider="huggingface")
    live = LiveList(
        ProviderEnum.HUGGINGFACE,
        "https://x.example/v1/models",
        TODAY,
        [LiveModel("org/old", lifecycle=Lifecycle.RETIRED), LiveModel("org/new")],
    )
    catalog = Catalog(TODAY, [live])
    assert [found.id for found in find_upgrade(plain, catalog).successors][:1] == ["org/new"]
    own = plain.replace("https://router.huggingface.co/v1", "http://localhost:8000/v1")
    found = find_upgrade(own, catalog)
    assert (found.lifecycle, found.note, found.successors) == (None, None, ())


def test_an_unavailable_model_is_refused_as_successor() -> None:
    with pytest.raises(UnknownModelError):
        upgrade(AGENT, to="openai/gpt-oss-20b")


def test_settings_that_the_new_model_would_refuse_are_listed() -> None:
    code = AGENT.replace("MAX_TOKENS = 4096", 'MAX_TOKENS = 200_000\nTHINKING = "disabled"')
    (found,) = upgrade(code, to="claude-opus-5-5").successors
    assert [problem.split()[0] for problem in found.problems] == ["MAX_TOKENS", "THINKING"]
    assert "the model takes adaptive" in found.problems[1]


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), min_size=1))
def test_any_model_id_becomes_a_literal(model_id: str) -> None:
    catalog = Catalog(TODAY, extra=[ExtraModel(ProviderEnum.ANTHROPIC, model_id)])
    (found,) = find_upgrade(AGENT, catalog, to=model_id).successors
    shapes = []
    for code, value in ((AGENT, OLD), (found.code, model_id)):
        tree = ast.parse(code)
        (node,) = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODEL"
        ]
        assert ast.literal_eval(node.value) == value
        node.value = ast.Constant("")
        shapes.append(ast.dump(tree))
    assert shapes[0] == shapes[1]
