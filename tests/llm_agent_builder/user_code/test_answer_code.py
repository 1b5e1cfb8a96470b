"""`parse_answer`: Pydantic models from source or JSON Schema, and invalid ones of both."""

from __future__ import annotations

import json
import keyword
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llm_agent_builder.errors import CodeProblem, SchemaProblem
from llm_agent_builder.user_code.answer_code import AnswerCode, parse_answer
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.strategies import NASTY
from tests.llm_agent_builder.support.written_answers import BAD_SCHEMAS, BAD_SOURCES, REPORT, whole


def model_of(code: AnswerCode) -> type[BaseModel]:
    """Run the source, as an agent file does, and return its last class."""
    module = ModuleType("answer_of_a_test")
    sys.modules[module.__name__] = module
    text = f"from __future__ import annotations\n{code.source}"
    exec(compile(text, "answer.py", "exec"), module.__dict__)
    model: type[BaseModel] = getattr(module, code.class_name)
    assert issubclass(model, BaseModel)
    return model


@pytest.mark.parametrize(("source", "line", "says"), BAD_SOURCES.values(), ids=BAD_SOURCES)
def test_invalid_source_is_refused_with_its_line(source: str, line: int, says: str) -> None:
    with pytest.raises(CodeProblem) as caught:
        parse_answer(source)
    assert says in caught.value.message
    assert caught.value.line == line, str(caught.value)


@pytest.mark.parametrize(("schema", "path", "says"), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_an_invalid_schema_is_refused_with_its_path(schema: Any, path: str, says: str) -> None:
    begun = time.process_time()
    with pytest.raises(SchemaProblem) as caught:
        parse_answer(schema)
    assert says in caught.value.message
    assert caught.value.path == path
    assert len(str(caught.value)) < 400
    assert time.process_time() - begun < 2


def test_models_stay_unchanged() -> None:
    code = parse_answer(REPORT)
    assert code.source == REPORT
    assert code.class_name == "Report"
    assert code.imports[0] == "from enum import Enum"
    assert {name.name for name in code.names} >= {"Unit", "Sky", "Place", "City", "Report", "Field"}
    model_of(code).model_validate(
        {"place": {"name": "Rome"}, "sky": "clear", "degrees": [21.5], "unit": -1}
    )


WEATHER = {
    "title": "weather report",
    "description": 'What "it" is.\n\n    Indented \\ as it was.\nThat is all.',
    "type": "object",
    "additionalProperties": False,
    "required": ["city", "days"],
    "properties": {
        "city": {"type": "string", "description": "Where", "minLength": 1},
        "Temp": {"type": ["number", "null"], "minimum": -273.15},
        "class": {"enum": ["a", "b", None]},
        "json": {"const": 3},
        "model_name": {"type": "boolean", "default": True},
        "days": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"date": {"type": "string", "format": "date"}},
                "required": ["date"],
            },
        },
        "where": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "string"}]},
    },
    "$defs": {"Place": whole(lat={"type": "number"})},
}


def test_a_schema_becomes_models_that_people_would_write() -> None:
    assert (
        parse_answer(WEATHER).source
        == '''\
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Days(BaseModel):
    date: str = Field(description="Format: date")


class Place(BaseModel):
    lat: float | None = None


class WeatherReport(BaseModel):
    """What "it" is.

        Indented \\\\ as it was.
    That is all.
    """

    model_config = ConfigDict(extra="forbid")

    city: str = Field(description="Where", min_length=1)
    temp: float | None = Field(default=None, ge=-273.15, alias="Temp")
    class_: Literal["a", "b"] | None = Field(default=None, alias="class")
    json_: Literal[3] | None = Field(default=None, alias="json")
    model_name: bool = True
    days: list[Days] = Field(min_length=1)
    where: Place | str | None = None
'''
    )


def test_the_models_schema_equals_the_given_one() -> None:
    model = model_of(parse_answer(WEATHER))
    schema = model.model_json_schema()
    assert schema["description"] == WEATHER["description"]
    assert schema["required"] == WEATHER["required"]
    assert schema["additionalProperties"] is False
    assert list(schema["properties"]) == list(WEATHER["properties"])  # type: ignore[call-overload]
    assert parse_answer(schema).source == parse_answer(WEATHER).source


# Pairs of a schema and a value that it allows.
WORDS = (*NASTY, "a", "class", "json", "Ab", "A b", "id", "x" * 30, "y" * 90, "3", "self", "naïve")
usable = st.sampled_from([word for word in WORDS if word < "\ud800" or word.isascii()]).filter(
    lambda word: not any("\ud800" <= char <= "\udfff" for char in word)
)
names = usable.filter(lambda word: word.isprintable() and 0 < len(word) <= 64)
descriptions: st.SearchStrategy[dict[str, Any]] = st.just({}) | st.builds(
    lambda text: {"description": text}, usable
)
scalars = st.sampled_from(
    [
        ({"type": "string"}, "x"),
        ({"type": "string", "format": "email", "maxLength": 3}, "abc"),
        ({"type": "integer", "minimum": 3, "exclusiveMaximum": 5.0}, 4),
        ({"type": "number", "maximum": 1.5}, 1.25),
        ({"type": "boolean", "title": "Truth"}, False),
        ({"type": "null"}, None),
        ({"type": ["string", "null"], "minLength": 1}, None),
        ({"type": "string", "default": "x" * 90}, "y"),
        ({"type": "integer", "default": 3}, 4),
    ]
)
choices = st.lists(usable | st.integers(-3, 3) | st.booleans() | st.none(), min_size=1).map(
    lambda values: ({"enum": values}, values[-1])
)
Pair = tuple[dict[str, Any], Any]


