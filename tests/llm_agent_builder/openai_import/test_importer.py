"""Importing agents of OpenAI's Agents SDK: specs, and a report that covers every line."""

from __future__ import annotations

import ast
import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_agent_builder import PROVIDERS, AgentBuilder, ProviderEnum
from llm_agent_builder.errors import NotOursError
from llm_agent_builder.openai_import.importer import Imported, import_agent
from llm_agent_builder.openai_import.report import Line
from llm_agent_builder.reading.parts import names_of
from llm_agent_builder.spec.agent_spec import make_spec
from tests.llm_agent_builder.support.hand_edits import damaged
from tests.llm_agent_builder.support.openai_programs import EXPORTED, WRITTEN, program

PREFIXED = (
    "from agents.extensions.handoff_prompt import prompt_with_handoff_instructions as prefixed"
)


def lines_of(made: Imported, what: str) -> list[Line]:
    return [line for line in made.report if line.what == what]


def only(made: Imported, what: str) -> Line:
    (line,) = lines_of(made, what)
    return line


def line_number(text: str, beginning: str) -> int:
    (found,) = [n for n, line in enumerate(text.split("\n"), 1) if line.startswith(beginning)]
    return found


def tool(code: str, name: str = "act") -> Imported:
    return import_agent(program(f"instructions='Act.', tools=[{name}]", above=code))


# --- whole programs


def test_a_constant_in_the_prompt_is_converted_and_other_statements_are_reported() -> None:
    above = 'CITY = "Berlin"\nload_dotenv()\nif __name__ == "__main__":\n    main()\n'
    made = import_agent(program('instructions=f"You know {CITY}."', above=above))
    assert made.spec["prompt"] == "You know Berlin."
    assert [line.carried for line in lines_of(made, "CITY")] == [True]
    assert not only(made, "load_dotenv()").carried
    assert not only(made, 'if __name__ == "__main__"').carried


def test_an_exported_workflow_gives_an_agent_that_can_be_built() -> None:
    made = import_agent(EXPORTED)
    spec = make_spec(made.spec | {"task": "Rain?"})
    assert (spec.name, spec.model) == (
        "City guide",
        PROVIDERS[ProviderEnum.ANTHROPIC].default_model,
    )
    assert spec.prompt == 'You guide people through {state_city}.\nBe "kind".'
    assert (spec.max_tokens, spec.effort) == (2048, "low")
    assert [(each.name, each.url) for each in spec.mcp_servers] == [
        ("my-docs", "https://mcp.example.com/mcp")
    ]
    assert [each.name for each in spec.tool_codes] == ["get_weather"]
    assert spec.answer is not None
    assert "class ReplySchema(BaseModel):\n    items: list[ReplySchema__Item]\n" in spec.answer
    assert "task" not in made.spec
    ast.parse(AgentBuilder().build(spec))


def test_a_tool_of_an_export_runs_as_it_did_there() -> None:
    ((code,),) = [each.values() for each in import_agent(EXPORTED).spec["tools"]]
    scope: dict[str, Any] = {}
    exec(code, scope)  # our own fixture
    assert "'text': 'two\\n  lines'" in scope["get_weather"]("Lima")
    assert scope["get_weather"]("Lima", "f") == "none"


@pytest.mark.parametrize("text", [EXPORTED, WRITTEN])
def test_the_report_says_something_of_every_statement(text: str) -> None:
    made = import_agent(text)
    converted = "".join(each["code"] for each in made.spec["tools"]) + made.spec["prompt"]
    converted += made.spec.get("answer", "")
    for node in ast.parse(text).body:
        names = names_of(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)) or not names:
            continue
        reported = any(node.lineno <= line.line <= (node.end_lineno or 0) for line in made.report)
        listed = any(name in line.what for line in made.report for name in names)
        included = any(name in converted for name in names)
        by_reference = names <= {"wrapped", "web_search_preview", "guide_instructions", "ROLE"}
        assert reported or listed or included or by_reference, names


def test_every_line_of_the_report_is_in_the_program_and_in_order() -> None:
    report = import_agent(EXPORTED).report
    assert [line.line for line in report] == sorted(line.line for line in report)
    assert only(import_agent(EXPORTED), "tool get_weather").line == line_number(
        EXPORTED, "async def get_weather"
    )
    assert all(line.note for line in report if not line.carried)


def test_a_report_line_that_was_not_converted_says_what_to_do() -> None:
    made = import_agent(EXPORTED)
    assert "fetch_url" in only(made, "WebSearchTool").note
    assert "returns nothing" in only(made, "tool book_table").note
    assert "gpt-5.2" in only(made, "model").note
    assert "import it by name, 'Sorter'" in only(made, "agent Sorter").note
    assert "workflow code" in only(made, "run_workflow").note
    assert "{state_city}" in only(made, "instructions").note
    assert [line.carried for line in lines_of(made, "temperature")] == [False]


