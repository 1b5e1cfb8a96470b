"""Files made to be slow: the work stays in proportion to their size."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from llm_agent_builder import AgentBuilder
from llm_agent_builder.editing.regenerate import regenerate
from llm_agent_builder.errors import MergeConflictError
from llm_agent_builder.reading.line_matching import CompareBudget, matching_blocks
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import AgentSpec, make_spec

T = TypeVar("T")
ENOUGH_S = 5.0
"""Limit in processor seconds: normal work takes a fraction of one, the defects took minutes."""


def spec(**fields: object) -> AgentSpec:
    given = {"name": "A", "prompt": "p", "task": "t", "provider": "anthropic"}
    return make_spec({**given, "model": "claude-sonnet-5-5", **fields})


def in_time(work: Callable[[], T]) -> T:
    start = time.thread_time()
    result = work()
    assert time.thread_time() - start < ENOUGH_S
    return result


# --- lines that are compared


def checked(first: list[str], second: list[str], effort: CompareBudget) -> list[str]:
    """Return the lines that are matched; that they are equal and in order is asserted."""
    found: list[str] = []
    end = other_end = 0
    for place, other, size in matching_blocks(first, second, effort):
        assert place >= end
        assert other >= other_end
        end, other_end = place + size, other + size
        assert first[place:end] == second[other:other_end]
        found += first[place:end]
    assert (end, other_end) == (len(first), len(second))
    return found


@pytest.mark.parametrize("left", [0, 8_000_000])
def test_lines_are_matched_closely_or_not(left: int) -> None:
    first = ["start", "x", "a", "x", "b", "c", "old", "d", "stop"]
    second = ["Start", "x", "a", "x", "b", "new", "c", "d", "x", "Stop"]
    assert checked(first, second, CompareBudget(left)) == ["x", "a", "x", "b", "c", "d"]


def test_moved_lines_are_matched_in_the_order_of_both() -> None:
    assert checked(list("-abcde-"), list("+eabcd+"), CompareBudget(0)) == list("abcd")


def test_many_equal_lines_are_not_compared_with_each_other() -> None:
    effort = CompareBudget()
    lines = ["x"] * 50_000
    assert in_time(lambda: checked(["(", *lines, ")"], ["[", *lines, "]"], effort)) == []
    assert effort.left == CompareBudget().left


def test_close_comparisons_use_up_one_effort() -> None:
    effort = CompareBudget()
    first, second = ["-"] + ["x", "a"] * 80, ["+"] + ["x", "b"] * 80
    for _ in range(20):
        checked(first, second, effort)
    assert 0 <= effort.left < CompareBudget().left / 2
    assert checked(first, second, effort) == []


def test_a_prompt_of_many_equal_lines_is_read_with_comments_around_it() -> None:
    built = AgentBuilder().build(spec(prompt="x\n" * 50_000))
    start, end = built.index("SYSTEM_PROMPT = ") + 16, built.index("EXAMPLE_TASK")
    value = built[start:end].rstrip("\n")
    text = f"{built[:start]}(  # hi\n{value}  # bye\n)\n{built[end:]}"
    reading = in_time(lambda: read_agent(text))
    assert reading.spec.prompt == "x\n" * 50_000
    assert "# hi" in reading.edits[0].text


# --- statements and names that share a long line


@pytest.mark.parametrize("char", ["é", "e"])
def test_many_statements_in_a_long_line_are_read(char: str) -> None:
    built = AgentBuilder().build(spec())
    line = f'"{char * 400_000}"' + ";a" * 20_000 + "\n"
    reading = in_time(lambda: read_agent(built.replace("NAME = ", line + "NAME = ", 1)))
    assert [edit.text for edit in reading.edits] == [line]


def test_many_names_in_a_long_line_are_renamed() -> None:
    built = AgentBuilder().build(spec())
    long = "é" * 300_000
    text = f"{built}X = ['{long}', {'A, ' * 8000}Ａ]\n"  # noqa: RUF001 - the same name to Python
    made = in_time(lambda: regenerate(text, spec(name="B")))
    assert made.code.endswith(f"X = ['{long}', {'B, ' * 8000}B]\n")


def test_of_many_conflicts_the_first_are_listed() -> None:
    built = AgentBuilder().build(spec(chat=True))
    text = built + 'Z = """' + "x\n" * 300_000 + '"""\n' + "print(chat)\n" * 5000
    with pytest.raises(MergeConflictError) as caught:
        in_time(lambda: regenerate(text, spec(chat=False)))
    conflicts = caught.value.conflicts
    assert len(conflicts) == 20
    assert {each.first_line for each in conflicts} == {text.split("\n").index("print(chat)") + 1}
