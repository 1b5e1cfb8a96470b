"""The command `import`."""

from __future__ import annotations

from pathlib import Path

import click

from llm_agent_builder.commands.base import Command, read_text, say
from llm_agent_builder.commands.spec_output import FILE, FORCE, OUTPUT, write_spec
from llm_agent_builder.errors import NotOursError, SpecError
from llm_agent_builder.openai_import.importer import import_agent
from llm_agent_builder.providers import DEFAULT_PROVIDER, ProviderEnum
from llm_agent_builder.spec.agent_spec import make_spec


@click.command("import", cls=Command)
@click.argument("file", type=FILE)
@OUTPUT
@FORCE
@click.option(
    "--provider",
    type=click.Choice([provider.value for provider in ProviderEnum]),
    default=DEFAULT_PROVIDER.value,
    show_default=True,
    help="The provider whose default model replaces the program's model.",
)
@click.option(
    "--agent",
    help="The agent to convert if the program defines several (default: the one that the program "
    "starts).",
)
def import_(file: Path, output: Path | None, force: bool, provider: str, agent: str | None) -> None:
    """Convert an OpenAI Agents SDK program, or an Agent Builder export, to a spec.

    The program is not run. A report on stderr lists what was converted and what wasn't.
    """
    try:
        made = import_agent(read_text(file), ProviderEnum(provider), agent)
    except NotOursError as error:
        raise click.ClickException(f"{file} {error}") from None
    write_spec(made.spec, output, force=force)
    for line in made.report:
        became = "converted" if line.carried else "NOT converted"
        note = f": {line.note}" if line.note else ""
        say(f"{file}:{line.line}: {line.what}: {became}{note}")
    try:
        make_spec(made.spec)
    except SpecError as error:
        for name, problem in error.problems:
            say(f"still to fix in the spec: {name}: {problem}")
