"""Specs that may be unfinished or invalid, as far as a form can show them."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from llm_agent_builder import AgentSpec
from llm_agent_builder.gallery import gallery_tool
from llm_agent_builder.spec.agent_spec import make_spec
from llm_agent_builder.spec.draft import read_draft
from llm_agent_builder.spec.files import dump_spec, parse_spec, plain_values, with_defaults
from tests.llm_agent_builder.support.full_specs import full_specs


def draft_of(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    draft = read_draft(parse_spec(text, PurePath("a.yaml")))
    return draft.spec, {each.field: each.problem for each in draft.ignored}


@settings(max_examples=20)
@given(spec=full_specs())
def test_valid_spec_is_shown_completely(spec: AgentSpec) -> None:
    shown, ignored = draft_of(dump_spec(plain_values(spec)))
    assert ignored == {}
    assert make_spec(with_defaults(shown)) == spec


def test_tools_of_every_form_are_shown_as_code() -> None:
    shown, ignored = draft_of("tools: [{gallery: calculator}, 'def f(): ...', {code: x = (}]")
    calculator = gallery_tool("calculator").code
    assert shown == {"tools": [{"code": calculator}, {"code": "def f(): ..."}, {"code": "x = ("}]}
    assert ignored == {}


def test_json_schema_of_an_answer_is_shown_as_text() -> None:
    assert draft_of("answer: {type: object}") == ({"answer": '{\n  "type": "object"\n}'}, {})


def nested_lists(levels: int, inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": nested_lists(levels - 1, inner)} if levels else inner


@pytest.mark.parametrize(
    ("field", "part"),
    [
        ({"type": "string", "description": "é" * 12_000}, '\n      "description": "ééé'),
        ({"type": "string", "description": "字" * 20_000}, '\n      "description": "字字字'),
        (
            nested_lists(13, {"anyOf": [{"enum": [*range(n, n + 900)]} for n in range(7)]}),
            "[0, 1, 2, 3, ",  # its lines would be too long
        ),
    ],
)
def test_large_json_schema_that_a_spec_may_have_is_shown(field: dict[str, Any], part: str) -> None:
    schema = {"type": "object", "properties": {"a": field}}
    other = {"name": "A", "prompt": "P", "task": "T"}
    spec = make_spec(with_defaults({**other, "answer": schema}))
    shown, ignored = draft_of(yaml.safe_dump({**other, "answer": schema}, allow_unicode=True))
    assert ignored == {}
    assert make_spec(with_defaults(shown)) == spec
    assert part in shown["answer"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("name: ''", {"name": ""}),
        ("max_tokens: -5", {"max_tokens": -5}),
        ("max_tokens: 1.5", {"max_tokens": 1.5}),
        ("timeout_s: 9999", {"timeout_s": 9999}),
        ("mcp_servers: [{name: a b}]", {"mcp_servers": [{"name": "a b"}]}),
        ("provider: anthropic\nbase_url: x", {"provider": "anthropic", "base_url": "x"}),
        ("name:\nanswer: ~", {}),
    ],
)
def test_unfinished_or_invalid_value_is_shown(text: str, shown: dict[str, Any]) -> None:
    assert draft_of(text) == (shown, {})


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("name: 7", "name", "must be text"),
        ("task: 2026-01-02", "task", "must be text"),
        ("provider: other", "provider", "must be 'anthropic' or 'huggingface'"),
        ("thinking: much", "thinking", "must be 'adaptive', 'disabled' or 'between_tools'"),
        ("max_tokens: []", "max_tokens", "must be a whole number"),
        ("max_tokens: true", "max_tokens", "must be a whole number"),
        ("timeout_s: .inf", "timeout_s", "must be a finite number"),
        ("stream: maybe", "stream", "must be true or false"),
        ("stop_sequences: x", "stop_sequences", "must be a list, such as [END]"),
        ("stop_sequences: [a, b, c, d, e]", "stop_sequences", "has too many items; at most 4"),
        ("tools: [{gallery: none}]", "tools", "tools.0: there is no gallery tool 'none'"),
        ("mcp_servers: [3]", "mcp_servers", "mcp_servers.0: must be a mapping of fields"),
        ("mcp_servers: [{url: 'https://x.y'}]", "mcp_servers", "mcp_servers.0.name: missing"),
        ("mcp_servers: [{name: a, evn: x}]", "mcp_servers", "mcp_servers.0.evn: unknown field"),
        ("answer: {x: 2026-01-02}", "answer", "type"),
        (f"answer: {{type: {'x' * 70_000}}}", "answer", "65,536"),
        ("promt: x", "promt", "unknown field; did you mean prompt?"),
        ("promt:", "promt", "unknown field; did you mean prompt?"),
        ("'': x", '""', "unknown field"),
        ("chat: 'yes'", "chat", "can't be shown in the form"),
    ],
)
def test_value_that_no_field_can_show_is_named_with_its_problem(
    text: str, field: str, problem: str
) -> None:
    shown, ignored = draft_of(f"prompt: P\n{text}")
    assert shown == {"prompt": "P"}
    assert problem in ignored.pop(field)
    assert ignored == {}


def test_each_field_of_a_spec_with_many_unknown_keys_has_its_own_problem() -> None:
    text = "prompt: P\nstream: maybe\n" + "\n".join(f"k{n}: 1" for n in range(98))
    shown, ignored = draft_of(text)
    assert shown == {"prompt": "P"}
    assert ignored.pop("stream") == "must be true or false"
    assert ignored == dict.fromkeys((f"k{n}" for n in range(98)), "unknown field")


def test_key_that_looks_like_a_path_does_not_hide_the_problem_at_that_path() -> None:
    _, ignored = draft_of("mcp_servers: [3]\n'mcp_servers.0': x")
    assert ignored == {
        "mcp_servers": "mcp_servers.0: must be a mapping of fields",
        "mcp_servers.0": "unknown field; did you mean mcp_servers?",
    }
