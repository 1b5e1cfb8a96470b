"""Reading an agent file gives its fields back, however the rest of it was edited."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_agent_builder import AgentBuilder, AgentSpec, ProviderEnum
from llm_agent_builder.errors import NotOursError
from llm_agent_builder.reading.read_agent import Reading, read_agent
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.full_specs import full_specs
from tests.llm_agent_builder.support.hand_edits import damaged, insert, insertions
from tests.llm_agent_builder.support.strategies import specs

SPEC = AgentSpec(
    name="Geographer",
    prompt="You know places.",
    task="Where is Lima?",
    provider=ProviderEnum.ANTHROPIC,
    model="claude-sonnet-5-5",
)


def build(spec: AgentSpec = SPEC) -> str:
    return AgentBuilder().build(spec)


def own_code(spec: AgentSpec) -> str:
    """Return the code in a spec's fields, which includes manual edits of that code."""
    return "".join(tool.code for tool in spec.tools) + (spec.answer or "")


def edits_of(reading: Reading) -> list[tuple[str, str]]:
    return [(edit.kind, edit.text) for edit in reading.edits]


def edited(old: str, new: str, spec: AgentSpec = SPEC) -> str:
    code = build(spec)
    assert code.count(old) == 1, old
    return code.replace(old, new)


@settings(max_examples=40)
@given(full_specs() | specs)
def test_the_spec_of_a_generated_file_is_the_one_it_was_made_from(spec: AgentSpec) -> None:
    reading = read_agent(build(spec))
    assert reading.spec == spec
    assert (reading.exact, reading.edits, reading.warnings) == (True, (), ())


@settings(max_examples=15)
@given(full_specs(), st.sampled_from(["\r\n", "\r"]), st.sampled_from(["", "\ufeff"]))
def test_line_ends_and_a_byte_order_mark_change_no_field(
    spec: AgentSpec, newline: str, mark: str
) -> None:
    reading = read_agent(mark + build(spec).replace("\n", newline))
    assert (reading.spec, reading.edits, reading.exact) == (spec, (), False)


@settings(max_examples=15)
@given(st.data())
def test_code_between_the_fields_is_a_manual_edit_and_changes_no_field(
    data: st.DataObject,
) -> None:
    spec = data.draw(full_specs())
    code = build(spec)
    made = data.draw(insertions(code))
    text = insert(code, made)
    reading = read_agent(text)
    code_fields = {"tools": (), "answer": None, "stop_sequences": (), "max_turns": 10}
    code_fields |= {"token_budget": None}
    assert reading.spec.model_copy(update=code_fields) == spec.model_copy(update=code_fields)
    lines = text.split("\n")
    for edit in reading.edits:
        if edit.kind == "removed":  # a comment separated from its statement by an insertion
            assert edit.text in text
            continue
        shown = "\n".join(lines[edit.first_line - 1 : edit.last_line]) + "\n"
        assert edit.text == shown
    reported = "".join(edit.text for edit in reading.edits) + own_code(reading.spec)
    for each in made:
        assert each.text.strip("\n") in reported


@settings(max_examples=15)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_breaks_the_reader(data: st.DataObject) -> None:
    text = data.draw(damaged(build(data.draw(full_specs()))))
    with contextlib.suppress(NotOursError):
        reading = read_agent(text)
        assert reading.exact == (build(reading.spec) == text)


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ("'You' \" know\"", "You know"),
        ('"You " + "know"', "You know"),
        ('(\n    "You "\n    "know"\n)', "You know"),
        ('f"You know"', "You know"),
        ('textwrap.dedent("""\\\n    You\n      know\n""")', "You\n  know\n"),
        ('"""\n  You know\n""".strip()', "You know"),
        ("r'\\d'", "\\d"),
        ('"\\x59ou"', "You"),
    ],
)
def test_a_prompt_written_as_another_literal_is_read(value: str, prompt: str) -> None:
    reading = read_agent(edited('"You know places."', value))
    assert reading.spec.prompt == prompt
    assert reading.warnings == ()
    ((kind, text),) = edits_of(reading)
    assert (kind, text) == ("changed", f"SYSTEM_PROMPT = {value}\n")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"You know places."', 'open("prompt.txt").read()', "prompt: SYSTEM_PROMPT (line "),
        ('"You know places."', 'f"You know {NAME}"', "prompt: SYSTEM_PROMPT (line "),
        ('"Where is Lima?"', "sys.argv[1]", "task: EXAMPLE_TASK (line "),
        ('"Where is Lima?"', '"a"\nEXAMPLE_TASK += "b"', "task: EXAMPLE_TASK (line "),
        ('NAME = "Geographer"', "NAME = __file__", "name: NAME (line "),
        ('"claude-sonnet-5-5"', 'os.environ["MODEL"]', "model: MODEL (line "),
        ('"You know places."', '"x" * 10**9', "prompt: SYSTEM_PROMPT (line "),
    ],
)
def test_a_field_that_the_file_computes_is_warned_about(old: str, new: str, named: str) -> None:
    text = edited(old, new)
    reading = read_agent(text)
    (warning,) = reading.warnings
    constant = named.split()[1]
    line = next(n for n, line in enumerate(text.split("\n"), 1) if line.startswith(constant))
    assert warning.startswith(f"{named}{line})")
    assert new in "".join(text for _, text in edits_of(reading))


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"You know places."', '""', "prompt: must not be blank"),
        ('"You know places."', "None", "prompt: must be text"),
        ('"Geographer"', '"' + "x" * 101 + '"', "name: is 101 characters long"),
        ("4096", "0", "max_tokens: "),
        ("4096", "True", "max_tokens: "),
        ("4096", "-3", "max_tokens: "),
        ("4096", '"many"', "max_tokens: "),
    ],
)
def test_an_invalid_value_is_warned_about(old: str, new: str, problem: str) -> None:
    reading = read_agent(edited(f"= {old}\n", f"= {new}\n"))
    (warning,) = reading.warnings
    assert warning.startswith(problem)
    assert "stays in the file" in warning


