"""`parse_tool`: what a tool may be, and the line and the mend of all that it may not."""

from __future__ import annotations

import ast
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_agent_builder.errors import CodeProblem
from llm_agent_builder.user_code.imports import import_block, merge_imports
from llm_agent_builder.user_code.layout import first_clash
from llm_agent_builder.user_code.tool_code import parse_tool
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.strategies import NASTY
from tests.llm_agent_builder.support.written_tools import BAD, ECHO, MANY_TYPES, tool


def problem_of(source: str) -> CodeProblem:
    with pytest.raises(CodeProblem) as caught:
        parse_tool(source)
    return caught.value


@pytest.mark.parametrize(("source", "line", "says"), BAD.values(), ids=BAD)
def test_what_cannot_be_a_tool_is_told_with_its_line_and_the_mend(
    source: str, line: int | None, says: str
) -> None:
    begun = time.process_time()
    problem = problem_of(source)
    assert says in problem.message
    assert line in {None, problem.line}, str(problem)
    assert str(problem) == f"line {problem.line}: {problem.message}"
    assert len(str(problem)) < 400
    str(problem).encode()
    assert time.process_time() - begun < 2


def test_a_tool_is_taken_apart_into_imports_and_body() -> None:
    code = parse_tool(MANY_TYPES)
    assert code.name == "forecast"
    assert code.imports == (
        "import json",
        "import math",
        "from typing import Literal, Optional, Union",
    )
    assert code.body == "# numbers\n# the unit\n" + MANY_TYPES[MANY_TYPES.index("# At most") :]
    assert code.source == "\n".join(code.imports) + "\n\n" + code.body
    assert {name.name for name in code.names} >= {"json", "Literal", "MAX_DAYS", "_mean"}
    assert parse_tool(code.source).source == code.source


def test_the_docstring_tells_the_model_what_the_tool_and_its_parameters_are() -> None:
    code = parse_tool(MANY_TYPES)
    assert code.description == "Forecast the weather.\n\nOf any city."
    properties = code.input_schema["properties"]
    assert properties["city"] == {"type": "string", "description": "The city, with its country."}
    assert properties["days"]["description"] == "How many. note: at most MAX_DAYS."
    assert code.input_schema["required"] == ["city"]


def test_the_schema_is_the_one_the_anthropic_sdk_derives(tmp_path: Path) -> None:
    program = (
        parse_tool(MANY_TYPES).source
        + "import anthropic\nprint(json.dumps(anthropic.beta_tool(forecast).to_dict()))\n"
    )
    (tmp_path / "program.py").write_text("from __future__ import annotations\n" + program)
    done = run_python(tmp_path / "program.py", home=tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    ours = parse_tool(MANY_TYPES)
    assert theirs["description"] == ours.description
    assert _without_titles(theirs["input_schema"]) == _without_titles(ours.input_schema)


def _without_titles(schema: object) -> object:
    if isinstance(schema, dict):
        return {
            key: _without_titles(value)
            for key, value in schema.items()
            # Descriptions are joined differently where they have several lines.
            if not (key in {"title", "description"} and isinstance(value, str))
        }
    return schema


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\n\n  \n" + text + "\n\n   \n",
    ],
)
def test_how_an_editor_saved_it_changes_nothing(change: Callable[[str], str]) -> None:
    assert parse_tool(change(MANY_TYPES)).source == parse_tool(MANY_TYPES).source


def test_tabs_joiners_and_any_script_stay_as_they_were_written() -> None:
    source = ECHO.replace("    ", "\t").replace("return text", "return text + '👩\u200d💻 日本'")
    assert parse_tool(source).body == source


def test_an_import_that_the_file_has_too_may_stand_in_a_tool() -> None:
    source = tool(above="import json\nimport os\n", body="return json.dumps(os.name + text)")
    assert parse_tool(source).imports == ("import json", "import os")


def test_tools_of_one_file_must_not_take_each_others_names() -> None:
    escaping = "return re.escape(text)"
    first = parse_tool(tool(above="import re\nTOP = 3\n", body=escaping))
    same_import = parse_tool(tool(above="import re\n", body=escaping).replace("echo", "other"))
    same_constant = parse_tool(f"TOP = 4\n{ECHO.replace('echo', 'third')}")
    assert first_clash([first.names, same_import.names]) is None
    clash = first_clash([first.names, same_import.names, same_constant.names])
    assert clash is not None
    assert (clash[0], clash[1].line) == (2, 1)
    assert "TOP is in the file already" in clash[1].message
    assert first_clash([first.names, first.names]) is not None


