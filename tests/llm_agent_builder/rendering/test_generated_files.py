"""Generated files, checked by linters, the type checker and an import."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_agent_builder import PROVIDERS, AgentBuilder, AgentSpec, ProviderEnum, class_name_for
from llm_agent_builder.spec.agent_spec import TEXT_MAX_BYTES, make_spec
from tests.llm_agent_builder.support.processes import Done, run_python
from tests.llm_agent_builder.support.strategies import NASTY

ROOT = Path(__file__).resolve().parents[3]
VALUES = {
    "short": ("Greeter", "You greet people.", "Say hello.", "m1"),
    "long": ("x" * 100, "Be brief. " * 10_000, "y" * TEXT_MAX_BYTES, "m" * 200),
    "wide": ("日" * 100, "日本語" * 40, "日" * 29 + "\n" + "本" * 90, "日" * 200),
    "digits first": ("9" + "x" * 99, "a\n\nb\n", "  indented\n\ttabs \n", "org/model"),
    "taken": ("Stopped Early", '"""', "\\", "NAME"),
    "sdk class": ("Anthropic", "InferenceClient", "anthropic", "huggingface_hub"),
    "hostile": ('"""; raise # {{ name }}', "".join(NASTY), "".join(reversed(NASTY)), "{% x %}"),
}
CASES = [
    (provider, stream, values)
    for provider in ProviderEnum
    for stream in (False, True)
    for values in VALUES
]


def spec_of(provider: ProviderEnum, stream: bool, values: str) -> AgentSpec:
    name, prompt, task, model = VALUES[values]
    return AgentSpec(
        name=name, prompt=prompt, task=task, model=model, provider=provider, stream=stream
    )


@dataclass(frozen=True)
class Written:
    """A folder with one generated file for each case, under plain module names."""

    folder: Path
    specs: dict[str, AgentSpec]

    @property
    def files(self) -> list[str]:
        return [f"{module}.py" for module in self.specs]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("generated")
    specs = {f"agent{number}": spec_of(*case) for number, case in enumerate(CASES)}
    for module, spec in specs.items():
        (folder / f"{module}.py").write_text(AgentBuilder().build(spec), "utf-8", newline="")
    return Written(folder, specs)


def run_tool(written: Written, *command: str) -> Done:
    return run_python("-m", *command, *written.files, home=written.folder, cwd=written.folder)


def test_ruff_check_finds_nothing(written: Written) -> None:
    done = run_tool(written, "ruff", "check", "--isolated", "--no-cache")
    assert (done.returncode, done.stdout) == (0, "All checks passed!\n"), done.stdout


def test_ruff_format_would_change_nothing(written: Written) -> None:
    done = run_tool(written, "ruff", "format", "--isolated", "--no-cache", "--diff")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


def test_ruff_format_would_change_no_list_of_mcp_servers(tmp_path: Path) -> None:
    for size in range(24, 84):
        server = {"name": "files", "command": ["x" * size], "env": []}
        values = {"name": "A", "prompt": "p", "task": "t", "model": "m", "provider": "anthropic"}
        source = AgentBuilder().build(make_spec({**values, "mcp_servers": [server]}))
        (tmp_path / f"agent{size}.py").write_text(source, "utf-8")
    command = ("-m", "ruff", "format", "--isolated", "--no-cache", "--diff", ".")
    done = run_python(*command, home=tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


@pytest.mark.parametrize(("provider", "stream", "values"), CASES)
def test_the_oldest_python_it_names_can_read_it(
    provider: ProviderEnum, stream: bool, values: str
) -> None:
    source = AgentBuilder().build(spec_of(provider, stream, values))
    assert 'requires-python = ">=3.10"' in source
    ast.parse(source, feature_version=(3, 10))


def _header_of(source: str) -> dict[str, object]:
    """Read the header as PEP 723 says, by the expression that it gives."""
    pattern = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
    (match,) = re.finditer(pattern, source)
    assert match["type"] == "script"
    lines = match["content"].splitlines(keepends=True)
    return tomllib.loads("".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))


@pytest.mark.parametrize(("provider", "stream", "values"), CASES)
def test_its_header_names_the_python_and_the_sdk_range_of_the_requirements(
    provider: ProviderEnum, stream: bool, values: str
) -> None:
    header = _header_of(AgentBuilder().build(spec_of(provider, stream, values)))
    requirements = (ROOT / "requirements.txt").read_text("utf-8").split("\n")
    sdk = PROVIDERS[provider].sdk_module
    (expected,) = [line for line in requirements if re.match(rf"{sdk}\b", line)]
    assert header == {"requires-python": ">=3.10", "dependencies": [expected]}


_IMPORT_ALL = """
import argparse, collections.abc, importlib, json, os, sys, threading
import anthropic, huggingface_hub
huggingface_hub.InferenceClient  # it is loaded when first asked for
modules = json.loads(sys.argv[1])
seen = []
def watch(event, args):
    if event.startswith(("socket.", "subprocess.", "sqlite3.", "os.", "shutil.", "http.")):
        if event not in ("os.listdir", "os.scandir"):
            seen.append(f"{event} {args}")
    elif event == "open" and os.path.basename(str(args[0])).partition(".")[0] not in modules:
        seen.append(f"{event} {args}")
sys.addaudithook(watch)
before = dict(os.environ), sys.argv[:], threading.active_count()
loaded = {name: importlib.import_module(name) for name in modules}
assert (dict(os.environ), sys.argv[:], threading.active_count()) == before
events = list(seen)
for name, class_name in modules.items():
    assert callable(getattr(loaded[name], class_name).run)
assert events == [], events
"""


def test_importing_a_file_does_nothing_else(written: Written) -> None:
    classes = {module: class_name_for(spec.name) for module, spec in written.specs.items()}
    done = run_python(
        *("-B", "-c", _IMPORT_ALL, json.dumps(classes)),
        home=written.folder,
        cwd=written.folder,
        PYTHONPATH=str(written.folder),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("provider", list(ProviderEnum))
def test_it_knows_nothing_of_the_builder(provider: ProviderEnum) -> None:
    source = AgentBuilder().build(spec_of(provider, True, "short"))
    assert "llm_agent_builder" not in source
    assert "builder" not in source.casefold()


def test_every_file_is_plain_utf_8_with_line_feeds(written: Written) -> None:
    for name in written.files:
        raw = (written.folder / name).read_bytes()
        raw.decode("utf-8")
        assert b"\r" not in raw
        assert b"\0" not in raw
        assert raw.endswith(b"main()\n")
