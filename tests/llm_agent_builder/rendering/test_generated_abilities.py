"""Generated files with tools, typed answers, conversation, caps: against the scripted upstream."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from llm_agent_builder import ProviderEnum
from tests.llm_agent_builder.support.scenarios import Outcome, Scenario, all_of, play, tool_results
from tests.llm_agent_builder.support.scripted_upstream import (
    Reply,
    ScriptedUpstream,
    answer,
    failure,
    tool_call,
)

ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
BOTH = pytest.mark.parametrize("provider", list(ProviderEnum))
DIVIDE = '''from typing import Literal


def divide(by: list[int], of: float = 12, form: Literal["long", "short"] | None = None) -> str:
    """Divide a number by others, one after the other.

    Args:
        by: The divisors.
        of: What is divided.
    """
    for each in by:
        of /= each
    return f"{of:g}"
'''
CITY = """from pydantic import BaseModel


class City(BaseModel):
    name: str
    people: int
"""
GOOD, BAD = '{"name": "Ålesund", "people": 68000}', '{"name": "Oslo"}'


def said(
    provider: ProviderEnum, text: str, *, stream: bool = False, stop: str | None = None
) -> Reply:
    return answer(provider, [text], stream=stream, stop=stop)


def scenarios_of(provider: ProviderEnum) -> dict[str, Scenario]:
    def use(arguments: str, *, stream: bool = False, text: str = "", name: str = "divide") -> Reply:
        return tool_call(provider, name, arguments, stream=stream, text=text)

    def agent(*replies: Reply, **values: Any) -> Scenario:
        outside = {name: values.pop(name) for name in ("arguments", "stdin") if name in values}
        return Scenario({"provider": provider.value, **values}, replies, **outside)

    done = said(provider, "Done.")
    tools: dict[str, Any] = {"tools": [DIVIDE]}
    return {
        "tool": agent(use('{"by": [2, 3]}', text="Let me see."), done, **tools),
        "tool_streamed": agent(
            use('{"by": [4]}', stream=True, text="Let me see."),
            said(provider, "Three.", stream=True),
            **tools,
            stream=True,
        ),
        "tool_fails": agent(use('{"by": [0]}'), done, **tools),
        "tool_misused": agent(use('{"to": 1}'), done, **tools),
        "tool_unknown": agent(use("{}", name="multiply"), done, **tools),
        "turn_cap": agent(use('{"by": [0]}'), use('{"by": [0]}'), **tools, max_turns=2),
        "token_cap": agent(use('{"by": [0]}'), **tools, token_budget=8),
        "token_cap_not_met": agent(use('{"by": [1]}'), done, **tools, token_budget=9),
        "typed": agent(said(provider, GOOD), answer=CITY),
        "typed_mended": agent(said(provider, BAD), said(provider, GOOD), answer=CITY),
        "typed_wrong": agent(said(provider, BAD), said(provider, BAD), answer=CITY),
        "typed_cut": agent(
            said(provider, '{"name', stop="max_tokens" if provider is ANTHROPIC else "length"),
            answer=CITY,
        ),
        "typed_after_tool": agent(
            use('{"by": [1]}'), said(provider, BAD), said(provider, GOOD), answer=CITY, **tools
        ),
        "usage": agent(done, usage=True),
        "usage_json": agent(
            said(provider, "Done.", stream=True),
            usage=True,
            stream=True,
            arguments=("--json", "--task=-x"),
        ),
        "usage_json_early": agent(
            said(provider, "Do", stop="max_tokens" if provider is ANTHROPIC else "length"),
            usage=True,
            arguments=("--json",),
        ),
        "chat": agent(
            *(said(provider, "One."), failure(400, "scripted"), said(provider, "Three.")),
            chat=True,
            arguments=("--chat",),
            stdin="first\n\nsecond\nthird\n",
        ),
        "chat_with_all": agent(
            *(use('{"by": [2]}'), said(provider, GOOD), said(provider, GOOD)),
            **(tools | {"answer": CITY, "chat": True, "usage": True, "token_budget": 1000}),
            arguments=("--chat",),
            stdin="first\nsecond\n",
        ),
        "chat_one_task": agent(said(provider, "One."), chat=True),
        "chat_streamed": agent(
            said(provider, "One.", stream=True),
            chat=True,
            stream=True,
            arguments=("--chat",),
            stdin="first",
        ),
        "stops": agent(done, stop_sequences=["END", '"\n']),
        "slow": agent(Reply([b"{", b"}"], gated=True), timeout_s=0.3, retries=0),
        "never_again": agent(failure(503, "scripted"), retries=0),
    }


def anthropic_scenarios() -> dict[str, Scenario]:
    def agent(*replies: Reply, **values: Any) -> Scenario:
        return Scenario({"provider": "anthropic", **values}, replies)

    tools: dict[str, Any] = {"tools": [DIVIDE]}
    choices = {"thinking": "adaptive", "effort": "high", "cache_prompt": True}
    cut = tool_call(ANTHROPIC, "divide", '{"by": [0]}', stream=False, stop="max_tokens", text="Sta")
    return {
        "choices": agent(said(ANTHROPIC, "Done."), **choices),
        "choices_typed": agent(said(ANTHROPIC, GOOD), answer=CITY, effort="low"),
        "long": agent(said(ANTHROPIC, "Done.", stream=True), max_tokens=30_000),
        "long_with_tool": agent(
            tool_call(ANTHROPIC, "divide", '{"by": [3]}', stream=True),
            said(ANTHROPIC, "Done.", stream=True),
            max_tokens=30_000,
            **tools,
        ),
        "paused": agent(
            said(ANTHROPIC, "Part one, ", stop="pause_turn"), said(ANTHROPIC, "part two."), **tools
        ),
        "refused": agent(said(ANTHROPIC, "No", stop="refusal"), **tools),
        "overfull": agent(said(ANTHROPIC, "So ", stop="model_context_window_exceeded"), **tools),
        "cut_in_a_tool_call": agent(cut, **tools),
    }


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[ProviderEnum, dict[str, Outcome]]:
    found = {}
    for provider in ProviderEnum:
        scenarios = scenarios_of(provider)
        if provider is ANTHROPIC:
            scenarios |= anthropic_scenarios()
        else:
            busy = [failure(503, "scripted"), failure(429, "scripted")]
            spec = {"provider": "huggingface"}
            scenarios["again"] = Scenario(spec, [*busy, said(HUGGINGFACE, "Done.")])
        upstream = ScriptedUpstream()
        try:
            found[provider] = play(tmp_path_factory.mktemp(provider.value), upstream, scenarios)
        finally:
            upstream.close()
    return found


Outcomes = Mapping[ProviderEnum, dict[str, Outcome]]


# --- tools


@BOTH
def test_a_tool_is_offered_called_and_answered_from(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["tool"]
    assert all_of(done) == (0, "Done.\n", "")
    assert tool_results(done) == ["2"]
    (offered,) = done.bodies[0]["tools"]
    offered = offered.get("function", offered)
    assert offered["name"] == "divide"
    assert "Divide a number by others" in offered["description"]
    schema = offered.get("input_schema") or offered["parameters"]
    assert schema["properties"]["by"]["type"] == "array"
    assert schema["properties"]["by"]["items"] == {"type": "integer"}
    assert schema["properties"]["of"]["type"] == "number"
    assert {"null"} <= {each.get("type") for each in schema["properties"]["form"]["anyOf"]}
    assert schema["required"] == ["by"]


@BOTH
def test_with_stream_text_before_a_tool_call_is_on_its_own_line(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["tool_streamed"]
    assert all_of(done) == (0, "Let me see.\nThree.\n", "")
    assert tool_results(done) == ["3"]


@BOTH
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tool_fails", "division by zero"),
        ("tool_misused", "divide"),
        ("tool_unknown", "multiply"),
    ],
)
def test_a_failed_tool_is_reported_to_the_model_and_on_standard_error(
    provider: ProviderEnum, name: str, why: str, outcomes: Outcomes
) -> None:
    done = outcomes[provider][name]
    assert (done.code, done.out) == (0, "Done.\n")
    assert why in done.err
    assert why in str(tool_results(done))


@BOTH
def test_the_cap_of_turns_ends_a_task_before_tools_run_in_vain(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["turn_cap"]
    assert (done.code, done.out) == (3, "\n")
    assert done.err.endswith("Test Agent: stopped early: max_turns\n")
    assert len(done.received) == 2
    assert done.err.count("ZeroDivisionError: ") == 1


@BOTH
def test_the_cap_of_tokens_ends_a_task_before_the_next_call(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["token_cap"]
    assert all_of(done) == (3, "\n", "Test Agent: stopped early: token_budget\n")
    assert len(done.received) == 1
    assert all_of(outcomes[provider]["token_cap_not_met"]) == (0, "Done.\n", "")


@pytest.mark.parametrize(
    ("name", "reason", "text"),
    [
        ("refused", "refusal", "No"),
        ("overfull", "model_context_window_exceeded", "So "),
        ("cut_in_a_tool_call", "max_tokens", "Sta"),
    ],
)
def test_with_tools_every_stop_reason_is_distinguished(
    name: str, reason: str, text: str, outcomes: Outcomes
) -> None:
    done = outcomes[ANTHROPIC][name]
    assert all_of(done) == (3, f"{text}\n", f"Test Agent: stopped early: {reason}\n")
    assert len(done.received) == 1


def test_a_paused_turn_is_continued(outcomes: Outcomes) -> None:
    done = outcomes[ANTHROPIC]["paused"]
    assert all_of(done) == (0, "Part one, part two.\n", "")
    assert done.bodies[1]["messages"][-1]["role"] == "assistant"


# --- typed answers


@BOTH
def test_a_typed_answer_is_asked_for_by_its_schema_and_printed_as_json(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["typed"]
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == json.loads(GOOD)
    assert "Ålesund" in done.out
    (body,) = done.bodies
    if provider is ANTHROPIC:
        schema = body["output_config"]["format"]["schema"]
    else:
        schema = body["response_format"]["value"]  # as that SDK hands it to a base URL
        assert json.dumps(schema) in body["messages"][0]["content"]
    assert set(schema["properties"]) == {"name", "people"}


@BOTH
@pytest.mark.parametrize("name", ["typed_mended", "typed_after_tool"])
def test_an_invalid_answer_is_corrected_once(
    provider: ProviderEnum, name: str, outcomes: Outcomes
) -> None:
    done = outcomes[provider][name]
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == json.loads(GOOD)
    *_, asked = done.bodies[-1]["messages"]
    assert asked["role"] == "user"
    assert "people" in asked["content"]
    assert "Field required" in asked["content"]


@BOTH
def test_an_answer_that_is_wrong_twice_is_a_failure_in_one_line(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["typed_wrong"]
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Test Agent: ValidationError: 1 validation error for City people ")
    assert "\n" not in done.err
    assert len(done.received) == 2


@BOTH
def test_a_typed_answer_that_is_cut_off_is_reported(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["typed_cut"]
    assert (done.code, done.out) == (3, '{"name\n')
    assert "stopped early" in done.err
    assert len(done.received) == 1


# --- usage


@BOTH
def test_usage_is_printed_on_standard_error(provider: ProviderEnum, outcomes: Outcomes) -> None:
    assert all_of(outcomes[provider]["usage"]) == (
        0,
        "Done.\n",
        "Test Agent: calls: 1, input_tokens: 3, output_tokens: 5\n",
    )


@BOTH
def test_json_is_one_object_for_machines(provider: ProviderEnum, outcomes: Outcomes) -> None:
    done = outcomes[provider]["usage_json"]
    assert done.code == 0
    assert json.loads(done.out) == {
        "answer": "Done.",
        "stopped_early": None,
        "usage": {"calls": 1, "input_tokens": 3, "output_tokens": 5},
    }
    assert "-x" in json.dumps(done.bodies[0]["messages"])
    early = outcomes[provider]["usage_json_early"]
    assert early.code == 3
    reported = json.loads(early.out)
    assert reported["answer"] == "Do"
    assert reported["stopped_early"] in {"max_tokens", "length"}


# --- conversation


def turns_of(body: Mapping[str, Any]) -> list[str]:
    return [each["content"] for each in body["messages"] if each["role"] == "user"]


@BOTH
def test_a_conversation_continues_without_a_failed_turn(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["chat"]
    assert (done.code, done.out) == (0, "One.\nThree.\n")
    assert done.err.startswith("Test Agent: BadRequestError: ")
    assert done.err.count("\n") == 1
    assert [turns_of(body) for body in done.bodies] == [
        ["first"],
        ["first", "second"],
        ["first", "third"],
    ]
    assert "One." in json.dumps(done.bodies[2]["messages"])


@BOTH
def test_a_conversation_keeps_tool_results_and_counts_each_turn(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["chat_with_all"]
    assert done.code == 0
    assert done.out.count("Ålesund") == 2
    assert done.err == (
        "Test Agent: calls: 2, input_tokens: 6, output_tokens: 10\n"
        "Test Agent: calls: 1, input_tokens: 3, output_tokens: 5\n"
    )
    assert tool_results(done) == ["6"]


@BOTH
def test_an_agent_that_can_chat_answers_one_task_too(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    assert all_of(outcomes[provider]["chat_one_task"]) == (0, "One.\n", "")
    assert all_of(outcomes[provider]["chat_streamed"]) == (0, "One.\n", "")


# --- what the model is asked for


def test_choices_are_sent_as_the_api_takes_them(outcomes: Outcomes) -> None:
    (body,) = outcomes[ANTHROPIC]["choices"].bodies
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high"}
    assert body["cache_control"] == {"type": "ephemeral"}
    (body,) = outcomes[ANTHROPIC]["choices_typed"].bodies
    assert set(body["output_config"]) == {"effort", "format"}


@BOTH
def test_stop_sequences_are_sent(provider: ProviderEnum, outcomes: Outcomes) -> None:
    (body,) = outcomes[provider]["stops"].bodies
    assert body["stop_sequences" if provider is ANTHROPIC else "stop"] == ["END", '"\n']


@pytest.mark.parametrize("name", ["long", "long_with_tool"])
def test_an_answer_that_may_be_long_comes_as_a_stream(name: str, outcomes: Outcomes) -> None:
    done = outcomes[ANTHROPIC][name]
    assert all_of(done) == (0, "Done.\n", "")
    assert all(body["stream"] is True for body in done.bodies)


# --- time-outs and retries


@BOTH
def test_a_call_that_takes_too_long_is_a_failure(
    provider: ProviderEnum, outcomes: Outcomes
) -> None:
    done = outcomes[provider]["slow"]
    assert (done.code, done.out) == (1, "")
    assert "imeout" in done.err or "timed out" in done.err
    assert len(done.received) == 1


@BOTH
def test_without_retries_a_call_is_made_once(provider: ProviderEnum, outcomes: Outcomes) -> None:
    done = outcomes[provider]["never_again"]
    assert (done.code, len(done.received)) == (1, 1)


def test_a_busy_server_is_asked_again(outcomes: Outcomes) -> None:
    done = outcomes[HUGGINGFACE]["again"]
    assert all_of(done) == (0, "Done.\n", "")
    assert len(done.received) == 3
