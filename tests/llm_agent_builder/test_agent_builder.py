"""`AgentBuilder`: values go in as values. Whatever they are, the file keeps its shape."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_agent_builder import (
    PROVIDERS,
    AgentBuilder,
    AgentSpec,
    ProviderEnum,
    SpecError,
    class_name_for,
    filename_for,
)
from llm_agent_builder.agent_builder import file_code
from llm_agent_builder.errors import TemplateError
from llm_agent_builder.rendering.features import features_of
from llm_agent_builder.rendering.verify import RenderedFile, verify
from llm_agent_builder.spec.agent_spec import NAME_MAX_CHARS, TEXT_MAX_BYTES, make_spec
from tests.llm_agent_builder.conftest import InstalledSdks
from tests.llm_agent_builder.support.processes import run_python
from tests.llm_agent_builder.support.strategies import able_specs, any_text, lines

CONSTANTS = {"NAME": "name", "MODEL": "model", "SYSTEM_PROMPT": "prompt", "EXAMPLE_TASK": "task"}
KINDS = [(provider, stream) for provider in ProviderEnum for stream in (False, True)]
ANOTHER = {"name": "Quite Another", "prompt": "Other words.", "task": "Other work.", "model": "m1"}


def another(provider: ProviderEnum, stream: bool) -> AgentSpec:
    return make_spec({**ANOTHER, "provider": provider, "stream": stream})


def build(spec: AgentSpec) -> str:
    return AgentBuilder().build(spec)


def constants_of(source: str) -> dict[str, object]:
    """Return what the top-level `NAME = literal` lines of a file say."""
    found: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            (target,) = node.targets
            assert isinstance(target, ast.Name)
            assert target.id not in found
            found[target.id] = node.value.value
    return found


def check(source: str, spec: AgentSpec) -> None:
    code, taken = file_code(spec)
    names = class_name_for(spec.name, taken), filename_for(spec.name)
    verify(RenderedFile(source, spec, features_of(spec), code, *names))


class _Mask(ast.NodeTransformer):
    """Blanks what may differ from file to file, and nothing else."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if ast.unparse(node.targets[0]) in CONSTANTS:
            assert isinstance(node.value, ast.Constant)
            assert isinstance(node.value.value, str)
            node.value.value = "<value>"
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = "<class>" if node.name == self.class_name else node.name
        self.generic_visit(node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = "<class>" if node.id == self.class_name else node.id
        return node


def shape_of(source: str, spec: AgentSpec) -> str:
    tree = ast.parse(source.replace(f" {filename_for(spec.name)} --task", " FILE --task"))
    return ast.dump(_Mask(class_name_for(spec.name)).visit(tree))


@given(able_specs)
def test_the_file_compiles_and_its_constants_are_the_values(spec: AgentSpec) -> None:
    source = build(spec)
    compile(source, "agent.py", "exec")
    found = constants_of(source)
    assert {name: found[name] for name in CONSTANTS} == {
        name: getattr(spec, field) for name, field in CONSTANTS.items()
    }


@given(able_specs)
def test_the_shape_of_the_file_does_not_depend_on_the_values(spec: AgentSpec) -> None:
    other = AgentSpec.model_validate(spec.model_dump() | ANOTHER)
    assert shape_of(build(spec), spec) == shape_of(build(other), other)


@given(able_specs)
def test_the_same_spec_gives_the_same_bytes(spec: AgentSpec) -> None:
    again = AgentSpec.model_validate(spec.model_dump())
    assert build(spec) == build(again)
    build(spec).encode("utf-8")


def test_the_same_spec_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    spec = another(ProviderEnum.HUGGINGFACE, True)
    script = (
        "import sys\n"
        "from llm_agent_builder import AgentBuilder, AgentSpec\n"
        f"spec = AgentSpec.model_validate_json({spec.model_dump_json()!r})\n"
        "sys.stdout.buffer.write(AgentBuilder().build(spec).encode())\n"
    )
    done = run_python("-c", script, home=tmp_path, PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == build(spec)


def _words_of_the_file(source: str, class_name: str) -> Iterator[str]:
    """Yield values that already stand in a file: strings, docstrings and names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Constant(value=str(text)) if text.strip():
                yield text
            case ast.Name(id=name) | ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
    yield class_name


@pytest.mark.matrix(keep=1)
@pytest.mark.parametrize(("provider", "stream"), KINDS)
def test_values_that_stand_in_the_template_itself_work(
    provider: ProviderEnum, stream: bool
) -> None:
    plain = another(provider, stream)
    words = set(_words_of_the_file(build(plain), class_name_for(plain.name)))
    words |= {"Run it", "reference name", "reference model", "reference prompt", "reference task"}
    words |= {"ReferenceAgent", "agent.py", filename_for(plain.name), "{{ class_name }}"}
    for word in words:
        line = " ".join(word.split())[:NAME_MAX_CHARS]
        spec = AgentSpec(
            name=line, prompt=word, task=word, model=line, provider=provider, stream=stream
        )
        source = build(spec)
        assert shape_of(source, spec) == shape_of(build(plain), plain)
        assert constants_of(source)["SYSTEM_PROMPT"] == word


# --- names


def _names_in(source: str, class_name: str) -> set[str]:
    """Return every name a file binds or looks up, its agent's class aside."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add((asname or name).partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                names.add(name)
    return names - {class_name}


@pytest.fixture(scope="module")
def names_in_files() -> set[str]:
    made = [another(kind[0], kind[1]) for kind in KINDS]
    return set().union(*(_names_in(build(spec), class_name_for(spec.name)) for spec in made))


@given(name=lines | any_text)
@example("")
@example("\u0301")
@example("Agent\u0301")
@example("t\u0323x")
@example("ŉ" * 60)
@example("ΐ" * 60)
@example("৴")
@example("·")
@example("\ufe0f")
def test_the_class_name_is_always_an_identifier_of_its_own(
    names_in_files: set[str], name: str
) -> None:
    class_name = class_name_for(name)
    assert class_name.isidentifier()
    assert class_name == unicodedata.normalize("NFKC", class_name), "the parser would change it"
    assert not keyword.iskeyword(class_name)
    assert not keyword.issoftkeyword(class_name)
    assert not hasattr(builtins, class_name)
    assert class_name not in names_in_files
    assert len(class_name) <= 65
    (node,) = ast.parse(f"class {class_name}: pass").body
    assert isinstance(node, ast.ClassDef)
    assert node.name == class_name


def test_no_spelling_of_a_name_in_the_file_gives_a_class_of_that_name(
    names_in_files: set[str],
) -> None:
    assert {"StoppedEarly", "InferenceClient", "Callable", "anthropic", "sys"} <= names_in_files
    taken = names_in_files | set(dir(builtins)) | set(keyword.kwlist)
    for name in taken:
        parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
        for spelling in {name, parted, parted.lower(), name.upper(), name.replace("_", " ")}:
            assert class_name_for(spelling) not in taken, spelling


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("code reviewer 2", "CodeReviewer2"),
        ("snake_case-and-dashes", "SnakeCaseAndDashes"),
        ("3rd try", "Agent3rdTry"),
        ("none", "NoneAgent"),
        ("True", "TrueAgent"),
        ("exception", "ExceptionAgent"),
        ("print", "Print"),
        ("日本語", "日本語"),
        ("हिन्दी सहायक", "हिन्दीसहायक"),
        ("!!!", "Agent"),
        ("☕\ufe0f Helper", "Helper"),
        ("👩\u200d💻", "Agent"),
        ("Anthropic", "Anthropic"),
        ("Stopped Early", "StoppedEarlyAgent"),
        ("inference client", "InferenceClientAgent"),
        ("InferenceClient", "InferenceClientAgent"),
        ("NAME", "NAMEAgent"),
        ("ﬁ", "Fi"),
        ("a\u0301", "Á"),
        ("²", "Agent2"),
        ("½", "Agent12"),
        ("ß", "SS"),
        ("x" * 100, "X" + "x" * 59),
        ("日" * 100, "日" * 60),
    ],
)
def test_class_name(name: str, class_name: str) -> None:
    assert class_name_for(name) == class_name


