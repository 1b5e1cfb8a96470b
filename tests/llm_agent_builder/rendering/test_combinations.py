"""Files of every pair of choices, checked by linters, the type checker, Python and a run."""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations as pairs
from pathlib import Path

import pytest

from llm_agent_builder import AgentBuilder, AgentSpec, class_name_for
from llm_agent_builder.python_source.reserved_names import FILE_IMPORTS, FILE_NAMES
from llm_agent_builder.rendering.features import features_of
from tests.llm_agent_builder.support.combinations import CHOICES, combinations
from tests.llm_agent_builder.support.pairwise import Row, each_choice, pairwise
from tests.llm_agent_builder.support.processes import Done, run_python
from tests.llm_agent_builder.support.scenarios import Outcome, Scenario, play
from tests.llm_agent_builder.support.scripted_upstream import (
    Reply,
    ScriptedUpstream,
    answer,
    tool_call,
)

MATRIX = pytest.mark.matrix
_MORE = ("--extend-select=I,UP,B,D2", "--target-version=py310")
CITY = '{"name": "Ålesund", "size": "small"}'


def _not_both_one(row: Row) -> bool:
    return not (row["a"] == row["b"] == 1)


def test_the_rows_have_every_pair_that_may_be() -> None:
    small = {"a": [1, 2, 3], "b": [1, 2], "c": [1, 2], "d": [1, 2, 3]}
    rows = pairwise(small, _not_both_one)
    for one, two in pairs(small, 2):
        expected = {(x, y) for x in small[one] for y in small[two]} - (
            {(1, 1)} if (one, two) == ("a", "b") else set()
        )
        assert {(row[one], row[two]) for row in rows} == expected
    assert len(rows) < 20


def test_a_few_rows_have_every_choice_that_may_be() -> None:
    small = {"a": [1, 2, 3], "b": [1, 2], "c": [1, 2], "d": [1, 2, 3]}
    rows = each_choice(small, lambda row: not (row["a"] == 3 and row["b"] == 2))
    for name, values in small.items():
        assert {row[name] for row in rows} == set(values)
    assert len(rows) < 6


@pytest.fixture(
    scope="module",
    params=[pytest.param(False, id="choices"), pytest.param(True, id="pairs", marks=MATRIX)],
)
def specs(request: pytest.FixtureRequest) -> Sequence[AgentSpec]:
    """Return specs in which every choice occurs, and in the whole matrix every pair of choices."""
    return combinations(pairs=request.param)


def test_every_choice_is_in_some_row(specs: Sequence[AgentSpec]) -> None:
    for name, values in CHOICES.items():
        assert len({str(getattr(spec, name)) for spec in specs}) == len(values), name


@dataclass(frozen=True)
class Written:
    folder: Path
    specs: Sequence[AgentSpec]
    sources: Mapping[str, str]


@pytest.fixture(scope="module")
def written(specs: Sequence[AgentSpec], tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("combinations")
    sources = {f"agent{number}.py": AgentBuilder().build(spec) for number, spec in enumerate(specs)}
    for name, source in sources.items():
        (folder / name).write_text(source, "utf-8", newline="")
    return Written(folder, specs, sources)


def run_tool(written: Written, *command: str) -> Done:
    return run_python("-m", *command, *written.sources, home=written.folder, cwd=written.folder)


def test_ruff_finds_nothing_and_would_format_nothing(written: Written) -> None:
    done = run_tool(written, "ruff", "check", "--isolated", "--no-cache", *_MORE)
    assert (done.returncode, done.stdout) == (0, "All checks passed!\n"), done.stdout
    done = run_tool(written, "ruff", "format", "--isolated", "--no-cache", "--diff")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_every_python_from_3_10_to_3_14_can_read_them(written: Written) -> None:
    for source in written.sources.values():
        for minor in range(10, 15):
            ast.parse(source, feature_version=(3, minor))


def _bound(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield each name at the level of the module, and where it is imported from."""
    for node in tree.body:
        match node:
            case ast.Import(names=names):
                yield from ((each.name, each.name) for each in names)
            case ast.ImportFrom(module=module, names=names):
                yield from ((each.name, f"{module}.{each.name}") for each in names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, ""
            case ast.ClassDef(name=name):
                yield name, ""
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name, ""


def test_the_names_that_files_keep_for_themselves_are_known(written: Written) -> None:
    theirs = {"add", "now", "_shown", "FORMS", "City", "Mayor", "datetime", "timezone"}
    for spec, source in zip(written.specs, written.sources.values(), strict=True):
        for name, path in _bound(ast.parse(source)):
            if name in theirs | {class_name_for(spec.name)}:
                continue
            known = FILE_IMPORTS.get(name) == path if path else name in FILE_NAMES
            assert known or path.startswith("__future__"), (name, path)
            assert not hasattr(builtins, name)


def _replies(spec: AgentSpec) -> Iterator[Reply]:
    """Yield the model's answers: it uses the first tool, if there is one, then answers."""
    streams = features_of(spec).streams
    if spec.tools:
        yield tool_call(spec.provider, "add", '{"first": 40, "second": 2}', stream=streams)
    text = CITY if spec.answer else "Hello."
    yield answer(spec.provider, [text], stream=streams)


@pytest.fixture(scope="module")
def outcomes(
    specs: Sequence[AgentSpec], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, tuple[AgentSpec, Outcome]]:
    """Run all of them without their MCP servers, which have tests of their own."""
    scenarios, played_specs = {}, {}
    for number, spec in enumerate(specs):
        values = spec.model_dump() | {"mcp_servers": ()}
        if not spec.tools:
            values |= {"max_turns": 10, "token_budget": None}
        played_specs[f"agent{number}"] = spec
        scenarios[f"agent{number}"] = Scenario(values, list(_replies(spec)))
    upstream = ScriptedUpstream()
    try:
        played = play(tmp_path_factory.mktemp("played"), upstream, scenarios)
    finally:
        upstream.close()
    return {name: (played_specs[name], outcome) for name, outcome in played.items()}


def test_each_answers_a_task(outcomes: Mapping[str, tuple[AgentSpec, Outcome]]) -> None:
    for spec, done in outcomes.values():
        assert done.code == 0, done.err
        assert len(done.received) == (2 if spec.tools else 1)
        if spec.tools:
            assert "42" in json.dumps(done.bodies[1]["messages"][-1])
        if spec.answer:
            assert json.loads(done.out)["name"] == "Ålesund"
        else:
            assert done.out.strip() == "Hello."
        assert bool(done.err) == spec.usage, done.err