names_of = st.sampled_from(["a", "b", "B", "A", "AB", "Ab", "aB", "a1", "a10", "a2", "_a", "_B"])
imports = st.lists(
    st.builds(lambda m: f"import {m}", st.sampled_from(("json", "re", "os", "math", "abc")))
    | st.builds(
        lambda m, n, a: f"from {m} import {n}" + (f" as {a}" if a and a != n else ""),
        st.sampled_from(("os", "os.path", "json", "collections.abc", "anthropic", "pydantic")),
        names_of,
        st.none() | names_of,
    ),
    max_size=12,
)


@given(imports, imports)
def test_merged_imports_are_the_same_in_any_order_and_once(a: list[str], b: list[str]) -> None:
    merged = merge_imports(a, b)
    assert merge_imports(reversed(b), reversed(a)) == merged
    assert merge_imports(merged) == merged
    assert _bound(merged) == _bound([*a, *b])


def test_names_with_the_same_alias_are_imported_by_statements_of_their_own() -> None:
    statements = ("from os import a as z", "from os import b as z")
    assert merge_imports(reversed(statements)) == statements


def _bound(statements: list[str] | tuple[str, ...]) -> set[tuple[str, str, str | None]]:
    found = set()
    for statement in statements:
        node = ast.parse(statement).body[0]
        assert isinstance(node, ast.Import | ast.ImportFrom)
        module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
        found |= {(module, name.name, name.asname) for name in node.names}
    return found


def test_ruff_would_write_every_import_block_the_same(tmp_path: Path) -> None:
    draw = random.Random(20261126)
    modules = sorted(sys.stdlib_module_names - {"__future__", "this", "antigravity"})
    modules += ["os.path", "collections.abc", "urllib.request", "anthropic", "pydantic"]
    names = [*"aAbBzZ", "AB", "Ab", "aB", "a1", "a10", "a2", "_a", "_B", "A1", "x" * 30]
    for number in range(300):
        group = [f"import {draw.choice([m for m in modules if '.' not in m])}" for _ in range(4)]
        for _ in range(12):
            name, alias = draw.choice(names), draw.choice([*names, *[None] * 20])
            renamed = f" as {alias}" if alias and alias != name else ""
            group.append(f"from {draw.choice(modules)} import {name}{renamed}")
            module = draw.choice(["os", "anthropic"])
            group.append(f"from {module} import {draw.choice(names)}")
        (tmp_path / f"block{number}.py").write_text(import_block(group))
    version = f"py3{sys.version_info.minor}"  # which modules are the standard library's
    for command in (("check", "--select", "I"), ("format", "--diff")):
        options = ("--isolated", "--no-cache", "--target-version", version)
        done = run_python("-m", "ruff", *command, *options, ".", home=tmp_path, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[:2000] + done.stderr


PIECES = (
    *NASTY,
    *("def f(x: int) -> str:\n", "    ", "\n", '"""doc"""', "return x", "import re\n", "X = 3\n"),
    *("(", ")", "[", "]", ":", ",", "=", "lambda", "class A:", "try:", "finally:", "@", "async "),
    *("# note", "\\", "f'{x", "global x", "*", "**", "->", "|", "None", "Literal", "yield ", "\t"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("\\\n" + ECHO)
@example("import re \\\n\n" + ECHO)
@example(f"import re\n\\\n{tool(body='return re.escape(text)')}")
def test_whatever_is_given_is_a_tool_or_a_problem(source: str) -> None:
    _check_any(source)


EDITS = st.tuples(st.floats(0, 1), st.sampled_from(PIECES), st.integers(0, 5))


@given(st.lists(EDITS, min_size=1, max_size=3))
def test_so_it_is_with_tools_that_were_edited(edits: list[tuple[float, str, int]]) -> None:
    text = MANY_TYPES
    for place, piece, length in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    _check_any(text)


def _check_any(source: str) -> None:
    try:
        code = parse_tool(source)
    except CodeProblem as problem:
        str(problem).encode()
        return
    again = parse_tool(code.source)
    assert again.source == code.source
    assert (again.body, again.imports) == (code.body, code.imports)
    assert again.input_schema == code.input_schema
    compile(code.source, "tool.py", "exec", dont_inherit=True)
