"""`AgentSpec`: valid and invalid specs, and the schema for editors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from llm_agent_builder import AgentSpec, ProviderEnum, SpecError
from llm_agent_builder.spec.agent_spec import (
    MODEL_MAX_CHARS,
    NAME_MAX_CHARS,
    TEXT_MAX_BYTES,
    make_spec,
    spec_json_schema,
    utf8_length,
)
from llm_agent_builder.user_code.parse import CODE_MAX_BYTES
from llm_agent_builder.user_code.schema_to_pydantic import SCHEMA_MAX_CHARS, SCHEMA_TEXT_MAX_BYTES
from tests.llm_agent_builder.support.strategies import any_text, specs

GOOD: dict[str, Any] = {
    "name": "Greeter",
    "prompt": "Greet.",
    "task": "Say hello.",
    "provider": "anthropic",
    "model": "m1",
}


def make(**values: Any) -> AgentSpec:
    return AgentSpec.model_validate(GOOD | values)


def errors_of(**values: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as refused:
        make(**values)
    return [(error["loc"], error["msg"]) for error in refused.value.errors()]


def test_values_stay_unchanged() -> None:
    spec = make(name="  Greeter ", prompt="\n a\r\n\0\ud800 ", task=" t\n", model=" m ")
    assert (spec.name, spec.prompt, spec.task) == ("  Greeter ", "\n a\r\n\0\ud800 ", " t\n")
    assert spec.model == " m "
    assert spec.provider is ProviderEnum.ANTHROPIC
    assert spec.stream is False


def test_a_spec_cannot_be_changed() -> None:
    spec = make()
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "Another"  # type: ignore[misc]


@given(specs)
def test_equal_specs_are_interchangeable(spec: AgentSpec) -> None:
    again = AgentSpec.model_validate(spec.model_dump())
    assert again == spec
    assert len({again, spec}) == 1


@pytest.mark.parametrize("field", list(GOOD))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AgentSpec.model_validate({key: value for key, value in GOOD.items() if key != field})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_an_unknown_field_is_refused_by_its_name() -> None:
    ((location, message),) = errors_of(temperature=0.5)
    assert location == ("temperature",)
    assert "not permitted" in message


def test_every_wrong_field_is_named_at_once() -> None:
    found = dict(errors_of(name="", prompt=3, task="\n", provider="gemini", model="\t"))
    assert found == {
        ("name",): "must not be blank",
        ("prompt",): "must be text",
        ("task",): "must not be blank",
        ("provider",): "Input should be 'anthropic' or 'huggingface'",
        ("model",): "must not be blank",
    }


@pytest.mark.parametrize("value", [None, 1, 1.5, True, b"text", ["text"], {"a": "b"}])
@pytest.mark.parametrize("field", ["name", "prompt", "task", "model"])
def test_text_must_be_text(field: str, value: object) -> None:
    assert errors_of(**{field: value}) == [((field,), "must be text")]


def test_a_name_and_a_model_may_be_as_long_as_their_limits() -> None:
    make(name="é" * NAME_MAX_CHARS, model="m" * MODEL_MAX_CHARS)
    ((_, problem),) = errors_of(name="é" * (NAME_MAX_CHARS + 1))
    assert problem == "is 101 characters long; at most 100 are allowed"
    ((_, problem),) = errors_of(model="m" * (MODEL_MAX_CHARS + 1))
    assert problem == "is 201 characters long; at most 200 are allowed"


@pytest.mark.parametrize(("char", "size"), [("x", 1), ("é", 2), ("\ud800", 3), ("😀", 4)])
@pytest.mark.parametrize("field", ["prompt", "task"])
def test_a_text_is_measured_in_bytes(field: str, char: str, size: int) -> None:
    longest = char * (TEXT_MAX_BYTES // size)
    assert getattr(make(**{field: longest}), field) == longest
    ((location, problem),) = errors_of(**{field: longest + char})
    assert location == (field,)
    assert "at most 102,400 are allowed" in problem


@given(any_text)
def test_the_length_of_a_text_is_its_length_in_utf_8(text: str) -> None:
    assert utf8_length(text) == sum(len(c.encode("utf-8", "surrogatepass")) for c in text)


@pytest.mark.parametrize("char", ["\0", "\t", "\n", "\r", "\x7f", "\x85", "\u2028", "\udc80"])
@pytest.mark.parametrize("field", ["name", "model"])
def test_a_line_with_a_control_character_says_where_it_is(field: str, char: str) -> None:
    ((_, problem),) = errors_of(**{field: f"ab{char}c"})
    assert problem.endswith(f"found U+{ord(char):04X} at character 3")


def test_the_schema_names_every_field_and_allows_no_other() -> None:
    schema = spec_json_schema()
    assert set(schema["properties"]) == set(AgentSpec.model_fields)
    assert schema["required"] == ["name", "prompt", "task", "provider", "model"]
    assert schema["additionalProperties"] is False
    assert all(field.get("description") for field in schema["properties"].values())
    assert schema["properties"]["name"]["maxLength"] == NAME_MAX_CHARS
    assert schema["$defs"]["ProviderEnum"]["enum"] == [provider.value for provider in ProviderEnum]


def test_the_examples_of_the_schema_are_specs() -> None:
    examples = spec_json_schema()["examples"]
    assert examples
    for example in examples:
        spec = AgentSpec.model_validate(example)
        assert spec.model_dump(mode="json", exclude_unset=True) == example


# --- the fields that may be left out

STDIO = {"name": "files", "command": ["server", "--root", "."]}
HTTP = {"name": "web", "url": "https://example.com/mcp"}
TOOL = '''def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()
'''
ANSWER = """from pydantic import BaseModel