def test_the_agent_that_the_program_starts_first_is_imported() -> None:
    made = import_agent(WRITTEN)
    assert made.spec["name"] == "Triage desk"
    assert made.spec["prompt"] == "You are a support desk."
    assert "RECOMMENDED_PROMPT_PREFIX" in only(made, "instructions").note
    assert made.spec["task"] == "Where is order 7?"
    names = [make_spec(made.spec).tool_codes[n].name for n in range(2)]
    assert names == ["find_order", "plain"]
    assert made.spec["tools"][0]["code"].startswith(
        'def find_order(order: str) -> str:\n    """Find'
    )
    assert not only(made, "handoffs").carried
    assert made.agents == ("Billing", "Triage  desk", "Reader")


def test_another_agent_is_imported_by_its_name() -> None:
    made = import_agent(WRITTEN, agent="Reader")
    assert (made.spec["name"], made.spec["task"]) == ("Reader", "What is in the folder?")
    (server,) = made.spec["mcp_servers"]
    assert server == {
        "name": "File-server",
        "command": ["npx", "-y", "server", "/data"],
        "env": ["A_KEY"],
    }
    assert made.spec["max_turns"] == 4
    assert not only(made, "MCPServerSse").carried
    with pytest.raises(NotOursError, match="it has: Billing, Triage  desk, Reader"):
        import_agent(WRITTEN, agent="Nobody")


def test_the_model_is_the_chosen_providers_default() -> None:
    made = import_agent(EXPORTED, ProviderEnum.HUGGINGFACE)
    assert made.spec["model"] == PROVIDERS[ProviderEnum.HUGGINGFACE].default_model
    assert "effort" not in made.spec
    assert not only(made, "reasoning").carried


# --- instructions


@pytest.mark.parametrize(
    ("value", "above", "prompt"),
    [
        ("'Be kind.'", "", "Be kind."),
        ("('Be '\n 'kind.')", "", "Be kind."),
        ("'Be ' + MOOD", "MOOD = 'kind.'", "Be kind."),
        ("f'Be {MOOD}'", "MOOD = 'kind.'", "Be kind."),
        ("MOOD", "MOOD: str = '''Be\nkind.'''", "Be\nkind."),
        ("textwrap.dedent('''\n  Be\n   kind.''')", "", "\nBe\n kind."),
        ("lambda context, agent: 'Be kind.'", "", "Be kind."),
        (
            "tell",
            "def tell(context, agent):\n    mood = 'kind.'\n    return f'Be {mood}'",
            "Be kind.",
        ),
        ("prefixed('Be kind.')", PREFIXED, "Be kind."),
        ("f'Be {mood()}.'", "def mood(): ...", "Be {mood()}."),
        ("'a' + " * 60 + "'b'", "", "a" * 60 + "b"),
    ],
)
def test_instructions_become_the_prompt(value: str, above: str, prompt: str) -> None:
    made = import_agent(program(f"instructions={value}", above=above))
    assert made.spec["prompt"] == prompt
    assert only(made, "instructions").carried


@pytest.mark.parametrize(
    ("value", "above", "message"),
    [
        ("open('p.txt').read()", "", "open('p.txt').read(), which is only known at run time"),
        ("load()", "def load(): ...", "load(), which is only known at run time"),
        ("OTHER", "from x import OTHER", "OTHER, which is only known at run time"),
        (
            "tell",
            "def tell(c, a):\n    if c: return 'a'\n    return 'b'",
            "the function tell decides",
        ),
        ("'  '", "", "are empty"),
        ("None", "", "not a string"),
    ],
)
def test_instructions_known_only_at_run_time_are_not_guessed(
    value: str, above: str, message: str
) -> None:
    made = import_agent(program(f"instructions={value}", above=above))
    assert "prompt" not in made.spec
    assert message in only(made, "instructions").note


def test_the_report_of_an_agent_without_instructions_asks_for_a_prompt() -> None:
    assert "write the prompt" in only(import_agent(program()), "instructions").note


