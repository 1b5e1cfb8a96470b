"""Shared options and output of the commands that write spec files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from llm_agent_builder.commands.base import say, write_text
from llm_agent_builder.spec.files import dump_spec

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Spec file to write, .yaml or .json (default: YAML on standard output).",
)
FORCE = click.option("--force", is_flag=True, help="Overwrite an existing file.")


def write_spec(values: Mapping[str, Any], output: Path | None, *, force: bool) -> None:
    """Write a spec to a file, or to standard output if `output` is None."""
    if output is None:
        click.echo(dump_spec(values), nl=False)
        return
    write_text(output, dump_spec(values, output.suffix), force=force)
    say(f"wrote {output}")
