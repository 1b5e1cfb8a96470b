"""Runs commands of the builder, in this process or in one of their own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from llm_agent_builder import AgentBuilder
from llm_agent_builder.catalog.catalog import Catalog
from llm_agent_builder.cli import cli
from tests.llm_agent_builder.support.processes import Done, run_python

GREETER = ("--name", "Greeter", "--prompt", "You greet people.", "--task", "Say hello.")
RETIRED = "claude-3-5-haiku-20241022"


def invoke(*arguments: str | Path, today: date | None = None) -> Result:
    """Run a command in this process, with the same effects on files and streams."""
    catalog = None if today is None else lambda: Catalog(today)
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], obj=catalog)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def in_process(*arguments: str, folder: Path, environ: dict[str, str] | None = None) -> Done:
    """Run a command as a process of its own."""
    program = "from llm_agent_builder.cli import cli; cli(prog_name='agents')"
    return run_python("-c", program, *arguments, home=folder, cwd=folder, **(environ or {}))


def greeter(model: str = "claude-sonnet-5-5", **values: Any) -> str:
    """Return the file that `generate` writes for `GREETER`."""
    return AgentBuilder().build_agent(
        "Greeter", "You greet people.", "Say hello.", model=model, **values
    )