def _objects(parts: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def build(fields: dict[str, Pair], more: dict[str, Any], all_: bool, shut: bool) -> Pair:
        schema = whole(**{name: part for name, (part, _) in fields.items()}) | more
        schema |= {"required": list(fields)} if all_ else {}
        schema |= {"additionalProperties": False} if shut else {}
        return schema, {name: value for name, (_, value) in fields.items()}

    fields = st.dictionaries(names, parts, min_size=1, max_size=4)
    return st.builds(build, fields, descriptions, st.booleans(), st.booleans())


def _wider(parts: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    lists = st.builds(
        lambda part, more: ({"type": "array", "items": part[0]} | more, [part[1]]),
        parts,
        descriptions,
    )
    unions = st.builds(
        lambda listed, more: ({"anyOf": [part for part, _ in listed]} | more, listed[-1][1]),
        st.lists(parts, min_size=1, max_size=4),
        descriptions,
    )
    return lists | unions | _objects(parts)


described = st.builds(lambda part, more: (part[0] | more, part[1]), scalars | choices, descriptions)
answers = _objects(st.recursive(described, _wider, max_leaves=8))


@settings(max_examples=60)
@given(answers)
@example((whole(a={"type": "null"}) | {"description": '\\"'}, {"a": None}))
@example((whole(a={"type": "null"}) | {"description": 'a"""\n"'}, {"a": None}))
def test_any_schema_becomes_models_that_accept_its_values(pair: Pair) -> None:
    schema, value = pair
    code = parse_answer(schema)
    assert parse_answer(code.source).source == code.source
    assert not keyword.iskeyword(code.class_name)
    model = model_of(code)
    # A union may write a value the way another of its members does.
    assert model.model_validate_json(json.dumps(value)).model_dump(by_alias=True).keys() >= set(
        value
    )
    json.dumps(model.model_json_schema()).encode()


def _samples(count: int) -> list[str]:
    found: list[str] = []

    @settings(max_examples=count, database=None, derandomize=True, deadline=None)
    @given(answers)
    def collect(pair: Pair) -> None:
        found.append(parse_answer(pair[0]).source)

    collect()
    return sorted(set(found))


def sample_files() -> dict[str, str]:
    """Return files by name: models made from schemas, and a type written by a user."""
    sources = [REPORT, *_samples(80)]
    head = "from __future__ import annotations\n\n"
    return {f"answer{number}.py": head + source for number, source in enumerate(sources)}


def test_ruff_changes_nothing_in_models_of_schemas(tmp_path: Path) -> None:
    for name, text in sample_files().items():
        (tmp_path / name).write_text(text, "utf-8", newline="")
    for command in (
        ("ruff", "format", "--isolated", "--no-cache", "--diff", "."),
        ("ruff", "check", "--isolated", "--no-cache", "--select", "E4,E7,E9,F,I", "."),
    ):
        done = run_python("-m", *command, home=tmp_path, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[:3000] + done.stderr


PIECES = (
    *NASTY,
    *"()[]:,=|*@",
    "Literal",
    "class B(BaseModel):\n",
    "    ",
    "\n",
    "Field(",
    "a: int",
)
EDITS = st.tuples(st.floats(0, 1), st.sampled_from(PIECES), st.integers(0, 5))


@given(st.lists(EDITS, min_size=1, max_size=3))
@example([(1.0, "B = Report", 0)])
def test_edited_source_is_an_answer_that_works_or_a_problem(
    edits: list[tuple[float, str, int]],
) -> None:
    text = REPORT
    for place, piece, length in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + length :]
    try:
        code = parse_answer(text)
    except CodeProblem:
        return
    assert parse_answer(code.source).source == code.source
    model_of(code).model_json_schema()


MODEL_IMPORT = "from pydantic import BaseModel\n\n\n"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "class A(BaseModel):\n    a: str\n",
            "line 1: BaseModel is not imported; write from pydantic",
        ),
        ("class A(Enum):\n    A = 1\n", "line 1: Enum is not imported; write from enum"),
        (f"{MODEL_IMPORT}class A(BaseModel):\n    a: Literal[1]\n", "Literal is not imported"),
        (f"{MODEL_IMPORT}class A(BaseModel):\n    a: str = Field()\n", "Field is not imported"),
    ],
)
def test_a_missing_import_is_named(source: str, words: str) -> None:
    with pytest.raises(CodeProblem, match=words):
        parse_answer(source)
