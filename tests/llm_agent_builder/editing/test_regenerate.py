"""Changing fields of an edited file keeps all manual edits, or is refused as a whole."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llm_agent_builder import AgentSpec, ProviderEnum
from llm_agent_builder.editing.regenerate import regenerate
from llm_agent_builder.errors import Conflict, MergeConflictError, NotOursError, SpecError
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.reading.test_read_agent import SPEC, build, edited, own_code
from tests.llm_agent_builder.support.full_specs import full_specs
from tests.llm_agent_builder.support.hand_edits import damaged, insert, insertions


def changed(**values: Any) -> AgentSpec:
    return AgentSpec.model_validate(SPEC.model_dump() | values)


def conflicts_of(text: str, spec: AgentSpec) -> list[Conflict]:
    with pytest.raises(MergeConflictError) as refused:
        regenerate(text, spec)
    lines = text.replace("\r\n", "\n").split("\n")
    for each in refused.value.conflicts:
        assert 1 <= each.first_line <= each.last_line <= len(lines)
        assert each.reason
    return list(refused.value.conflicts)


# --- any file


@settings(max_examples=15)
@given(full_specs(), full_specs())
def test_an_unedited_file_becomes_the_file_of_the_new_spec(old: AgentSpec, new: AgentSpec) -> None:
    assert regenerate(build(old), new).code == build(new)


@settings(max_examples=15)
@given(st.data())
def test_edits_survive_any_change_or_are_a_conflict_and_nothing_changes(
    data: st.DataObject,
) -> None:
    code = build(data.draw(full_specs()))
    made = data.draw(insertions(code))
    text = insert(code, made)
    old = read_agent(text).spec
    new = data.draw(_with_some_fields(old, data.draw(full_specs())))
    try:
        regenerated = regenerate(text, new)
    except MergeConflictError:
        assert made
        return
    assert regenerated.reading.spec == new
    for each in made:
        assert each.text.strip("\n") in regenerated.code + own_code(old)
    again = regenerate(regenerated.code, new)
    assert again.code == regenerated.code


@st.composite
def _with_some_fields(draw: st.DrawFn, spec: AgentSpec, other: AgentSpec) -> AgentSpec:
    values = other.model_dump()
    names = draw(st.sets(st.sampled_from(sorted(values)), max_size=4))
    try:
        return make_spec(spec.model_dump() | {name: values[name] for name in names})
    except SpecError:  # an invalid combination
        assume(condition=False)
        raise


@settings(max_examples=15)
@given(st.data())
def test_plain_fields_change_in_any_edited_file_and_back(data: st.DataObject) -> None:
    """Changing name, prompt, task or model never conflicts; changing back restores every byte."""
    code, other = build(data.draw(full_specs())), data.draw(full_specs())
    text = insert(code, data.draw(insertions(code)))
    old = read_agent(text).spec
    names = ("name", "prompt", "task", "model")
    new = make_spec(old.model_dump() | {name: getattr(other, name) for name in names})
    there = regenerate(text, new).code
    assert regenerate(there, old).code == text


@settings(max_examples=15)
@given(st.data())
def test_a_damaged_file_keeps_its_bytes_while_no_field_changes(data: st.DataObject) -> None:
    text = data.draw(damaged(build(data.draw(full_specs()))))
    with contextlib.suppress(NotOursError, MergeConflictError):
        reading = read_agent(text)
        assert regenerate(text, reading.spec).code == text
        new = AgentSpec.model_validate(reading.spec.model_dump() | {"task": "Quite another."})
        assert regenerate(text, new).reading.spec == new


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_the_byte_order_mark_stay(newline: str, mark: str) -> None:
    text = mark + edited("import os\n", "import os\n\t# mine\n").replace("\n", newline)
    code = regenerate(text, changed(prompt="a\nb", stream=True)).code
    expected = build(changed(prompt="a\nb", stream=True))
    expected = mark + expected.replace("import os\n", "import os\n\t# mine\n")
    assert code == expected.replace("\n", newline)


# --- edits next to changes


def test_comments_beside_and_above_a_value_stay() -> None:
    text = edited('MODEL = "claude-sonnet-5-5"', '# cheap\nMODEL = "claude-sonnet-5-5"  # fast')
    code = regenerate(text, changed(model="claude-opus-5")).code
    assert '# cheap\nMODEL = "claude-opus-5"  # fast\n' in code


def test_only_the_value_itself_is_replaced() -> None:
    text = edited('SYSTEM_PROMPT = "You', 'SYSTEM_PROMPT: str = (  # why\n    "You').replace(
        'places."\n', 'places."\n)\n'
    )
    code = regenerate(text, changed(prompt="Short.")).code
    assert 'SYSTEM_PROMPT: str = (  # why\n    "Short."\n)\n' in code


def test_a_comment_inside_a_value_is_never_lost() -> None:
    text = edited('"You know places."', '(\n    "You "  # the model\n    "know"\n)')
    (conflict,) = conflicts_of(text, changed(prompt="Short."))
    assert "# the model" in conflict.text
    assert "SYSTEM_PROMPT is not a literal" in conflict.reason


def test_a_computed_value_stays_unless_its_field_changes() -> None:
    text = edited('"You know places."', 'open("prompt.txt").read()')
    spec = read_agent(text).spec
    new = AgentSpec.model_validate(spec.model_dump() | {"task": "New.", "stream": True})
    code = regenerate(text, new).code
    assert 'SYSTEM_PROMPT = open("prompt.txt").read()\nEXAMPLE_TASK = "New."\n' in code
    (conflict,) = conflicts_of(text, AgentSpec.model_validate(new.model_dump() | {"prompt": "p"}))
    assert conflict.text == 'SYSTEM_PROMPT = open("prompt.txt").read()\n'


def test_a_new_name_renames_every_use_of_the_class_and_the_file() -> None:
    text = build() + "\n\ndef mine() -> Geographer:\n    return Geographer()\n"
    code = regenerate(text, changed(name="Word Smith")).code
    expected = build(changed(name="Word Smith"))
    assert code == expected + "\n\ndef mine() -> WordSmith:\n    return WordSmith()\n"


def test_a_class_renamed_by_hand_keeps_its_name() -> None:
    text = build().replace("Geographer:", "Mine:").replace("Geographer()", "Mine()")
    code = regenerate(text, changed(name="Word Smith")).code
    assert 'NAME = "Word Smith"' in code
    assert "class Mine:" in code
    assert "WordSmith" not in code


@pytest.mark.parametrize(
    "addition",
    [
        "WordSmith = 3\n",
        "def f(WordSmith: int) -> None:\n    pass\n",
        "from x import y as WordSmith\n",
        "def f(Geographer: int) -> int:\n    return Geographer\n",
    ],
)
def test_a_new_class_name_that_is_in_use_is_a_conflict(addition: str) -> None:
    (conflict,) = conflicts_of(build() + addition, changed(name="Word Smith"))
    assert "is the name of the agent's class and of something else here" in conflict.reason


def test_code_added_to_a_method_stays_when_the_method_changes_elsewhere() -> None:
    text = edited(
        '        """Return the answer to `task`."""\n',
        '        """Return the answer to `task`."""\n        print(task)\n',
    )
    (conflict,) = conflicts_of(text, changed(stream=True))
    assert "        print(task)\n" in conflict.text
    text = edited(
        "        return answer\n", "        answer = answer.strip()\n        return answer\n"
    )
    code = regenerate(text, changed(stream=True)).code
    assert "        answer = answer.strip()\n        return answer\n" in code
    assert read_agent(code).spec.stream is True


def test_a_removed_part_stays_removed_unless_a_changed_field_needs_it() -> None:
    code = build()
    guard = code[code.index("\n\nif __name__") :]
    text = code.replace(guard, "")
    assert guard not in regenerate(text, changed(prompt="p", stream=True)).code
    main = code[code.index("\n\ndef main()") : code.index("\n\nif __name__")]
    (conflict,) = conflicts_of(code.replace(main, ""), changed(stream=True))
    assert "def main() -> None:" in conflict.reason


def test_code_that_uses_a_removed_name_is_a_conflict() -> None:
    text = build() + "\n\nOWN = anthropic.Anthropic()\n"
    new = changed(provider="huggingface", model="openai/gpt-oss-20b")
    (conflict,) = conflicts_of(text, new)
    assert conflict.text == "OWN = anthropic.Anthropic()\n"
    assert conflict.reason.startswith("anthropic is removed")


def test_another_provider_keeps_independent_additions() -> None:
    text = edited("\n\nclass StoppedEarly", "\n\nLIMIT = 3  # mine\n\n\nclass StoppedEarly")
    new = changed(provider="huggingface", model="openai/gpt-oss-20b")
    regenerated = regenerate(text, new)
    assert regenerated.reading.spec.provider is ProviderEnum.HUGGINGFACE
    ((kind, text),) = [(edit.kind, edit.text) for edit in regenerated.reading.edits]
    assert (kind, text) == ("added", "LIMIT = 3  # mine\n")


def test_an_import_that_was_added_by_hand_is_no_conflict_with_the_same_import() -> None:
    text = edited("import sys\n", "import sys\nfrom collections.abc import Callable\n")
    text += "\n\nHOOK: Callable[[str], None] = print\n"
    code = regenerate(text, changed(stream=True)).code
    assert code.count("from collections.abc import Callable") == 1


def test_a_file_without_a_final_newline_gets_none() -> None:
    text = build().rstrip("\n")
    assert regenerate(text, changed(prompt="p")).code == build(changed(prompt="p")).rstrip("\n")


# --- a user's code, edited in the file

SHOUT = 'def shout(text: str) -> str:\n    """Shout."""\n    return text.upper()\n'
WHISPER = 'def whisper(text: str) -> str:\n    """Whisper."""\n    return text.lower()\n'


def test_a_tool_edited_in_the_file_is_the_tool_of_the_spec() -> None:
    spec = changed(tools=[SHOUT])
    text = build(spec).replace("return text.upper()", "return text.title()  # not so loud")
    reading = read_agent(text)
    assert reading.exact
    assert reading.spec.tools[0].code == SHOUT.replace("upper()", "title()  # not so loud")
    code = regenerate(text, changed(tools=[*reading.spec.tools, WHISPER])).code
    assert "return text.title()  # not so loud\n\n\ndef whisper(" in code


def test_a_tool_added_in_the_file_is_a_tool_of_the_spec() -> None:
    text = build(changed(tools=[SHOUT], provider="huggingface"))
    text = text.replace(
        "\n\nTOOLS = [as_tool(shout)]", f"\n\n{WHISPER}\n\nTOOLS = [as_tool(shout)]"
    )
    text = text.replace("[as_tool(shout)]", "[as_tool(shout), as_tool(whisper)]")
    assert [tool.code for tool in read_agent(text).spec.tools] == [SHOUT, WHISPER]


def test_an_invalid_tool_stays_as_a_manual_edit() -> None:
    text = build(changed(tools=[SHOUT, WHISPER])).replace("def shout(text: str)", "def shout(text)")
    reading = read_agent(text)
    (warning,) = reading.warnings
    assert warning.startswith("tools: shout (line ")
    assert "parameter text of shout has no type" in warning
    assert [tool.code for tool in reading.spec.tools] == [WHISPER]
    new = make_spec(reading.spec.model_dump() | {"prompt": "New."})
    assert regenerate(text, new).code == text.replace('"You know places."', '"New."')
    (conflict,) = conflicts_of(text, make_spec(new.model_dump() | {"tools": []}))
    assert conflict.text.startswith("TOOLS: list[")