@given(lines | any_text)
@example("../../etc/passwd")
@example("-rf")
@example(".hidden")
@example("a\0b/c\\d")
def test_the_file_name_is_always_safe(name: str) -> None:
    file_name = filename_for(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9_]*[a-z0-9])?\.py", file_name)
    assert len(file_name) <= 69


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("Code Reviewer", "code_reviewer.py"),
        ("Ünïcödé", "unicode.py"),
        ("日本語", "agent.py"),
        ("!!!", "agent.py"),
        ("../../etc/passwd", "etc_passwd.py"),
        ("Email", "email_agent.py"),
        ("JSON", "json_agent.py"),
        ("Anthropic", "anthropic_agent.py"),
        ("Huggingface Hub", "huggingface_hub_agent.py"),
        ("Con", "con_agent.py"),
        ("x" * 100, "x" * 60 + ".py"),
    ],
)
def test_file_name(name: str, file_name: str) -> None:
    assert filename_for(name) == file_name


def test_no_agent_file_is_named_like_a_module_the_sdks_load(installed_sdks: InstalledSdks) -> None:
    """A file's own folder comes first when it imports: `email.py` would break every SDK."""
    modules = {*sys.stdlib_module_names, *installed_sdks.modules} - {"__main__"}
    assert {"anthropic", "huggingface_hub", "email"} <= modules
    assert [name for name in modules if filename_for(name) == f"{name}.py"] == []


