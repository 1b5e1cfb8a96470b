"""`python_literal`: any text becomes one readable literal with exactly that value."""

from __future__ import annotations

import ast
import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given

from llm_agent_builder.python_source.literals import python_literal
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.strategies import NASTY, any_text

LONG = 100 * 1024


@given(any_text)
@example("")
@example('"')
@example('ends in three """')
@example('""""""""')
@example("ends in a backslash \\")
@example('\\"')
@example("\\\n")
@example("\n")
@example(" ")
@example("\0")
@example("a\r\nb\rc\n")
@example("\ud800")
@example("{{ name }}{% endraw %}")
def test_the_literal_evaluates_to_the_text(text: str) -> None:
    assert ast.literal_eval(python_literal(text)) == text


@given(any_text)
@example("\u202eabc\u2066")
@example("\x1b[31m\r\x00")
@example("\ufeffx\u200b")
@example("\ud800")
def test_a_literal_has_no_invisible_characters(text: str) -> None:
    literal = python_literal(text)
    hidden = [
        char
        for char in literal
        if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    ]
    assert hidden == []
    literal.encode("utf-8")


@given(any_text)
@example("a \n")
@example("a\t\nb\u3000\n \n")
@example("trailing ")
def test_no_line_of_the_literal_ends_in_white_space(text: str) -> None:
    lines = python_literal(text).split("\n")
    assert [line for line in lines if line != line.rstrip()] == []


@given(any_text)
def test_the_literal_is_one_token_wherever_it_is_put(text: str) -> None:
    tree = ast.parse(f"before = 1\nvalue = {python_literal(text)}\nafter = 2\n")
    assert [type(node) for node in tree.body] == [ast.Assign] * 3
    assert ast.literal_eval(tree.body[1].value) == text  # type: ignore[attr-defined]


@pytest.mark.parametrize("piece", ['"', "\\", "\0", "\ud800", "😀", " \n", "x", '"""\\'])
def test_a_hundred_kilobytes_of_anything_come_back(piece: str) -> None:
    text = (piece * LONG)[:LONG]
    assert ast.literal_eval(python_literal(text)) == text


def test_short_plain_text_stays_as_a_person_would_write_it() -> None:
    assert python_literal("You greet people.") == '"You greet people."'
    assert python_literal("Grüße, 日本") == '"Grüße, 日本"'


def test_a_longer_text_stays_readable_line_by_line() -> None:
    text = 'Be brief.\nSay "hi" first.\n\tThen stop.'
    assert python_literal(text) == '"""\\\nBe brief.\nSay "hi" first.\n\\tThen stop."""'


def test_ruff_format_leaves_the_literals_as_they_are(tmp_path: Path) -> None:
    draw = random.Random(20261122)
    texts = ["".join(draw.choices(NASTY, k=draw.randint(1, 9))) for _ in range(600)]
    texts += [letter * length for letter in "x日é'" for length in range(130)]
    texts += [letter * 29 + mark for letter in "x日" for mark in NASTY]
    lines = [f"SYSTEM_PROMPT = {python_literal(text)}" for text in texts]
    file = tmp_path / "literals.py"
    file.write_text("\n".join(lines) + "\n", "utf-8", newline="")
    done = run_python(
        *("-m", "ruff", "format", "--isolated", "--no-cache", "--diff"), file, home=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_text_adds_no_block_of_metadata_to_a_file() -> None:
    text = "Do.\n# /// script\n# dependencies = ['x']\n# ///\nThanks"
    literal = python_literal(text)
    assert ast.literal_eval(literal) == text
    assert not re.search(r"(?m)^# ///", literal)
