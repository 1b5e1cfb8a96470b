"""The commands `read` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from llm_agent_builder.commands.base import Command, read_text, say
from llm_agent_builder.commands.spec_output import FILE, FORCE, OUTPUT, write_spec
from llm_agent_builder.errors import NotOursError
from llm_agent_builder.reading.read_agent import read_agent
from llm_agent_builder.spec.files import file_schema, plain_values


@click.command(cls=Command)
@click.argument("file", type=FILE)
@OUTPUT
@FORCE
def read(file: Path, output: Path | None, force: bool) -> None:
    """Turn an agent file back into a spec, even if you edited it by hand. The file is not run.

    Manual edits are listed on stderr; `generate --base FILE` keeps them.
    """
    try:
        reading = read_agent(read_text(file))
    except NotOursError as error:
        raise click.ClickException(f"{file} {error}") from None
    write_spec(plain_values(reading.spec), output, force=force)
    for warning in reading.warnings:
        say(f"{file}: warning: {warning}")
    for edit in reading.edits:
        last = f"-{edit.last_line}" if edit.last_line > edit.first_line else ""
        say(f"{file}:{edit.first_line}{last}: {edit.kind} by hand")


@click.command(cls=Command)
def schema() -> None:
    """Print the JSON Schema of spec files, for editors."""
    click.echo(json.dumps(file_schema(), indent=2))