# --- values that can't be used

GOOD: dict[str, Any] = {"agent_name": "Greeter", "prompt": "Greet.", "example_task": "Say hello."}


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"agent_name": ""}, "name", "must not be blank"),
        ({"agent_name": " \u3000"}, "name", "must not be blank"),
        ({"agent_name": "x" * (NAME_MAX_CHARS + 1)}, "name", "101 characters"),
        ({"agent_name": "a\nb"}, "name", "U+000A at character 2"),
        ({"agent_name": "a\0"}, "name", "U+0000"),
        ({"agent_name": "\x1b[31mred"}, "name", "U+001B"),
        ({"agent_name": "a\u2028b"}, "name", "U+2028"),
        ({"agent_name": "\ud800"}, "name", "U+D800"),
        ({"agent_name": None}, "name", "must be text"),
        ({"prompt": "\n\t "}, "prompt", "must not be blank"),
        ({"prompt": "é" * (TEXT_MAX_BYTES // 2) + "x"}, "prompt", "102,401 bytes"),
        ({"prompt": 5}, "prompt", "must be text"),
        ({"example_task": ""}, "task", "must not be blank"),
        ({"example_task": "x" * (TEXT_MAX_BYTES + 1)}, "task", "102,401 bytes"),
        ({"model": " "}, "model", "must not be blank"),
        ({"model": ""}, "model", "must not be blank"),
        ({"model": "a\rb"}, "model", "U+000D"),
        ({"model": "m" * 201}, "model", "201 characters"),
        ({"provider": "gemini"}, "provider", "'gemini' is not one of anthropic, huggingface"),
        ({"stream": "perhaps"}, "stream", "must be true or false"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_field(
    values: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(SpecError) as refused:
        AgentBuilder().build_agent(**(GOOD | values))
    assert refused.value.field == field
    assert problem in refused.value.problem
    assert str(refused.value) == f"{field}: {refused.value.problem}"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_without_a_model_the_providers_default_is_taken(provider: ProviderEnum) -> None:
    source = AgentBuilder().build_agent(**GOOD, provider=provider.value)
    assert constants_of(source)["MODEL"] == PROVIDERS[provider].default_model


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_the_provider_decides_which_sdk_is_imported(provider: ProviderEnum) -> None:
    imported = {
        name
        for node in ast.walk(ast.parse(AgentBuilder().build_agent(**GOOD, provider=provider.value)))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    sdks = {row.sdk_module for row in PROVIDERS.values()}
    assert imported & sdks == {PROVIDERS[provider].sdk_module}
    assert not any("llm_agent_builder" in name for name in imported)


# --- a broken template


@given(st.sampled_from(KINDS), any_text)
def test_a_value_pasted_into_source_passes_only_as_the_very_same_program(
    kind: tuple[ProviderEnum, bool], pasted: str
) -> None:
    """What a template without the `literal` filter would write."""
    spec = another(kind[0], kind[1])
    good = build(spec)
    source = good.replace('"Other words."', f'"Other words.{pasted}"')
    try:
        check(source, spec)
    except TemplateError:
        assert pasted != ""
    else:
        assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(good))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import sys\n", "import sys\nimport subprocess\n"),
        ('"Other words."', '"Other words!"'),
        ('"Other words."', '"Other words." or print()'),
        ('"Other words."', "None"),
        ('NAME = "Quite Another"', 'NAME = "m1"'),
        ("MAX_TOKENS = 4096", "MAX_TOKENS = 9999"),
        ("class QuiteAnother", "class Another"),
        ("sys.exit(3)", "sys.exit(4)"),
        ("def main(", "def main(x="),
        ("def main() -> None:", "def main() -> None"),
        ('if __name__ == "__main__":\n    main()\n', ""),
        ("import os\n", "import os\0\n"),
        ("import os\n", "import os  # \ud800\n"),
    ],
)
@pytest.mark.parametrize(("provider", "stream"), KINDS)
def test_a_file_of_another_shape_is_refused(
    provider: ProviderEnum, stream: bool, old: str, new: str
) -> None:
    spec = another(provider, stream)
    source = build(spec)
    assert old in source
    with pytest.raises(TemplateError, match="rendered file"):
        check(source.replace(old, new, 1), spec)


@pytest.mark.parametrize(
    ("name", "filename"),
    [("class", "class_agent.py"), ("123", "agent_123.py"), ("Email", "email_agent.py")],
)
def test_a_file_that_could_not_be_imported_by_its_name_gets_another(
    name: str, filename: str
) -> None:
    assert filename_for(name) == filename