class Verdict(BaseModel):
    good: bool
"""
MANY: dict[str, Any] = {
    "chat": True,
    "max_tokens": 30_000,
    "thinking": "adaptive",
    "effort": "high",
    "stop_sequences": ["END", "\n\n."],
    "cache_prompt": True,
    "mcp_servers": [{**STDIO, "env": ["PATH", "TOKEN"]}, HTTP],
    "max_turns": 3,
    "token_budget": 10_000,
    "timeout_s": 2.5,
    "retries": 0,
    "usage": True,
}


def test_all_fields_together_are_accepted() -> None:
    dumped = make(**MANY).model_dump(mode="json")
    assert {name: dumped[name] for name in MANY if name != "mcp_servers"} == {
        name: value for name, value in MANY.items() if name != "mcp_servers"
    }
    assert [server["name"] for server in dumped["mcp_servers"]] == ["files", "web"]
    assert len({make(**MANY), make(**MANY), make()}) == 2


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"max_tokens": 0}, "max_tokens", "must be at least 1"),
        ({"max_tokens": "many"}, "max_tokens", "must be a whole number"),
        ({"max_tokens": True}, "max_tokens", "must be a whole number"),
        ({"max_tokens": 10**9}, "max_tokens", "at most 1,000,000"),
        ({"thinking": "hard"}, "thinking", "'disabled' or 'between_tools'"),
        ({"effort": "none"}, "effort", "'low', 'medium'"),
        ({"provider": "huggingface", "thinking": "adaptive"}, "thinking", "Hugging Face's API"),
        ({"provider": "huggingface", "effort": "low"}, "effort", "Hugging Face's API"),
        ({"provider": "huggingface", "cache_prompt": True}, "cache_prompt", "Hugging Face's API"),
        ({"stop_sequences": [" \n"]}, "stop_sequences.0", "must not be blank"),
        ({"stop_sequences": ["a", "a"]}, "stop_sequences", "twice"),
        ({"stop_sequences": list("abcde")}, "stop_sequences", "at most 4"),
        ({"mcp_servers": [STDIO, STDIO]}, "mcp_servers", "two servers with the same name"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers.0", "either a command or a url"),
        ({"mcp_servers": [STDIO | HTTP]}, "mcp_servers.0", "either a command or a url"),
        ({"mcp_servers": [HTTP | {"env": ["X"]}]}, "mcp_servers.0", "env is for a command"),
        ({"mcp_servers": [STDIO | {"env": ["X=1"]}]}, "mcp_servers.0.env.0", "without its value"),
        ({"mcp_servers": [STDIO | {"env": ["X", "X"]}]}, "mcp_servers.0", "twice"),
        ({"mcp_servers": [HTTP | {"url": "x"}]}, "mcp_servers.0.url", "https://example.com/mcp"),
        ({"mcp_servers": [HTTP | {"url": "http://h:x/"}]}, "mcp_servers.0.url", "must be a URL"),
        ({"mcp_servers": [HTTP | {"url": "http://u:p@h/"}]}, "mcp_servers.0.url", "password"),
        ({"mcp_servers": [STDIO | {"name": "a b"}]}, "mcp_servers.0.name", "letters"),
        ({"mcp_servers": [HTTP | {"uri": "x"}]}, "mcp_servers.0.uri", "did you mean url?"),
        ({"max_turns": 5}, "max_turns", "remove it"),
        ({"token_budget": 5}, "token_budget", "remove it"),
        ({"timeout_s": 0}, "timeout_s", "must be more than 0"),
        ({"timeout_s": float("nan")}, "timeout_s", "finite number"),
        ({"retries": 11}, "retries", "at most 10"),
        ({"retires": 1}, "retires", "did you mean retries?"),
        ({"": 1}, '""', "unknown field"),
        ({"mcp_servers": [HTTP | {"": 1}]}, 'mcp_servers.0.""', "unknown field"),
        (dict.fromkeys(map(str, range(101))), "spec", "at most 100 are allowed"),
        ({"tools": "calculator"}, "tools", "must be a list, such as [{gallery: calculator}]"),
        ({"stop_sequences": "x"}, "stop_sequences", "must be a list, such as [END]"),
        (
            {"mcp_servers": [{"name": "x", "command": "npx"}]},
            "mcp_servers.0.command",
            "must be a list, such as [npx, some-server]",
        ),
        ({"chat": "so"}, "chat", "must be true or false"),
        ({"tools": [TOOL] * 17}, "tools", "at most 16"),
        ({"tools": ["no Python ("] * 17}, "tools", "has 17 tools; at most 16 are allowed"),
        ({"tools": [dict.fromkeys(map(str, range(101)))]}, "tools.0", "has 101 keys"),
        ({"tools": [{"code": " "}]}, "tools.0.code", "must not be blank"),
        ({"tools": [7]}, "tools.0", "mapping of fields"),
        ({"tools": [TOOL, "def f(: pass"]}, "tools.1.code", "line 1: syntax error"),
        ({"tools": [TOOL, TOOL]}, "tools.1.code", "shout is already defined"),
        ({"tools": [TOOL], "answer": ANSWER.replace("Verdict", "shout")}, "answer", "shout is"),
        ({"answer": "class Verdict: pass"}, "answer", "line 1: "),
        ({"answer": {"type": "object", "propertys": {}}}, "answer", "properties"),
        ({"answer": "{"}, "answer", "is not JSON"),
        ({"answer": ANSWER, "stream": True}, "answer", "turn off streaming"),
        ({"answer": ANSWER, "stop_sequences": ["x"]}, "stop_sequences", "cut off a typed answer"),
    ],
)
def test_an_unavailable_choice_is_refused_at_its_field(
    values: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(SpecError) as refused:
        make_spec(GOOD | values)
    assert refused.value.field == field
    assert problem in refused.value.problem


def test_code_in_any_form_becomes_canonical() -> None:
    plain = make(tools=[TOOL], answer=ANSWER)
    assert plain.tools[0].code == TOOL
    loose = "\n\n" + TOOL.replace("\n", "\r\n") + "\n\n"
    assert make(tools=[{"code": loose}], answer="\n" + ANSWER) == plain
    assert AgentSpec.model_validate(plain.model_dump()) == plain


def test_an_answers_type_may_be_a_json_schema_as_mapping_or_as_text() -> None:
    schema = {
        "title": "Verdict",
        "type": "object",
        "properties": {"good": {"type": "boolean"}},
        "required": ["good"],
        "additionalProperties": False,
    }
    made = make(answer=schema)
    assert made.answer_code is not None
    assert made.answer_code.class_name == "Verdict"
    assert make(answer=json.dumps(schema)) == made
    assert make(answer=json.dumps(schema, indent=2)) == made


def test_numbers_and_order_of_json_text_are_kept() -> None:
    text = (
        '{"type": "object", "properties": {"b": {"enum": [9007199254740993]},'
        ' "1": {"type": "number", "minimum": 1.0}}, "required": ["b", "1"]}'
    )
    source = make(answer=text).answer or ""
    assert "Literal[9007199254740993]" in source
    assert "ge=1.0" in source
    assert source.index("9007199254740993") < source.index("ge=1.0")
    assert make(answer=json.loads(text)).answer == source


def answer_of(field: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": field}}


@pytest.mark.parametrize(
    "field",
    [
        {"type": "string", "description": "é" * 30_000},
        {"type": "string", "description": "字" * 20_000},
        {"enum": list(range(1000))},
    ],
)
def test_json_text_has_the_limit_of_schemas_whatever_its_white_space(field: dict[str, Any]) -> None:
    schema = answer_of(field)
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    assert make(answer="{" + " " * CODE_MAX_BYTES + text[1:]) == make(answer=schema)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (json.dumps(answer_of({"description": "x" * SCHEMA_MAX_CHARS})), "more than 65,536 char"),
        ("{" + " " * SCHEMA_TEXT_MAX_BYTES, "is 262,145 bytes long; at most 262,144"),
        ('{"a":' * 101, "has more than 100 lists and objects inside each other"),
        (f'{{"a": {"1" * 1001}}}', "has a number of more than 1,000 characters"),
        ("class A(BaseModel): ...".ljust(CODE_MAX_BYTES + 1), "at most 65,536 are allowed"),
    ],
)
def test_answers_type_beyond_a_limit_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SpecError, match=problem) as refused:
        make_spec({**GOOD, "answer": text})
    assert refused.value.field == "answer"
