"""The SDKs that a program imports, found without running it, even if it is not valid Python."""

from __future__ import annotations

import pytest

from llm_agent_builder import ProviderEnum
from server.runs.backends import providers_in

ANTHROPIC, HUGGINGFACE = ProviderEnum.ANTHROPIC, ProviderEnum.HUGGINGFACE
BROKEN = "def f(:\n"

IMPORTS = [
    ("import anthropic\n", {ANTHROPIC}),
    ("import os as o, anthropic as a\n", {ANTHROPIC}),
    ("from anthropic.types import Message\n", {ANTHROPIC}),
    ("from huggingface_hub import (\n    InferenceClient,\n)\n", {HUGGINGFACE}),
    ("try: import anthropic\nexcept ImportError:\n    import huggingface_hub\n", set(ProviderEnum)),
    ("import os; import anthropic\n", {ANTHROPIC}),
    ("# don't\nimport anthropic\n", {ANTHROPIC}),
]
MENTIONS = [
    "# import anthropic\n",
    "'import anthropic'\n",
    '"""\nimport anthropic\n"""\n',
    "TEXT = r'''\nfrom anthropic import Anthropic\n'''\n",
    "TEXT = f'''\nimport anthropic\n'''\n",
    "import anthropic_extras\nanthropic = 1\n",
    "from extras import anthropic\n",
]


@pytest.mark.parametrize("rest", ["", BROKEN], ids=["python", "broken"])
@pytest.mark.parametrize(("code", "providers"), IMPORTS)
def test_imports_tell_the_providers_of_a_program(
    code: str, providers: set[ProviderEnum], rest: str
) -> None:
    assert providers_in(code + rest) == providers


@pytest.mark.parametrize("rest", ["", BROKEN], ids=["python", "broken"])
@pytest.mark.parametrize("code", MENTIONS)
def test_imports_in_strings_and_comments_do_not_count(code: str, rest: str) -> None:
    assert providers_in(code + rest) == set()


def test_imports_above_an_unterminated_string_count_and_those_in_it_do_not() -> None:
    assert providers_in('import huggingface_hub\nTEXT = """\nimport anthropic\n') == {HUGGINGFACE}


def test_sdk_of_a_program_too_large_to_parse_is_found_by_its_imports() -> None:
    code = '"""\nimport anthropic\n"""\nimport huggingface_hub\n' + "x = 1\n" * 20_000
    assert providers_in(code) == {HUGGINGFACE}
