"""The command line, pure half: all that needs no server. `server/cli.py` adds the rest."""

from __future__ import annotations

import click

from llm_agent_builder.agent_file import constant
from llm_agent_builder.commands.base import Group
from llm_agent_builder.commands.generate import generate
from llm_agent_builder.commands.models import check, models
from llm_agent_builder.commands.spec import import_, read, schema
from llm_agent_builder.commands.tools import tools
from llm_agent_builder.syntax_trees import syntax_tree


@click.group(cls=Group)
@click.version_option(package_name="llm-agent-builder")
def cli() -> None:
    """Build an LLM agent as one readable Python file that you own."""


def example_task(source: str) -> str | None:
    """Return the EXAMPLE_TASK of an agent file, if it has one; the file is read, never run."""
    try:
        task = constant(syntax_tree(source), "EXAMPLE_TASK")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return task if isinstance(task, str) else None


for _command in (generate, read, import_, schema, models, check, tools):
    cli.add_command(_command)
