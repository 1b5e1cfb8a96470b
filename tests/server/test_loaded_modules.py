"""The modules that each command loads: unneeded ones would only slow it down."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import click
import pytest

from llm_agent_builder.commands.base import Group
from server.cli import cli
from tests.support.serving import bare_environment, command

ROOT = Path(__file__).resolve().parent.parent.parent
WEB = {"fastapi", "starlette", "uvicorn"}
SERVER = {"aiohttp", "alembic", "prometheus_client", "sqlalchemy", "server.services", *WEB}
BUILDER = {"genai_prices", "jinja2", "pydantic", "yaml"}
SDKS = {"anthropic", "huggingface_hub"}
ALL = SERVER | BUILDER | SDKS | {"asyncio"}
_TELL = """
import atexit, json, sys
def tell():
    with open("loaded.json", "w") as file:
        json.dump(list(sys.modules), file)
atexit.register(tell)
"""


def test_all_that_is_looked_for_can_be_imported() -> None:
    assert [name for name in ALL if importlib.util.find_spec(name) is None] == []


def loaded(folder: Path, *arguments: str) -> set[str]:
    """Run a command to its end; return which of `ALL` its process has loaded by then."""
    done = subprocess.run(
        command(*arguments, before=_TELL),
        cwd=folder,
        env=bare_environment(folder, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return ALL & set(json.loads((folder / "loaded.json").read_text()))


def test_importing_one_module_of_the_builder_loads_no_other(tmp_path: Path) -> None:
    program = f"{_TELL}\nimport llm_agent_builder.errors"
    python = command()[0]
    subprocess.run([python, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert not ALL & set(json.loads((tmp_path / "loaded.json").read_text()))


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("tools",)])
def test_help_version_and_ready_tools_load_nothing_large(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert loaded(tmp_path, *arguments) == set()


def test_writing_and_checking_agents_loads_nothing_of_the_server(tmp_path: Path) -> None:
    fields = ("--name", "Geo", "--prompt", "p", "--task", "t")
    for arguments in (
        ("generate", *fields, "-o", "geo.py"),
        ("check", "geo.py"),
        ("models",),
        ("read", "geo.py", "-o", "geo.yaml"),
        ("schema",),
    ):
        assert not loaded(tmp_path, *arguments) & (SERVER | SDKS), arguments


@pytest.mark.matrix
def test_a_run_and_doctor_load_nothing_of_the_page_and_its_routes(tmp_path: Path) -> None:
    (tmp_path / "hi.py").write_text("print('hi')\n")
    assert not loaded(tmp_path, "run", "hi.py", "--task", "x") & (WEB | SDKS | {"alembic"})
    assert not loaded(tmp_path, "doctor") & (WEB | SDKS | {"sqlalchemy", "prometheus_client"})


def test_list_of_commands_has_the_same_texts_as_their_help() -> None:
    context = click.Context(cli)
    assert isinstance(cli, Group)
    for name, listed in cli.commands.items():
        found = cli.get_command(context, name)
        assert found is not None
        assert found.name == name
        assert found.get_short_help_str(500) == listed.get_short_help_str(500)
