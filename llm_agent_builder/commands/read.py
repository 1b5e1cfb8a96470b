"""The commands read, import and schema: code and other builders' agents as spec files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from llm_agent_builder.commands.base import Command, read_text, say, write_text
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.openai_import.importer import import_agent
from llm_agent_builder.providers import DEFAULT_PROVIDER, ProviderEnum
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.agent_spec import make_spec
from llm_agent_builder.spec.files import dump_spec, file_schema, plain_values

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Spec file to write, .yaml or .json (default: YAML on standard output).",
)
_FORCE = click.option("--force", is_flag=True, help="Replace the file if it is there.")


@click.command(cls=Command)
@click.argument("file", type=_FILE)
@_OUTPUT
@_FORCE
def read(file: Path, output: Path | None, force: bool) -> None:
    """Read an agent file, also one edited by hand, back into a spec; the file is not run.

    Hand-written parts are told on standard error; `generate --base FILE` keeps them.
    """
    try:
        reading = read_agent(read_text(file))
    except NotOursError as error:
        raise click.ClickException(f"{file} {error}") from None
    _write(plain_values(reading.spec), output, force=force)
    for warning in reading.warnings:
        say(f"{file}: warning: {warning}")
    for edit in reading.edits:
        last = f"-{edit.last_line}" if edit.last_line > edit.first_line else ""
        say(f"{file}:{edit.first_line}{last}: {edit.kind} by hand")


@click.command("import", cls=Command)
@click.argument("file", type=_FILE)
@_OUTPUT
@_FORCE
@click.option(
    "--provider",
    type=click.Choice([provider.value for provider in ProviderEnum]),
    default=DEFAULT_PROVIDER.value,
    show_default=True,
    help="Whose default model takes the place of the program's.",
)
@click.option("--agent", help="Which of several agents (default: the one that is started).")
def import_(file: Path, output: Path | None, force: bool, provider: str, agent: str | None) -> None:
    """Make a spec of an agent of OpenAI's Agents SDK, or of code exported by its Agent Builder.

    The program is read, not run. What was carried over and what was not, and what to do about it,
    is told line by line on standard error.
    """
    try:
        made = import_agent(read_text(file), ProviderEnum(provider), agent)
    except NotOursError as error:
        raise click.ClickException(f"{file} {error}") from None
    _write(made.spec, output, force=force)
    for line in made.report:
        became = "carried over" if line.carried else "NOT carried over"
        note = f": {line.note}" if line.note else ""
        say(f"{file}:{line.line}: {line.what}: {became}{note}")
    try:
        make_spec(made.spec)
    except SpecError as error:
        for name, problem in error.problems:
            say(f"to do in the spec: {name}: {problem}")


def _write(values: Mapping[str, Any], output: Path | None, *, force: bool) -> None:
    if output is None:
        click.echo(dump_spec(values), nl=False)
        return
    write_text(output, dump_spec(values, output.suffix), force=force)
    say(f"wrote {output}")


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of spec files, by which editors complete and check them."""
    click.echo(json.dumps(file_schema(), indent=2))