# --- tools and types


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "@function_tool\ndef act(x: int) -> int:\n    '''Act.'''\n    return x + 1\n",
            "def act(x: int) -> str:\n    '''Act.'''\n    return str(x + 1)\n",
        ),
        (
            "@function_tool()\nasync def act(ctx: RunContextWrapper, x: str) -> str:\n"
            "  '''Act.'''\n  return x\n",
            "def act(x: str) -> str:\n    '''Act.'''\n    return x\n",
        ),
        (
            "@function_tool\ndef act(ctx: RunContextWrapper[int],) -> str:\n    return 'x'\n",
            'def act() -> str:\n    """Act."""\n    return \'x\'\n',
        ),
        (
            "SIZE = 3\n\ndef helper(x: str) -> str:\n    return x * SIZE\n\n"
            "@function_tool(strict_mode=False)\ndef act(x: str) -> str:\n"
            "    '''Act.'''\n    return helper(x)\n",
            "SIZE = 3\n\n\ndef _helper(x: str) -> str:\n    return x * SIZE\n\n\n"
            "def act(x: str) -> str:\n    '''Act.'''\n    return _helper(x)\n",
        ),
        (
            "from typing import Any\n@function_tool\n"
            "def act(ctx: RunContextWrapper[Any], x: str) -> dict[str, Any]:\n"
            "    'Act.'\n    return {}\n",
            "def act(x: str) -> str:\n    'Act.'\n    return str({})\n",
        ),
        (
            "import json as j\n\n@function_tool\ndef act(é: str = 'ü') -> dict:  # note: yes\n"
            "    '''Act.'''\n    return j.loads('ö' + x)\n".replace("é", "x"),
            "import json as j\n\n\ndef act(x: str = 'ü') -> str:  # note: yes\n"
            "    '''Act.'''\n    return str(j.loads('ö' + x))\n",
        ),
    ],
)
def test_a_function_tool_becomes_code_of_the_spec(code: str, expected: str) -> None:
    made = tool(code)
    assert made.spec["tools"] == [{"code": expected}]
    assert only(made, "tool act").carried


def test_many_changes_of_one_line_leave_the_rest_of_it_as_written() -> None:
    calls = ", ".join(f"'é{number}', plus(x)" for number in range(200))
    returns = "; ".join(f"return plus('ü{number}')" for number in range(200))
    made = tool(
        "def plus(x: str) -> str:\n    return x + '+'\n@function_tool\n"
        f"def act(x: str):\n    'Act.'\n    if x: return [{calls}]\n    {returns}\n"
    )
    calls, returns = calls.replace("plus", "_plus"), returns.replace("return plus", "return _plus")
    returns = returns.replace("_plus(", "str(_plus(").replace("')", "'))")
    assert made.spec["tools"][0]["code"] == (
        "def _plus(x: str) -> str:\n    return x + '+'\n\n\n"
        f"def act(x: str) -> str:\n    'Act.'\n    if x: return str([{calls}])\n    {returns}\n"
    )


def test_a_change_inside_replaced_text_is_dropped() -> None:
    made = tool(
        "def plus(x: str) -> str:\n    return x + '+'\n@function_tool\n"
        "def act(x: str) -> plus | dict[str, plus]:\n    'Act.'\n    return plus(x)\n"
    )
    assert made.spec["tools"][0]["code"].endswith(
        "def act(x: str) -> str:\n    'Act.'\n    return str(_plus(x))\n"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("async def act(x: str) -> str:\n    '''A.'''\n    return await get(x)", "it awaits"),
        (
            "def act(ctx: RunContextWrapper, x: str) -> str:\n    '''A.'''\n    return ctx.x",
            "uses the run's context (ctx)",
        ),
        ("def act(x) -> str:\n    '''A.'''\n    return x", "parameter x of act has no type"),
        (
            "def act(x: str) -> str:\n    '''A.'''\n    return db.get(x)",
            "it uses db of the program",
        ),
        ("def act(x: str) -> str:\n    '''A.'''\n    return Box(x)", "it uses Box of the program"),
        (
            "def act(x: str) -> str:\n    '''A.'''\n    return np.abs(x)",
            "not in the standard library",
        ),
        ("def act(x: str) -> str: return x", "written on one line"),
    ],
)
def test_a_function_tool_that_can_not_be_converted_says_why(code: str, message: str) -> None:
    above = "import numpy as np\ndb = open('x')\nclass Box: ...\n"
    made = tool(f"{above}@function_tool\n{code}\n")
    assert "tools" not in made.spec
    assert message in only(made, "tool act").note


def test_a_tool_defined_elsewhere_is_reported() -> None:
    made = import_agent(program("instructions='x', tools=[far]", above="from x import far"))
    assert "not defined in this file" in only(made, "tool far").note
    made = import_agent(program("instructions='x', tools=load()"))
    assert "only known at run time" in only(made, "tools").note


@pytest.mark.parametrize("value", ["Out", "AgentOutputSchema(Out, strict_json_schema=False)"])
def test_an_output_type_becomes_the_answers_type(value: str) -> None:
    above = "from pydantic import BaseModel\n\nclass Out(BaseModel):\n  size: int\n"
    made = import_agent(program(f"output_type={value}", above=above))
    expected = "from pydantic import BaseModel\n\n\nclass Out(BaseModel):\n    size: int\n"
    assert made.spec["answer"] == expected