def test_edits_are_added_changed_or_removed_lines() -> None:
    text = edited("import os\n", "import os\nimport json\n")
    text = text.replace(
        "client or anthropic.Anthropic()", "client or anthropic.Anthropic(timeout=9)"
    )
    text = text.replace("    except KeyboardInterrupt:\n        sys.exit(130)\n", "")
    reading = read_agent(text)
    assert edits_of(reading) == [
        ("added", "import json\n"),
        ("changed", "        self.client = client or anthropic.Anthropic(timeout=9)\n"),
        ("removed", "    except KeyboardInterrupt:\n        sys.exit(130)\n"),
    ]
    removed = reading.edits[-1]
    assert text.split("\n")[removed.first_line - 1] == "    except Exception as error:"


def test_a_removed_function_is_reported_at_the_code_that_followed_it() -> None:
    code = build(SPEC.model_copy(update={"chat": True}))
    function = code[code.index("def parse_arguments") : code.index("def explain")]
    reading = read_agent(code.replace(function, ""))
    ((kind, text),) = edits_of(reading)
    assert (kind, text) == ("removed", function.rstrip("\n") + "\n")


def test_a_file_from_before_access_token_was_a_constant_gives_the_same_spec() -> None:
    tools = ['def find(word: str) -> str:\n    """Find."""\n    return word\n']
    spec = make_spec({**SPEC.model_dump(), "provider": "huggingface", "tools": tools, "model": "m"})
    function = 'def find_token() -> str | None:\n    return os.environ.get("HF_TOKEN")\n\n\n'
    lines = [
        function + line if line.startswith("class Geographer") else line
        for line in build(spec).replace("api_key=ACCESS_TOKEN", "api_key=find_token()").split("\n")
        if not line.startswith("ACCESS_TOKEN")
    ]
    reading = read_agent("\n".join(lines))
    assert reading.spec == spec
    assert reading.warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it imports neither anthropic nor huggingface_hub"),
        ("\ufeff", "contains no agent"),
        ("import openai\n", "contains no agent"),
        ("import anthropic\n", "has no NAME = ..."),
        (edited('MODEL = "', 'MODEL_ID = "'), "has no MODEL = ..."),
        (edited("def run(", "def walk("), "no class with a run(task) method"),
        ("<html>", "is not Python: invalid syntax (line "),
        ("x = 1\n\0", "is not Python"),
        ("# coding: nonsense\nx = '", "is not Python"),
        ("-" * 60_000 + "1", "nested too deeply"),
        ("x" + ".a" * 30_000 + " = 1", "nested too deeply"),
        ("\n" * 10_001, "10,001 lines of code"),
        ("#" * 1_048_577, "1,048,577 bytes"),
    ],
    ids=lambda value: re.sub(r"\W+", " ", value)[:25],
)
def test_a_file_that_is_not_ours_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(NotOursError) as refused:
        read_agent(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        'f"{1}"' + "+a" * 40_000,
        'f"""x"""' + "+a" * 40_000,
        "f\"{'}'  \"" + "+a" * 40_000 + '}"',
        'f"{ {{ } "' + "+a" * 40_000 + ' }}"',
        "f'''{a # }\n}'''" + "+a" * 40_000,
        'return"x"' + "+a" * 40_000,
        '""' + "+a" * 40_000 + '""',
    ],
)
def test_code_outside_strings_is_counted_despite_odd_quotes(text: str) -> None:
    """Otherwise code that takes seconds to parse could pass as one long string."""
    with pytest.raises(NotOursError, match="characters of code"):
        read_agent(text)


@pytest.mark.parametrize("text", ['"' + "x" * 100_000 + '"', "\0" * 100_000, '\'"""' * 9_000])
def test_the_longest_strings_are_read_back(text: str) -> None:
    spec = SPEC.model_copy(update={"prompt": text, "task": text})
    assert read_agent(build(spec)).spec == spec