def test_strings_below_fields_become_their_descriptions() -> None:
    above = (
        "from pydantic import BaseModel\n\nclass Out(BaseModel):\n"
        '    size: int\n    """How\n    large."""\n\n    unit: str = "m"\n    "In what."\n'
    )
    code = import_agent(program("output_type=Out", above=above)).spec["answer"]
    assert code.startswith("from pydantic import BaseModel, Field\n")
    fields = [line.strip() for line in code.split("\n") if ":" in line][1:]
    assert fields == ['size: int = Field(description="How large.")', 'unit: str = "m"']


@pytest.mark.parametrize("value", ["list[str]", "Missing", "make()"])
def test_an_output_type_that_is_not_a_class_of_the_program_is_reported(value: str) -> None:
    made = import_agent(program(f"output_type={value}"))
    assert "answer" not in made.spec
    assert [line.carried for line in made.report if line.what.startswith("output_type")] == [False]


@pytest.mark.parametrize(
    ("run", "field", "value"),
    [
        ("Runner.run_sync(agent, 'Go.')", "task", "Go."),
        ("Runner.run_streamed(agent, input='Go.')", "stream", True),
        ("run_demo_loop(agent)", "chat", True),
        ("runner = Runner()\nrunner.run(agent, 'Go.')", "task", "Go."),
    ],
)
def test_the_call_that_starts_the_agent_sets_task_stream_and_chat(
    run: str, field: str, value: object
) -> None:
    assert import_agent(program("instructions='x'", run=run)).spec[field] == value


# --- other programs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no OpenAI Agents SDK agent"),
        ("from agents import Agent\n", "never calls the Agent"),
        ("class Agent: ...\na = Agent(name='x')\n", "contains no OpenAI"),
        ('import { Agent } from "@openai/agents";\n', "is TypeScript"),
        ("from agents import (\n", "is not Python"),
        ("x = " + "(" * 300, "is not Python"),
        ("a+" * 40_000 + "a", "characters of code"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_another_program_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(NotOursError) as refused:
        import_agent(text)
    assert message in str(refused.value)


@settings(max_examples=40)
@given(st.sampled_from([EXPORTED, WRITTEN]).flatmap(damaged))
def test_a_damaged_program_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(NotOursError):
        made = import_agent(text)
        assert made.report


# --- programs with huge texts


def doubled(first: str, again: str, times: int) -> str:
    """Return definitions of P0, P1 and so on; each uses the previous one."""
    lines = [f"P{n + 1} = {again.format(f'P{n}')}\n" for n in range(times)]
    return f"P0 = {first!r}\n" + "".join(lines)


@pytest.mark.parametrize("again", ["{0} + {0}", 'f"{{{0}}}{{{0}}}"', "({0} + {0}).strip()"])
@pytest.mark.parametrize(("first", "message"), [("x", "102,400 bytes"), ("", "are empty")])
def test_doubling_instructions_take_few_steps(again: str, first: str, message: str) -> None:
    above = doubled(first, again, 30)  # 2**30 steps if each use were evaluated again
    made = import_agent(program("instructions=P30", above=above))
    assert "prompt" not in made.spec
    assert message in only(made, "instructions").note


@pytest.mark.parametrize(
    "code",
    ["'x' * 10**9", "''.join(['x'] * 10**9)", "f'{P0:>999999999}'", "f'{\"x\" * 10**9}'"],
)
def test_expressions_of_huge_texts_are_not_evaluated(code: str) -> None:
    made = import_agent(program(f"instructions={code}", above="P0 = 'x'\n"))
    assert len(str(made.spec)) < 1000


def test_many_long_parts_are_too_many() -> None:
    fields = "{dedent(P)}" * 4000
    made = import_agent(program(f'instructions=f"{fields}"', above=f"P = {'x' * 90_000!r}\n"))
    assert "prompt" not in made.spec
    assert "too many parts" in only(made, "instructions").note


def test_of_many_tools_the_first_are_converted_and_the_rest_reported() -> None:
    names = [f"act{number}" for number in range(40)]
    above = "".join(
        f"@function_tool\ndef {name}(x: str) -> str:\n    'Act.'\n    return x\n\n\n"
        for name in names
    )
    made = import_agent(program(f"instructions='Act.', tools=[{', '.join(names)}]", above=above))
    converted = [line.what for line in made.report if line.what.startswith("tool act")]
    assert converted == [f"tool {name}" for name in names[:32]]
    assert not only(made, "8 more tools").carried
